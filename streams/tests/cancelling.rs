//! Every public async function of an application, dropped after its first, second, … poll: what it began is over or goes on
//! by itself, and every record is processed once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_protocol::record::{BatchWriter, NO_HEADERS};
use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{Store, StreamsApp, StreamsAppBuilder, StreamsBuilder, Topology};

const SECOND: Duration = Duration::from_secs(1);
/// No function here needs more polls than this.
const MOST_POLLS: usize = 400;

/// Polls a future so many times, whenever it is woken, and drops it if it is not ready by then.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut done = 0;
    poll_fn(|cx| {
        done += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if done >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { tokio::time::timeout(3600 * SECOND, story).await.expect("no hang") })
}

/// Visits by key, counted: a store with a changelog, and a result for each visit.
fn counts() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, String>("visits", (Utf8, Utf8))
        .group_by_key()
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to("out", (Utf8, I64Be));
    builder.build().unwrap()
}

/// Two brokers, and ten visits in each of two partitions.
fn visited() -> MockCluster {
    let cluster = MockCluster::builder().brokers(2).topic("visits", 2).topic("out", 1).build().unwrap();
    for partition in 0..2 {
        let mut writer = BatchWriter::new(Default::default(), Default::default());
        let key = format!("p{partition}");
        for _ in 0..10 {
            writer
                .append(cluster.world().unix_millis(), Some(key.as_bytes()), Some(b""), NO_HEADERS)
                .unwrap();
        }
        let sealed = writer.seal(Default::default(), None, &mut Default::default()).unwrap();
        cluster.append_raw("visits", partition, sealed.to_bytes(&Default::default())).unwrap();
    }
    cluster
}

fn application(kafka: &Kafka) -> StreamsAppBuilder {
    StreamsApp::builder("counting", kafka).workers(2).set("commit.interval.ms", 200).set("linger.ms", 0)
}

/// True if no future was dropped.
async fn story(polls: usize) -> bool {
    let cluster = visited();
    let kafka =
        Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
    let started = drop_after(polls, application(&kafka).start(counts())).await;
    let mut ended = started.is_some();
    let app = match started {
        Some(app) => app.unwrap(),
        None => {
            tokio::time::sleep(10 * SECOND).await;
            assert!(cluster.group("counting").is_none_or(|group| group.members.is_empty()), "no worker runs");
            assert_eq!(cluster.log_end("out", 0), Some(0.into()));
            application(&kafka).start(counts()).await.unwrap()
        }
    };
    assert!(drop_after(1, app.ended()).await.is_none(), "it runs");
    for _ in 0..2 {
        ended &= drop_after(polls, app.lag()).await.is_some();
        ended &= drop_after(polls, app.caught_up()).await.is_some();
    }
    app.caught_up().await.unwrap();
    ended &= drop_after(polls, app.close(10 * SECOND)).await.is_some();
    app.ended().await.unwrap();
    app.close(10 * SECOND).await.unwrap();
    assert_eq!(cluster.log_end("out", 0), Some(20.into()), "each visit is counted once");
    assert_eq!(cluster.committed("counting", "visits", 0), Some(10.into()));
    assert_eq!(cluster.committed("counting", "visits", 1), Some(10.into()));
    assert!(cluster.group("counting").is_none_or(|group| group.members.is_empty()), "it has left");
    ended
}

#[test]
fn an_application_whose_calls_are_dropped_processes_every_record_once() {
    let ended = (1..MOST_POLLS).find(|polls| run(story(*polls)));
    assert!(
        ended.is_some_and(|polls| polls > 2),
        "{ended:?}: more polls are needed, or there is nothing to drop"
    );
}
