//! The mock consumer: code under test is given a real handle, and no runtime is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use courant_client::codec::{I64Be, Utf8};
use courant_consumer::{
    Consumer, ConsumerInterceptor, Error, ErrorKind, Event, ListenerError, MockConsumer, MockRecord,
    OffsetAndMetadata, RebalanceListener,
};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{Offset, TopicPartition, UnixMillis};
use futures_util::{FutureExt, StreamExt};

fn p(number: i32) -> TopicPartition {
    TopicPartition::new("orders", number)
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it waits for nothing")
}

fn text(value: impl Into<bytes::Bytes>) -> MockRecord {
    MockRecord::new().value(value)
}

fn reader(mock: &MockConsumer) -> Consumer {
    now(mock.builder().group("g").assign([p(0)]).auto_offset_reset("earliest").start()).unwrap()
}

fn member(mock: &MockConsumer) -> Consumer {
    now(mock.builder().group("g").subscribe(["orders"]).auto_offset_reset("earliest").start()).unwrap()
}

fn offsets(consumer: &mut Consumer) -> Vec<i64> {
    let batch = now(consumer.poll()).unwrap().unwrap();
    batch.iter().map(|record| record.offset().0).collect()
}

#[test]
fn records_come_as_they_were_added_with_all_their_parts() {
    let mock = MockConsumer::new();
    let full = MockRecord::new().key("k").value("v").header("a", "1").header("a", "2").timestamp(77);
    assert_eq!(mock.add(p(0), full), Offset(0));
    mock.set_time(99);
    assert_eq!(mock.add(p(0), MockRecord::new()), Offset(1));
    let mut consumer = reader(&mock);
    let batch = now(consumer.poll()).unwrap().unwrap();
    let records: Vec<_> = batch.iter().collect();
    assert_eq!((records[0].key(), records[0].value()), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!(records[0].headers().map(|header| header.value.unwrap()).collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!((records[0].timestamp(), records[1].timestamp()), (UnixMillis(77), UnixMillis(99)));
    assert_eq!((records[1].key(), records[1].value()), (None, None));
    assert_eq!(mock.position(p(0)), Some(Offset(2)));
}

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_poll_waits_for_records_and_is_woken_by_them() {
    let mock = MockConsumer::new();
    let mut consumer = now(mock.builder().assign([p(0)]).auto_offset_reset("earliest").start()).unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut polled = pin!(consumer.poll());
    assert!(polled.as_mut().poll(&mut cx).is_pending());
    // What it asked for while it began to wait may have woken it as well.
    woken.0.store(false, Ordering::Relaxed);
    assert!(polled.as_mut().poll(&mut cx).is_pending());
    assert!(!woken.0.load(Ordering::Relaxed), "it does not wake itself");
    mock.add(p(0), text("late"));
    assert!(woken.0.load(Ordering::Relaxed));
    let Poll::Ready(batch) = polled.as_mut().poll(&mut cx) else { panic!("there is a record") };
    assert_eq!(batch.unwrap().unwrap().len(), 1);
}

#[test]
fn polls_are_bounded_and_positions_seeks_and_pauses_hold() {
    let mock = MockConsumer::new();
    for _ in 0..5 {
        mock.add(p(0), text("x"));
    }
    mock.add(p(1), text("y"));
    let builder = mock.builder().assign([p(0), p(1)]).auto_offset_reset("earliest").max_poll_records(2);
    let mut consumer = now(builder.start()).unwrap();
    consumer.pause([p(1)]).unwrap();
    assert_eq!(mock.paused(), [p(1)]);
    assert_eq!(offsets(&mut consumer), [0, 1]);
    assert_eq!(consumer.current_lag(p(0)), Some(3));
    consumer.seek(p(0), 4).unwrap();
    assert_eq!(offsets(&mut consumer), [4]);
    consumer.seek_to_beginning([p(0)]).unwrap();
    assert_eq!(now(consumer.position(p(0))).unwrap(), Offset(0));
    consumer.seek_to_end([p(0)]).unwrap();
    assert_eq!(now(consumer.position(p(0))).unwrap(), Offset(5));
    consumer.resume([p(1)]).unwrap();
    let batch = now(consumer.poll()).unwrap().unwrap();
    assert_eq!(batch.iter().next().unwrap().topic_partition(), &p(1));
    assert_eq!(now(consumer.position(p(7))).unwrap_err().kind(), ErrorKind::NotAssigned);
}

#[test]
fn ends_of_the_log_are_the_tests_to_set_and_resets_follow_them() {
    let mock = MockConsumer::new();
    mock.set_end(p(0), 10);
    mock.add(p(0), text("ten").timestamp(500));
    let mut consumer = reader(&mock);
    assert_eq!(offsets(&mut consumer), [10], "what is missing before it is passed over");
    assert_eq!(now(consumer.beginning_offsets([p(0)])).unwrap()[&p(0)], Offset(0));
    assert_eq!(now(consumer.end_offsets([p(0)])).unwrap()[&p(0)], Offset(11));
    let times = now(consumer.offsets_for_times([(p(0), 500.into()), (p(1), 500.into())])).unwrap();
    assert_eq!((times[&p(0)].unwrap().offset, times[&p(1)]), (Offset(10), None));

    mock.set_beginning(p(0), 12);
    mock.add(p(0), text("twelve"));
    consumer.seek(p(0), 3).unwrap();
    assert_eq!(offsets(&mut consumer), [12], "out of range, so from the earliest one on");
    assert_eq!(now(consumer.partitions_for("orders")).unwrap(), [p(0), p(1)]);
    assert_eq!(now(consumer.partitions_for("none")).unwrap_err().kind(), ErrorKind::UnknownTopic);
}

#[test]
fn commits_are_kept_refused_on_demand_and_found_by_the_next_consumer() {
    let mock = MockConsumer::new();
    for _ in 0..4 {
        mock.add(p(0), text("x"));
    }
    mock.set_committed(p(0), 2);
    let mut consumer = reader(&mock);
    assert_eq!(offsets(&mut consumer), [2, 3]);
    mock.fail_next_commit(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(now(consumer.commit()).unwrap_err().kind(), ErrorKind::CommitFailed);
    assert_eq!(mock.commits(), []);
    drop(consumer.commit_async().unwrap());
    assert_eq!(mock.committed(p(0)).unwrap().offset, Offset(4));
    let half = OffsetAndMetadata::new(3).with_metadata("half");
    now(consumer.commit_offsets([(p(0), half.clone())])).unwrap();
    assert_eq!(now(consumer.committed([p(0), p(1)])).unwrap()[&p(0)], Some(half));
    assert_eq!(mock.commits().len(), 2);
    drop(consumer);
    assert!(mock.is_closed());
    assert_eq!(offsets(&mut reader(&mock)), [3]);
}

#[test]
fn auto_commit_goes_by_the_time_that_the_test_lets_pass_and_closing_commits_what_is_finished() {
    let mock = MockConsumer::new();
    let start = mock.builder().group("g").assign([p(0)]).auto_offset_reset("earliest").max_poll_records(1);
    let mut consumer = now(start.start()).unwrap();
    for _ in 0..3 {
        mock.add(p(0), text("x"));
    }
    offsets(&mut consumer);
    let in_hand = now(consumer.poll()).unwrap().unwrap();
    assert_eq!(mock.committed(p(0)), None);
    mock.advance(Duration::from_secs(5));
    assert_eq!(mock.committed(p(0)).unwrap().offset, Offset(1));
    drop(in_hand);
    offsets(&mut consumer);
    now(consumer.close(Duration::from_secs(1))).unwrap();
    assert_eq!(mock.committed(p(0)).unwrap().offset, Offset(3));
    assert!(mock.is_closed());
    assert!(now(consumer.poll()).unwrap().is_none());
}

#[test]
fn errors_are_the_next_polls_and_broken_records_stop_their_partition_alone() {
    let mock = MockConsumer::new();
    mock.add(p(0), text("good"));
    let mut consumer = reader(&mock);
    mock.fail_next_poll(Error::scripted(ErrorKind::Fenced, "another took its place"));
    let error = now(consumer.poll()).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Fenced, "another took its place".to_owned()));
    assert_eq!(offsets(&mut consumer), [0]);
    let broken = mock.add_broken(p(0));
    mock.add(p(0), text("behind"));
    let error = now(consumer.poll()).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(broken)));
    consumer.seek(p(0), error.resume_at().unwrap()).unwrap();
    assert_eq!(offsets(&mut consumer), [2]);
}

