//! Every public future, dropped at each of its polls: no record is lost, doubled or reordered, no permit leaks.
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use courant_broker_mock::Fault;
use courant_producer::Producer;
use courant_protocol::api::ApiKey;

use crate::stage::{SECOND, Stage, play, record};

/// Polls `future` up to `polls` times, then drops it. The time between polls passes.
async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Room for one batch of one record, so that everything waits for space.
async fn narrow(stage: &Stage) -> Producer {
    stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap()
}

#[test]
fn a_dropped_enqueue_has_accepted_nothing() {
    for polls in 0..12 {
        play(|| async move {
            let stage = Stage::new().await;
            let producer = narrow(&stage).await;
            let mut accepted = Vec::new();
            for n in 0..10 {
                // Whoever is dropped while granted gives the grant back to the next.
                let waiting = drop_after(1, producer.enqueue(record(format!("dropped {n}"))));
                let (dropped, kept) = tokio::join!(drop_after(polls, producer.enqueue(record(n))), waiting);
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
        });
    }
}

#[test]
fn a_dropped_send_is_sent_whole_or_not_at_all() {
    for polls in 0..12 {
        play(|| async move {
            let stage = Stage::new().await;
            stage.cluster.inject(Fault::on(ApiKey::Produce).nth(3).cut_after());
            let producer = narrow(&stage).await;
            for n in 0..10 {
                drop_after(polls, producer.send(record(format!("{n}")))).await;
            }
            producer.send(record("last")).await.unwrap();
            let values = stage.values(0);
            let mut sorted = values.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(values, sorted, "in order and none twice");
            assert_eq!(values.last().map(String::as_str), Some("last"));
            producer.close(SECOND).await.unwrap();
        });
    }
}

#[test]
fn a_dropped_flush_close_or_delivery_loses_nothing() {
    for polls in 0..8 {
        play(|| async move {
            let stage = Stage::new().await;
            let producer = stage.builder().linger(SECOND).start().await.unwrap();
            for n in 0..5 {
                let delivery = producer.enqueue(record(n)).await.unwrap();
                drop_after(polls, producer.flush()).await;
                drop_after(polls, delivery).await;
            }
            producer.flush().await.unwrap();
            assert_eq!(stage.values(0).len(), 5);
            drop(producer.enqueue(record("last")).await.unwrap());
            drop_after(polls, producer.close(10 * SECOND)).await;
            producer.close(10 * SECOND).await.unwrap();
            assert_eq!(stage.values(0).len(), 6);
        });
    }
}

#[test]
fn a_dropped_start_has_started_nothing() {
    play(|| async {
        let stage = Stage::new().await;
        drop_after(0, stage.builder().start()).await;
        assert_eq!(stage.produce_requests(), 0);
    });
}
