//! Every public async function, dropped after its first, second, … poll: what it began is over or goes on by itself, no
//! task runs that nobody can stop, and no record is lost.
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use courant_broker_mock::MockCluster;
use courant_connect::Worker;

use crate::world::*;

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

/// Runs a story with more and more polls until none of its futures is dropped any more.
fn sweep<F: Future<Output = bool>>(story: impl Fn(usize) -> F) {
    let ended = (1..MOST_POLLS).find(|polls| run(story(*polls)));
    assert!(
        ended.is_some_and(|polls| polls > 2),
        "{ended:?}: more polls are needed, or there is nothing to drop"
    );
}

/// Two tasks that read a script.
fn source_of(script: &str) -> [(&str, &str); 4] {
    [("script", script), ("topic", "t"), ("tasks.max", "2"), ("splits", "2")]
}

/// Two tasks that share the topic.
fn sink_of(target: &str) -> [(&str, &str); 4] {
    [("script", target), ("topics", "t"), ("tasks.max", "2"), ("value.converter", "StringConverter")]
}

/// Nobody reads the script, and nobody is in the sink's group.
async fn nobody_is_left(cluster: &MockCluster, script: &std::sync::Mutex<Script>) {
    tokio::time::sleep(10 * SECOND).await;
    let asked = lock(script).asked;
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(lock(script).asked, asked, "a task runs that nobody can stop");
    assert!(cluster.group("connect-snk").is_none_or(|group| group.members.is_empty()));
}

#[test]
fn a_worker_whose_start_is_dropped_leaves_nothing_running() {
    sweep(|polls| async move {
        let cluster = cluster(&[("t", 2)]);
        let name = format!("dropped-start-{polls}");
        let script = script(&name, [give(&["a", "b"])]);
        target(&name);
        let builder = worker(&cluster).await.set("value.converter", "StringConverter");
        let builder = builder.source::<ScriptSource>("src", source_of(&name));
        let started = drop_after(polls, builder.sink::<TargetSink>("snk", sink_of(&name)).start()).await;
        let ended = started.is_some();
        if let Some(worker) = started {
            worker.unwrap().caught_up("src").await.unwrap();
            // Dropped while it runs.
        }
        nobody_is_left(&cluster, &script).await;
        ended
    });
}

#[test]
fn connectors_whose_calls_are_dropped_lose_nothing_and_can_be_stopped() {
    sweep(|polls| async move {
        let cluster = cluster(&[("t", 1)]);
        let name = format!("dropped-calls-{polls}");
        let (script, target) = (script(&name, [give(&["a", "b"])]), target(&name));
        let worker = worker(&cluster).await.set("value.converter", "StringConverter").start().await.unwrap();
        let mut ended =
            drop_after(polls, worker.start_source::<ScriptSource>("src", source_of(&name))).await.is_some();
        ended &= drop_after(polls, worker.start_sink::<TargetSink>("snk", sink_of(&name))).await.is_some();
        start_what_is_not_there(&worker, &name).await;
        ended &= drop_after(polls, worker.caught_up("src")).await.is_some();
        ended &= drop_after(polls, worker.delivered("snk", [(("t", 0), 2)])).await.is_some();
        for connector in ["src", "snk"] {
            ended &= drop_after(polls, worker.restart(connector, 5 * SECOND)).await.is_some();
        }
        start_what_is_not_there(&worker, &name).await;
        worker.caught_up("src").await.unwrap();
        worker.delivered("snk", [(("t", 0), 4)]).await.unwrap();
        for place in [values(&cluster, "t"), delivered(&target)] {
            assert!(["a", "b"].iter().all(|value| place.iter().any(|there| there == value)), "{place:?}");
        }
        ended &= drop_after(polls, worker.stop_connector("snk", 5 * SECOND)).await.is_some();
        ended &= drop_after(polls, worker.stop(5 * SECOND)).await.is_some();
        nobody_is_left(&cluster, &script).await;
        ended
    });
}

async fn start_what_is_not_there(worker: &Worker, name: &str) {
    if worker.status("src").is_none() {
        worker.start_source::<ScriptSource>("src", source_of(name)).await.unwrap();
    }
    if worker.status("snk").is_none() {
        worker.start_sink::<TargetSink>("snk", sink_of(name)).await.unwrap();
    }
}

#[test]
fn of_two_starts_under_one_name_one_is_refused() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let script = script("twice", [give(&["a"])]);
        let worker = worker(&cluster).await.set("value.converter", "StringConverter").start().await.unwrap();
        let start = || worker.start_source::<ScriptSource>("src", [("script", "twice"), ("topic", "t")]);
        let (first, second) = tokio::join!(start(), start());
        first.unwrap();
        assert!(second.unwrap_err().to_string().contains("there is a connector `src` already"));
        worker.caught_up("src").await.unwrap();
        worker.stop(5 * SECOND).await.unwrap();
        assert_eq!(values(&cluster, "t"), ["a"]);
        assert_eq!(lock(&script).opened_at.len(), 1);
        // The name is free again.
        start().await.unwrap();
        worker.stop(5 * SECOND).await.unwrap();
    });
}