#[test]
fn rebalances_are_events_in_the_order_of_production() {
    let mock = MockConsumer::new();
    mock.add(p(0), text("x"));
    let mut consumer = member(&mock);
    assert_eq!(consumer.next_event().now_or_never().map(drop), None, "nobody has given it anything");
    mock.rebalance([p(0), p(1), TopicPartition::new("others", 0)]);
    let next = |consumer: &mut Consumer| now(consumer.next_event()).unwrap().unwrap();
    let Event::Assigned(first) = next(&mut consumer) else { panic!("assigned first") };
    assert_eq!(first, [p(0), p(1)]);
    let Event::Batch(batch) = next(&mut consumer) else { panic!("then records") };
    assert_eq!(batch.len(), 1);
    drop(batch);

    // The default assignors are eager ones.
    mock.rebalance([p(1)]);
    let Event::Revoked(revoked) = next(&mut consumer) else { panic!("revoked") };
    assert_eq!((revoked, mock.assignment().len()), (vec![p(0), p(1)], 2));
    now(consumer.commit()).unwrap();
    assert_eq!(mock.committed(p(0)).unwrap().offset, Offset(1));
    let Event::Assigned(second) = next(&mut consumer) else { panic!("assigned again") };
    assert_eq!((second, mock.assignment()), (vec![p(1)], vec![p(1)]));

    mock.lose_partitions();
    let Event::Lost(lost) = next(&mut consumer) else { panic!("lost") };
    assert_eq!(lost, [p(1)]);
    assert_eq!(now(consumer.commit_offsets([(p(1), 9)])).unwrap_err().kind(), ErrorKind::CommitFailed);
    assert_eq!(consumer.next_event().now_or_never().map(drop), None);
    mock.rebalance([p(0)]);
    assert!(matches!(next(&mut consumer), Event::Assigned(again) if again == [p(0)]));
    now(consumer.unsubscribe()).unwrap();
    assert_eq!((mock.assignment(), mock.subscription()), (vec![], vec![]));
}

