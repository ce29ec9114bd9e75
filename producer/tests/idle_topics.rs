//! What it costs to do nothing: no wake-up of the driver, and little memory for topics that nothing is written to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use courant_broker_mock::{Fault, MockCluster};
use courant_client::Kafka;
use courant_producer::{Producer, Record};
use courant_protocol::api::ApiKey;
use courant_protocol::types::UnixMillis;
use courant_runtime::{BoxFuture, Spawner, VirtualClock, World};

const MANY: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// Counts how often the producer's driver is polled.
#[derive(Clone, Default)]
struct Wakes(Arc<AtomicUsize>);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Spawner for Wakes {
    fn wrap(&self, name: &'static str, mut future: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let wakes = (name == "producer").then(|| Arc::clone(&self.0));
        Box::pin(std::future::poll_fn(move |cx: &mut Context<'_>| -> Poll<()> {
            if let Some(wakes) = &wakes {
                wakes.fetch_add(1, Ordering::Relaxed);
            }
            future.as_mut().poll(cx)
        }))
    }
}

/// What a producer costs after a few batches to each of its topics.
#[derive(Debug)]
struct Cost {
    wakes: usize,
    held_bytes: i64,
}

fn cost(topics: usize) -> Cost {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let wakes = Wakes::default();
    let (kafka, cluster, producer) = runtime.block_on(written(topics, &wakes));
    let before = wakes.count();
    runtime.block_on(async { tokio::time::sleep(30 * SECOND).await });
    let wakes = wakes.count() - before;
    // What its end sets free is what it held: the client with its metadata and the cluster live on.
    let ended = allocation_counter::measure(|| {
        runtime.block_on(async {
            producer.close(SECOND).await.unwrap();
            drop(producer);
        });
    });
    drop((kafka, cluster));
    Cost { wakes, held_bytes: -ended.bytes_current }
}

fn world(wakes: &Wakes) -> World {
    World::builder()
        .clock(Arc::new(VirtualClock::starting_at(UnixMillis(1_700_000_000_000))))
        .spawner(Arc::new(wakes.clone()))
        .seed(1)
        .blocking_inline()
        .build()
}

/// A producer that has written a few batches to each topic, some time ago.
async fn written(topics: usize, wakes: &Wakes) -> (Kafka, MockCluster, Producer) {
    let mut cluster = MockCluster::builder().world(world(wakes)).request_log(0);
    for n in 0..topics {
        cluster = cluster.topic(format!("topic-{n}"), 1);
    }
    let cluster = cluster.build().unwrap();
    let kafka =
        Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
    let producer = Producer::builder(&kafka).batch_size_bytes(100).start().await.unwrap();
    for chunk in (0..topics).collect::<Vec<_>>().chunks(500) {
        let sends = chunk.iter().map(|n| {
            let (producer, record) =
                (producer.clone(), Record::to(format!("topic-{n}")).value("x".repeat(50)));
            tokio::spawn(async move {
                for _ in 0..2 {
                    drop(producer.enqueue(record.clone()).await.unwrap());
                }
                producer.send(record).await.unwrap();
            })
        });
        for send in sends.collect::<Vec<_>>() {
            send.await.unwrap();
        }
    }
    tokio::time::sleep(SECOND).await;
    (kafka, cluster, producer)
}

#[test]
fn ten_thousand_idle_topics_wake_nobody_and_hold_two_kibibytes_each_at_most() {
    let one = cost(1);
    let many = cost(MANY);
    let each = (many.held_bytes - one.held_bytes) / (MANY as i64 - 1);
    println!("one topic: {one:?}; {MANY} topics: {many:?}; {each} bytes for each");
    assert!(
        many.wakes <= one.wakes,
        "{} wake-ups of the driver in 30 s, and {} for one",
        many.wakes,
        one.wakes
    );
    assert!((100..=2048).contains(&each), "{each} bytes for each topic");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_nobody_uses_sleeps() {
    let wakes = Wakes::default();
    let cluster = MockCluster::builder().world(world(&wakes)).build().unwrap();
    let kafka =
        Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
    let producer = Producer::builder(&kafka).start().await.unwrap();
    tokio::time::sleep(30 * SECOND).await;
    assert!(wakes.count() < 10, "{} wake-ups in 30 s", wakes.count());
    producer.close(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_producer_whose_broker_is_down_wakes_for_its_attempts_alone() {
    let wakes = Wakes::default();
    let cluster = MockCluster::builder().topic("t", 1).world(world(&wakes)).build().unwrap();
    let kafka =
        Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
    let producer = Producer::builder(&kafka).start().await.unwrap();
    producer.send(Record::to("t").value("a")).await.unwrap();
    cluster.inject(Fault::on(ApiKey::Produce).silence());
    let waiting = producer.enqueue(Record::to("t").value("b")).await.unwrap();
    tokio::time::sleep(SECOND / 100).await;
    let node = cluster.leader("t", 0).unwrap();
    cluster.crash(node).unwrap();
    let before = wakes.count();
    tokio::time::sleep(30 * SECOND).await;
    let count = wakes.count() - before;
    assert!(count < 200, "{count} wake-ups in 30 s");
    cluster.restart(node).unwrap();
    waiting.await.unwrap();
}
