//! Every public future, dropped at each of its polls: no record is lost, doubled or reordered, no permit leaks.
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use courant_broker_mock::Fault;
use courant_client::codec::Utf8;
use courant_producer::{Producer, TypedRecord};
use courant_protocol::api::ApiKey;

use crate::stage::{SECOND, Stage, play, record};

/// Drops `future` after so many steps, where a poll is a step and the wake-up after it another. Time passes between them.
pub(crate) async fn drop_after<F: Future>(steps: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = steps;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        let polled = future.as_mut().poll(cx).map(Some);
        left = left.saturating_sub(2);
        match polled {
            // Not even the wake-up is waited for.
            Poll::Pending if steps % 2 == 1 && left == 0 => Poll::Ready(None),
            polled => polled,
        }
    })
    .await
}

/// Tells the story for no step, one, two, … until it says that everything in it came to its end.
pub(crate) fn sweep<F: Future<Output = bool>>(story: impl Fn(usize) -> F) {
    for steps in 0..100 {
        let ended = Cell::new(false);
        play(|| async { ended.set(story(steps).await) });
        if ended.get() {
            assert!(steps > 1, "there was something to wait for");
            return;
        }
    }
    panic!("a hundred steps are not enough");
}

/// Room for one batch of one record, so that everything waits for space.
async fn narrow(stage: &Stage) -> Producer {
    stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap()
}

#[test]
fn a_dropped_enqueue_has_accepted_nothing() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        let producer = narrow(&stage).await;
        let (mut accepted, mut ended) = (Vec::new(), true);
        for n in 0..10 {
            // Whoever is dropped while granted gives the grant back to the next.
            let waiting = drop_after(2, producer.enqueue(record(format!("dropped {n}"))));
            let (dropped, kept) = tokio::join!(drop_after(steps, producer.enqueue(record(n))), waiting);
            ended &= dropped.is_some();
            for delivery in [dropped, kept].into_iter().flatten() {
                let delivery = delivery.unwrap();
                accepted.push(delivery.await.unwrap().offset);
            }
            producer.send(record(format!("after {n}"))).await.unwrap();
        }
        let values = stage.values(0);
        assert_eq!(values.len(), accepted.len() + 10, "{values:?}");
        let after: Vec<_> = values.iter().filter(|value| value.starts_with("after")).cloned().collect();
        assert_eq!(after, (0..10).map(|n| format!("after {n}")).collect::<Vec<_>>());
        // Everything that was taken of the buffer is free again.
        producer.send(record("x".repeat(10))).await.unwrap();
        producer.close(SECOND).await.unwrap();
        ended
    });
}

#[test]
fn a_dropped_send_is_sent_whole_or_not_at_all() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        stage.cluster.inject(Fault::on(ApiKey::Produce).nth(3).cut_after());
        let producer = narrow(&stage).await;
        let mut ended = true;
        for n in 0..10 {
            ended &= drop_after(steps, producer.send(record(format!("{n}")))).await.is_some();
        }
        producer.send(record("last")).await.unwrap();
        let values = stage.values(0);
        let mut sorted = values.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(values, sorted, "in order and none twice");
        assert_eq!(values.last().map(String::as_str), Some("last"));
        producer.close(SECOND).await.unwrap();
        ended
    });
}

#[test]
fn a_dropped_typed_send_is_sent_whole_or_not_at_all() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        let producer = narrow(&stage).await;
        let typed = producer.typed(Utf8, Utf8);
        let record = |value: String| TypedRecord::to("t").partition(0).key("k").value(value);
        let mut ended = true;
        for n in 0..6 {
            let (one, other) = (record(format!("{n}a")), record(format!("{n}b")));
            // The first takes what space there is, and the second waits for it.
            let both =
                tokio::join!(drop_after(steps, typed.send(&one)), drop_after(steps, typed.send(&other)));
            ended &= both.0.is_some() && both.1.is_some();
        }
        typed.send(&record("last".to_owned())).await.unwrap();
        let values = stage.values(0);
        let mut sorted = values.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(values, sorted, "in order and none twice");
        assert!(!ended || values.len() == 13, "{values:?}");
        producer.close(SECOND).await.unwrap();
        ended
    });
}

#[test]
fn a_dropped_flush_close_or_delivery_loses_nothing() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(SECOND).start().await.unwrap();
        let mut ended = true;
        for n in 0..5 {
            let delivery = producer.enqueue(record(n)).await.unwrap();
            ended &= drop_after(steps, producer.flush()).await.is_some();
            ended &= drop_after(steps, delivery).await.is_some();
        }
        producer.flush().await.unwrap();
        assert_eq!(stage.values(0).len(), 5);
        drop(producer.enqueue(record("last")).await.unwrap());
        ended &= drop_after(steps, producer.close(10 * SECOND)).await.is_some();
        producer.close(10 * SECOND).await.unwrap();
        assert_eq!(stage.values(0).len(), 6);
        ended
    });
}

#[test]
fn a_dropped_start_has_started_nothing() {
    play(|| async {
        let stage = Stage::new().await;
        drop_after(0, stage.builder().start()).await;
        assert_eq!(stage.produce_requests(), 0);
        // It never waits, so there is no other poll to be dropped at.
        assert!(drop_after(1, stage.builder().start()).await.is_some());
    });
}