#[test]
fn a_cooperative_member_keeps_what_stays_its_own() {
    let mock = MockConsumer::new();
    let builder = mock
        .builder()
        .group("g")
        .subscribe(["orders"])
        .set("partition.assignment.strategy", "cooperative-sticky");
    let mut consumer = now(builder.start()).unwrap();
    let next = |consumer: &mut Consumer| now(consumer.next_event()).unwrap().unwrap();
    mock.rebalance([p(0), p(1)]);
    assert!(matches!(next(&mut consumer), Event::Assigned(all) if all == [p(0), p(1)]));
    mock.rebalance([p(1), p(2)]);
    assert!(matches!(next(&mut consumer), Event::Revoked(gone) if gone == [p(0)]));
    assert!(matches!(next(&mut consumer), Event::Assigned(new) if new == [p(2)]));
    assert_eq!(mock.assignment(), [p(1), p(2)]);
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl RebalanceListener for Told {
    async fn assigned(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), ListenerError> {
        self.0.lock().unwrap().push(format!("assigned {}", partitions.len()));
        consumer.seek(p(0), 1)?;
        Ok(())
    }

    async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> Result<(), ListenerError> {
        self.0.lock().unwrap().push(format!("revoked {}", partitions.len()));
        consumer.commit().await?;
        Ok(())
    }
}

impl ConsumerInterceptor for Told {
    fn on_commit(&self, offsets: &std::collections::BTreeMap<TopicPartition, OffsetAndMetadata>) {
        self.0.lock().unwrap().push(format!("committed {}", offsets.len()));
    }

    fn close(&self) {
        self.0.lock().unwrap().push("closed".to_owned());
    }
}

#[test]
fn listeners_and_interceptors_are_called_as_ever() {
    let (mock, told) = (MockConsumer::new(), Told::default());
    mock.add(p(0), text("x"));
    mock.add(p(0), text("y"));
    mock.rebalance([p(0)]);
    let builder = mock.builder().group("g").subscribe_matching(|topic| topic.starts_with("ord"));
    let builder = builder.rebalance_listener(told.clone()).interceptor(told.clone()).auto_commit(false);
    let mut consumer = now(builder.start()).unwrap();
    assert_eq!(offsets(&mut consumer), [1]);
    assert_eq!(mock.subscription(), ["orders"]);
    now(consumer.close(Duration::from_secs(1))).unwrap();
    assert_eq!(*told.0.lock().unwrap(), ["assigned 1", "revoked 1", "committed 1", "closed"]);
}

#[test]
fn streams_and_typed_records_work_too() {
    let mock = MockConsumer::new();
    mock.add(p(0), MockRecord::new().key("k").value(7_i64.to_be_bytes().to_vec()));
    mock.add(p(0), MockRecord::new().key("k").value("short"));
    let mut consumer = reader(&mock).typed(Utf8, I64Be);
    let mut stream = consumer.stream();
    assert_eq!(now(stream.next()).unwrap().unwrap().value, 7);
    now(stream.consumer().commit()).unwrap();
    assert_eq!(mock.committed(p(0)).unwrap().offset, Offset(1));
    assert_eq!(now(stream.next()).unwrap().unwrap_err().offset(), Some(Offset(1)));
    assert!(stream.next().now_or_never().is_none());
}

#[test]
fn a_silent_member_loses_its_place_when_its_time_is_over() {
    let mock = MockConsumer::new();
    mock.rebalance([p(0)]);
    let mut consumer = member(&mock);
    assert!(matches!(now(consumer.next_event()).unwrap(), Some(Event::Assigned(_))));
    mock.advance(Duration::from_secs(301));
    let lost = now(consumer.next_event()).unwrap();
    assert!(matches!(lost, Some(Event::Lost(ref lost)) if *lost == [p(0)]), "{lost:?}");
}
