//! Every public async function, dropped after its first, second, … poll: nothing is lost, doubled or reordered.
#![allow(clippy::unwrap_used)]
mod batches;
mod seat;
mod world;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use batches::Spec;
use courant_broker_mock::{Fault, MockCluster};
use courant_consumer::{Batch, CloseOptions, ConsumerInterceptor, ErrorKind, Leave};
use courant_protocol::api::ApiKey;
use courant_protocol::types::{Offset, TopicPartition, UnixMillis};
use futures_util::StreamExt;
use world::{cluster, connect, ms, places, reader, run};

/// After how many steps a future is dropped at most; none here needs more.
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

fn written(cluster: &MockCluster) {
    for at in (0..60).step_by(6) {
        cluster.append_raw("a", 0, Spec::at(at).records(6).bytes()).unwrap();
    }
    // Answers come one by one, so that there is something to wait for.
    cluster.inject(Fault::on(ApiKey::Fetch).always().delay(ms(10)));
}

#[test]
fn polls_that_are_dropped_lose_and_repeat_no_record() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            written(&cluster);
            let kafka = connect(&cluster).await;
            let mut consumer =
                reader(&kafka).max_poll_records(4).max_partition_fetch_bytes(200).start().await.unwrap();
            let mut got = Vec::new();
            while got.len() < 60 {
                match drop_after(steps, consumer.poll()).await {
                    Some(batch) => {
                        got.extend(places(&batch.unwrap().unwrap()).into_iter().map(|(_, offset)| offset))
                    }
                    None => kafka.world().sleep(ms(1)).await,
                }
            }
            assert_eq!(got, (0..60).collect::<Vec<_>>(), "dropped after {steps} steps");
        });
    }
}

/// Leaves out every third record, and notes what it was shown.
#[derive(Default)]
struct Picky(Mutex<Vec<i64>>);

impl ConsumerInterceptor for Picky {
    fn on_consume(&self, records: &mut Batch) {
        self.0.lock().unwrap().extend(records.iter().map(|record| record.offset().0));
        records.retain(|record| record.offset().0 % 3 != 0);
    }
}

#[test]
fn polls_that_are_dropped_show_interceptors_no_record_twice_and_none_too_few() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            written(&cluster);
            let kafka = connect(&cluster).await;
            let picky = Arc::new(Picky::default());
            // One record a poll: where it is left out, the poll goes on.
            let builder = reader(&kafka).max_poll_records(1).interceptor(Arc::clone(&picky));
            let mut consumer = builder.start().await.unwrap();
            let mut got = Vec::new();
            while got.len() < 40 {
                match drop_after(steps, consumer.poll()).await {
                    Some(batch) => {
                        got.extend(places(&batch.unwrap().unwrap()).into_iter().map(|(_, offset)| offset))
                    }
                    None => kafka.world().sleep(ms(1)).await,
                }
            }
            assert_eq!(got, (0..60).filter(|offset| offset % 3 != 0).collect::<Vec<_>>());
            assert_eq!(*picky.0.lock().unwrap(), (0..60).collect::<Vec<_>>(), "dropped after {steps} steps");
        });
    }
}

#[test]
fn streams_that_are_dropped_lose_and_repeat_no_record() {
    for records in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            written(&cluster);
            let kafka = connect(&cluster).await;
            let mut consumer = reader(&kafka).max_poll_records(4).start().await.unwrap();
            let mut got = Vec::new();
            while got.len() < 60 {
                let mut stream = consumer.stream();
                for _ in 0..records {
                    match drop_after(records, stream.next()).await {
                        Some(record) => got.push(record.unwrap().unwrap().offset().0),
                        None => kafka.world().sleep(ms(1)).await,
                    }
                    if got.len() == 60 {
                        break;
                    }
                }
            }
            assert_eq!(got, (0..60).collect::<Vec<_>>(), "{records} records of each stream");
        });
    }
}

