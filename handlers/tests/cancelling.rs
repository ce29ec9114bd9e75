//! Every public async function, dropped after its first, second, … poll: nothing is lost, doubled or reordered.
#![allow(clippy::unwrap_used)]
mod world;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use courant_client::codec::Utf8;
use courant_handlers::Handlers;
use courant_producer::Producer;
use tokio::time::sleep;
use world::{Seen, cluster, committed, connect, fill, for_a_while, member, ms, run};

/// After how many steps a future is dropped at most; none here needs more before it has done something.
const STEPS: usize = 16;

/// Drops a future after so many steps, where a poll is a step and the wake-up after it another.
async fn drop_after<T>(steps: usize, future: impl Future<Output = T>) -> Option<T> {
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

#[test]
fn runs_that_are_dropped_lose_repeat_and_reorder_no_record() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            fill(&cluster, 12);
            let kafka = connect(&cluster).await;
            let producer = Producer::builder(&kafka).start().await.unwrap();
            let seen = Seen::default();
            let consumer = member(&kafka).max_poll_records(4).auto_commit_interval(ms(500));
            let mut runner = Handlers::new(consumer)
                .dead_letters(&producer, "dead")
                .for_each_per_key(3, |record| {
                    let call = seen.begin(&record);
                    async move {
                        sleep(ms(3)).await;
                        sleep(ms(3)).await;
                        call.end();
                        // Some have to be written elsewhere before they are finished.
                        if record.offset().0 % 5 == 0 {
                            return Err(courant_handlers::Failure::permanent("bad"));
                        }
                        Ok::<(), courant_handlers::Failure>(())
                    }
                })
                .await
                .unwrap();
            while (0..3).map(|partition| committed(&cluster, partition)).sum::<i64>() < 36 {
                match drop_after(steps, runner.run()).await {
                    Some(stopped) => stopped.unwrap(),
                    None => sleep(ms(1)).await,
                }
            }
            assert_eq!((seen.begun().len(), seen.ended().len()), (36, 36), "dropped after {steps} steps");
            for partition in 0..3 {
                for key in 0..3 {
                    let of_key = |place: &&(i32, i64)| place.0 == partition && place.1 % 3 == key;
                    let order: Vec<i64> = seen.begun().iter().filter(of_key).map(|place| place.1).collect();
                    assert!(order.is_sorted(), "{order:?} after {steps} steps");
                }
            }
            assert_eq!(cluster.log_end("dead", 0), Some(9.into()));
        });
    }
}

#[test]
fn closing_that_is_dropped_is_gone_on_with() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            fill(&cluster, 4);
            let kafka = connect(&cluster).await;
            let seen = Seen::default();
            let mut runner = Handlers::new(member(&kafka).auto_commit_interval(ms(600_000)))
                .for_each_per_partition(|record| {
                    let call = seen.begin(&record);
                    async move {
                        sleep(ms(4_000)).await;
                        call.end();
                        Ok::<(), io::Error>(())
                    }
                })
                .await
                .unwrap();
            assert!(for_a_while(&mut runner, ms(5_000)).await.is_none());
            let mut tries = 0;
            while drop_after(steps, runner.close(ms(60_000))).await.map(Result::unwrap).is_none() {
                tries += 1;
                assert!(tries < 20_000, "it never ends with {steps} steps at a time");
                sleep(ms(1)).await;
            }
            assert_eq!(seen.begun().len(), seen.ended().len(), "dropped after {steps} steps");
            assert_eq!(
                (0..3).map(|partition| committed(&cluster, partition)).sum::<i64>(),
                seen.ended().len() as i64
            );
            assert_eq!(cluster.group("g").unwrap().members, []);
        });
    }
}

#[test]
fn starting_needs_one_poll() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let handlers = Handlers::new(member(&kafka));
        let started = drop_after(1, handlers.clone().for_each_per_key(1, async |_| Ok::<(), io::Error>(())));
        assert!(started.await.unwrap().is_ok());
        let started =
            drop_after(1, handlers.clone().for_each_per_partition(async |_| Ok::<(), io::Error>(())));
        assert!(started.await.unwrap().is_ok());
        let typed = handlers.typed::<String, String>(Utf8, Utf8);
        let started = drop_after(1, typed.clone().for_each_per_key(1, async |_| Ok::<(), io::Error>(())));
        assert!(started.await.unwrap().is_ok());
        let started = drop_after(1, typed.for_each_per_partition(async |_| Ok::<(), io::Error>(())));
        assert!(started.await.unwrap().is_ok());
    });
}