#[test]
fn commits_that_are_dropped_go_on_and_keep_their_order() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            cluster.inject(Fault::on(ApiKey::OffsetCommit).times(2).delay(ms(50)));
            let kafka = connect(&cluster).await;
            let consumer = reader(&kafka).group("g").start().await.unwrap();
            let mut ended = true;
            for offset in 1..5 {
                ended &= match offset % 2 {
                    0 => drop_after(steps, consumer.commit_offsets([(("a", 0), offset)])).await.is_some(),
                    _ => {
                        let commit = consumer.commit_offsets_async([(("a", 0), offset)]).unwrap();
                        drop_after(steps, commit).await.is_some()
                    }
                };
            }
            ended &= drop_after(steps, consumer.commit()).await.is_some();
            assert!(ended || steps < STEPS, "more steps are needed");
            consumer.commit_offsets([(("a", 1), 7)]).await.unwrap();
            let order: Vec<i64> = world::commits(&cluster)
                .iter()
                .flat_map(|request| &request.topics)
                .flat_map(|topic| &topic.partitions)
                .filter(|partition| partition.partition_index == 0)
                .map(|partition| partition.committed_offset)
                .filter(|offset| *offset > 0)
                .collect();
            assert_eq!(order, [1, 2, 3, 4], "dropped after {steps} steps");
            assert_eq!(cluster.committed("g", "a", 1), Some(Offset(7)));
        });
    }
}

#[test]
fn lookups_that_are_dropped_change_nothing() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            cluster.append_raw("a", 0, Spec::at(0).records(5).bytes()).unwrap();
            let kafka = connect(&cluster).await;
            let consumer = reader(&kafka).group("g").start().await.unwrap();
            let at = TopicPartition::new("a", 0);
            let mut ended = true;
            ended &= drop_after(steps, consumer.position(("a", 0))).await.is_some();
            ended &= drop_after(steps, consumer.beginning_offsets([("a", 0)])).await.is_some();
            ended &= drop_after(steps, consumer.end_offsets([("a", 0)])).await.is_some();
            ended &=
                drop_after(steps, consumer.offsets_for_times([(("a", 0), UnixMillis(0))])).await.is_some();
            ended &= drop_after(steps, consumer.committed([("a", 0)])).await.is_some();
            ended &= drop_after(steps, consumer.partitions_for("a")).await.is_some();
            assert!(ended || steps < STEPS, "more steps are needed");
            assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(0));
            assert_eq!(consumer.beginning_offsets([("a", 0)]).await.unwrap()[&at], Offset(0));
            assert_eq!(consumer.end_offsets([("a", 0)]).await.unwrap()[&at], Offset(5));
            assert_eq!(consumer.committed([("a", 0)]).await.unwrap()[&at], None);
            assert_eq!(consumer.partitions_for("a").await.unwrap().len(), 3);
            let times = consumer.offsets_for_times([(("a", 0), UnixMillis(0))]).await.unwrap();
            assert_eq!(times[&at].unwrap().offset, Offset(0));
        });
    }
}

#[test]
fn a_close_that_is_dropped_goes_on_and_can_be_waited_for_again() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            cluster.append_raw("a", 0, Spec::at(0).records(5).bytes()).unwrap();
            let kafka = connect(&cluster).await;
            let mut consumer = reader(&kafka).group("g").start().await.unwrap();
            consumer.poll().await.unwrap().unwrap().iter().for_each(drop);
            cluster.inject(Fault::on(ApiKey::OffsetCommit).delay(ms(50)));
            let ended = drop_after(steps, consumer.close(ms(5000))).await.is_some();
            assert!(ended || steps < STEPS, "more steps are needed");
            assert!(consumer.poll().await.unwrap().is_none());
            consumer.close(ms(5000)).await.unwrap();
            assert_eq!(cluster.committed("g", "a", 0), Some(Offset(5)), "dropped after {steps} steps");
        });
    }
}

#[test]
fn a_start_that_is_dropped_leaves_nothing_behind() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let before = kafka.cluster().open_connections();
        drop(reader(&kafka).start());
        drop_after(1, reader(&kafka).start()).await.unwrap().unwrap().close(ms(5000)).await.unwrap();
        kafka.world().sleep(ms(1000)).await;
        assert!(kafka.cluster().open_connections() <= before + 1);
    });
}

#[test]
fn events_that_are_dropped_lose_no_change_and_no_record() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            seat::written(&cluster);
            let kafka = connect(&cluster).await;
            let mut first = seat::Seat::take(seat::member(&kafka)).await;
            let mut second = seat::Seat::take(seat::member(&kafka)).await;
            let end = kafka.world().now() + ms(20_000);
            while kafka.world().now() < end {
                for seat in [&mut first, &mut second] {
                    match drop_after(steps, seat.consumer.next_event()).await {
                        Some(event) => seat.note(event.unwrap().unwrap()),
                        None => kafka.world().sleep(ms(1)).await,
                    }
                }
            }
            for seat in [&mut first, &mut second] {
                assert_eq!(seat.owned.iter().cloned().collect::<Vec<_>>(), seat.consumer.assignment());
            }
            let mut records = [first.records, second.records].concat();
            records.sort_unstable();
            records.dedup();
            assert_eq!(records.len(), 30, "dropped after {steps} steps");
        });
    }
}

#[test]
fn waits_for_changes_that_are_dropped_lose_no_change_and_take_no_record() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            seat::written(&cluster);
            let kafka = connect(&cluster).await;
            let mut first = seat::Seat::take(seat::member(&kafka)).await;
            let mut second = seat::Seat::take(seat::member(&kafka)).await;
            let end = kafka.world().now() + ms(20_000);
            while kafka.world().now() < end {
                for seat in [&mut first, &mut second] {
                    match drop_after(steps, seat.consumer.next_change()).await {
                        Some(event) => seat.note(event.unwrap().unwrap()),
                        None => kafka.world().sleep(ms(1)).await,
                    }
                }
            }
            for seat in [&mut first, &mut second] {
                assert_eq!(seat.owned.iter().cloned().collect::<Vec<_>>(), seat.consumer.assignment());
                assert_eq!(seat.records, [], "dropped after {steps} steps");
            }
            assert_eq!(first.owned.len() + second.owned.len(), 3);
        });
    }
}

#[test]
fn records_of_what_stays_that_are_dropped_are_not_lost() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            written(&cluster);
            let kafka = connect(&cluster).await;
            // Without a group everything stays.
            let mut consumer =
                reader(&kafka).max_poll_records(4).max_partition_fetch_bytes(200).start().await.unwrap();
            let mut got = Vec::new();
            while got.len() < 60 {
                match drop_after(steps, consumer.next_retained()).await {
                    Some(batch) => {
                        got.extend(places(&batch.unwrap().unwrap()).into_iter().map(|(_, offset)| offset))
                    }
                    None => kafka.world().sleep(ms(1)).await,
                }
            }
            assert_eq!(got, (0..60).collect::<Vec<_>>(), "dropped after {steps} steps");
        });
    }
}

#[test]
fn leaving_that_is_dropped_goes_on() {
    for steps in 1..=STEPS {
        run(async {
            let cluster = cluster(|builder| builder);
            seat::written(&cluster);
            let kafka = connect(&cluster).await;
            let mut leaving = seat::Seat::take(seat::member(&kafka).auto_commit(true)).await;
            leaving.run(ms(10_000)).await;
            drop_after(steps, leaving.consumer.unsubscribe()).await;
            kafka.world().sleep(ms(1_000)).await;
            assert_eq!(cluster.group("g").unwrap().members, [], "dropped after {steps} steps");
            assert_eq!(cluster.committed("g", "a", 0), Some(Offset(10)));

            leaving.consumer.subscribe(["a"]).unwrap();
            leaving.owned.clear();
            leaving.run(ms(10_000)).await;
            assert_eq!(leaving.owned.len(), 3);
            drop_after(
                steps,
                leaving.consumer.close_with(CloseOptions::within(ms(10_000)).leave(Leave::Leave)),
            )
            .await;
            kafka.world().sleep(ms(1_000)).await;
            assert_eq!(cluster.group("g").unwrap().members, [], "dropped after {steps} steps");
            leaving.consumer.close(ms(10_000)).await.unwrap();
        });
    }
}

#[test]
fn a_consumer_whose_runtime_is_gone_says_so_once_and_hands_out_nothing_more() {
    let mut consumer = run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        reader(&kafka).group("g").start().await.unwrap()
    });
    run(async {
        let error = consumer.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.is_fatal()), (ErrorKind::Closed, true));
        assert!(consumer.poll().await.unwrap().is_none());
        assert_eq!(consumer.commit().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(consumer.close(ms(1_000)).await.unwrap_err().kind(), ErrorKind::Closed);
    });
}
