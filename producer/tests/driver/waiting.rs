//! Sends that wait: many at a time, of which one task awaits one after the other.
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use courant_broker_mock::{Fault, MockClusterBuilder};
use courant_client::ErrorKind;
use courant_producer::{
    Acknowledgement, Interceptor, Partitioner, Producer, Record, RecordMetadata, SendError,
};
use courant_protocol::api::ApiKey;

use crate::cancel::{drop_after, sweep};
use crate::stage::{SECOND, Stage, play, record, texts};

type Send<'a> = Pin<Box<dyn Future<Output = Result<RecordMetadata, SendError>> + 'a>>;

/// Starts so many sends, and leaves those that have to wait alone.
fn start<'a>(producer: &'a Producer, records: impl IntoIterator<Item = Record>) -> Vec<Send<'a>> {
    records
        .into_iter()
        .map(|record| {
            let mut send: Send<'a> = Box::pin(producer.send(record));
            let first = send.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(first.is_pending(), "nothing is written before the driver runs");
            send
        })
        .collect()
}

/// A value by which the records fill a batch of a thousand bytes by nine.
fn wide(n: usize) -> Record {
    record(format!("{n:0>100}"))
}

fn batches(stage: &Stage) -> Vec<i32> {
    stage.stamps(0).into_iter().map(|(.., count)| count).collect()
}

#[test]
fn those_that_wait_for_space_fill_their_batches_though_nobody_polls_them() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(4000);
        let producer = producer.start().await.unwrap();
        producer.send(wide(0)).await.unwrap();
        for (send, offset) in start(&producer, (1..=360).map(wide)).into_iter().zip(1..) {
            assert_eq!(send.await.unwrap().offset, offset, "in the order in which they were started");
        }
        let counts = batches(&stage);
        assert!(counts.len() <= 2 + 360 / 8, "{} batches of {counts:?}", counts.len());
    });
}

#[test]
fn those_that_wait_for_their_topic_travel_together_once_it_is_known() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(30 * SECOND / 1000).start().await.unwrap();
        let begun = tokio::time::Instant::now();
        for (send, offset) in start(&producer, (0..100).map(record)).into_iter().zip(0..) {
            assert_eq!(send.await.unwrap().offset, offset);
        }
        assert_eq!(batches(&stage), [100]);
        assert!(begun.elapsed() < SECOND / 10, "{:?}", begun.elapsed());
    });
}

#[test]
fn nobody_overtakes_those_that_wait() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(1000);
        let producer = producer.start().await.unwrap();
        // For the topic, then for space.
        let mut waiting = start(&producer, (0..20).map(wide));
        for send in &mut waiting[..10] {
            send.await.unwrap();
        }
        waiting.extend(start(&producer, (20..30).map(wide)));
        assert_eq!(producer.try_enqueue(record("not yet")).unwrap_err().kind(), ErrorKind::Timeout);
        let last = producer.enqueue(wide(30)).await.unwrap();
        for send in waiting.split_off(10) {
            send.await.unwrap();
        }
        last.await.unwrap();
        let values: Vec<usize> = stage.values(0).iter().map(|value| value.parse().unwrap()).collect();
        assert_eq!(values, (0..=30).collect::<Vec<_>>());
    });
}

#[test]
fn nobody_overtakes_those_that_wait_where_there_is_room_left_in_a_batch() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(1000);
        let producer = producer.start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        drop(producer.enqueue(record("opens a batch")).await.unwrap());
        // The first of these needs a batch of its own; the second would fit into the open one, and waits behind it.
        let sends = start(&producer, [Record::to("t").partition(1).value("elsewhere"), record("second")]);
        assert_eq!(producer.try_enqueue(record("third")).unwrap_err().kind(), ErrorKind::Timeout);
        let third = producer.enqueue(record("third")).await.unwrap();
        for send in sends {
            send.await.unwrap();
        }
        third.await.unwrap();
        assert_eq!(stage.values(0), ["first", "opens a batch", "second", "third"]);
    });
}

#[test]
fn nobody_overtakes_those_that_wait_for_the_topic() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let mut sends = start(&producer, [record("first")]);
        assert_eq!(producer.try_enqueue(record("not yet")).unwrap_err().kind(), ErrorKind::Timeout);
        let second = producer.enqueue(record("second")).await.unwrap();
        sends.extend(start(&producer, [record("third")]));
        assert_eq!(second.await.unwrap().offset, 1);
        for send in sends {
            send.await.unwrap();
        }
        assert_eq!(stage.values(0), ["first", "second", "third"]);
    });
}

#[test]
fn one_that_is_dropped_while_it_waits_is_not_sent_and_holds_nobody_up() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        let mut ended = true;
        for round in 0..3 {
            let waiting = start(&producer, (0..3).map(|n| record(format!("{round} {n}"))));
            let (dropped, (never_polled_again, kept)) =
                tokio::join!(drop_after(steps, producer.send(record(format!("{round} dropped")))), async {
                    let mut waiting = waiting.into_iter();
                    let never_polled_again = waiting.next();
                    let mut kept = 0;
                    for send in waiting {
                        kept += usize::from(send.await.is_ok());
                    }
                    (never_polled_again, kept)
                },);
            drop(never_polled_again);
            assert_eq!(kept, 2);
            ended &= dropped.is_some();
        }
        producer.send(record("last")).await.unwrap();
        let values = stage.values(0);
        let mut sorted = values.clone();
        sorted.dedup();
        assert_eq!(values, sorted, "none twice");
        for round in 0..3 {
            for n in 0..3 {
                assert!(values.contains(&format!("{round} {n}")), "{values:?}");
            }
            assert!(!ended || values.contains(&format!("{round} dropped")));
        }
        producer.close(SECOND).await.unwrap();
        ended
    });
}

#[test]
fn one_that_is_dropped_before_its_turn_is_never_sent() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        let mut waiting = start(&producer, (0..3).map(record));
        drop(waiting.remove(1));
        for send in waiting {
            send.await.unwrap();
        }
        let mut waiting = start(&producer, (3..7).map(record));
        drop(waiting.remove(2));
        for send in waiting {
            send.await.unwrap();
        }
        producer.flush().await.unwrap();
        assert_eq!(stage.values(0), texts([0, 2, 3, 4, 6]));
    });
}

#[test]
fn those_that_wait_when_the_producer_is_closed_come_back_at_once() {
    play(|| async {
        let build = |cluster: MockClusterBuilder| cluster.config("auto.create.topics.enable", "false");
        let stage = Stage::with(|cluster| build(cluster.topic("t", 1))).await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).always().delay(SECOND));
        let elsewhere = || Record::to("elsewhere").value("x");
        let mut waiting = start(&producer, [record("a"), record("b"), record("c"), elsewhere()]);
        let begun = tokio::time::Instant::now();
        let close = async {
            tokio::time::sleep(SECOND / 10).await;
            producer.close(10 * SECOND).await.unwrap();
        };
        let accepted = waiting.remove(0);
        let refused = async {
            let enqueued = producer.enqueue(record("z")).await.unwrap_err();
            assert_eq!(
                (enqueued.kind(), enqueued.record.as_deref()),
                (ErrorKind::Closed, Some(&record("z")))
            );
            for (send, record) in waiting.into_iter().zip([record("b"), record("c"), elsewhere()]) {
                let refused = send.await.unwrap_err();
                assert_eq!((refused.kind(), refused.record.as_deref()), (ErrorKind::Closed, Some(&record)));
            }
            begun.elapsed()
        };
        let ((), at_once, accepted) = tokio::join!(close, refused, accepted);
        assert_eq!(at_once, SECOND / 10);
        accepted.unwrap();
        assert_eq!(producer.send(record("d")).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(stage.values(0), ["first", "a"]);
    });
}

#[test]
fn one_that_waits_too_long_comes_back_and_the_next_ones_go_on() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).max_block(2 * SECOND);
        let producer = producer.start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(10 * SECOND));
        let held = producer.enqueue(record("held")).await.unwrap();
        let error = producer.send(record("late")).await.unwrap_err();
        assert_eq!((error.kind(), error.record.as_deref()), (ErrorKind::Timeout, Some(&record("late"))));
        assert!(error.hint().unwrap().contains("buffer.memory"), "{error}");
        assert_eq!(producer.metrics().buffer_exhausted_total, 1);
        held.await.unwrap();
        producer.send(record("after")).await.unwrap();
        assert_eq!(stage.values(0), ["first", "held", "after"]);
        assert_eq!(producer.metrics().waiting_callers, 0);
        assert!(producer.metrics().bufferpool_wait_time_total >= 2 * SECOND);
    });
}

/// `max.block.ms` counts for each from its own first poll, for its topic, for space and once more for space (a partitioner is
/// asked in between) together; a dropped one has no say.
#[test]
fn each_waits_for_as_long_as_it_may() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).max_block(3 * SECOND);
        let producer = producer.partitioner(Partitioner::custom(|_, _, _| 0)).start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(20 * SECOND));
        let held = producer.enqueue(record("held")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Metadata).delay(SECOND / 2));
        let begun = tokio::time::Instant::now();
        let ends = async |send: Send<'_>| {
            assert_eq!(send.await.unwrap_err().kind(), ErrorKind::Timeout);
            begun.elapsed().as_millis()
        };
        let dropped = start(&producer, [record("dropped")]);
        let topic_first = start(&producer, [Record::to("other").value("x")]).remove(0);
        tokio::time::sleep(SECOND).await;
        let second = start(&producer, [record("second")]).remove(0);
        drop(dropped);
        tokio::time::sleep(SECOND / 2).await;
        let third = start(&producer, [record("third")]).remove(0);
        let ended = tokio::join!(ends(topic_first), ends(second), ends(third));
        assert_eq!(ended, (3000, 4000, 4500));
        assert_eq!(producer.metrics().buffer_exhausted_total, 3);
        held.await.unwrap();
        assert_eq!(producer.metrics().waiting_callers, 0);
    });
}

#[test]
fn partitions_in_turn_are_not_passed_over_while_their_records_wait() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100);
        let producer = producer.partitioner(Partitioner::round_robin()).start().await.unwrap();
        for expected in [0, 1, 2, 0] {
            // The first one of each pair takes all the space there is.
            let waiting = start(&producer, [Record::to("t").value("x"), Record::to("t").value("x")]);
            let mut seen = Vec::new();
            for send in waiting {
                seen.push(send.await.unwrap().topic_partition.partition.0);
            }
            assert_eq!(seen, [expected * 2 % 3, (expected * 2 + 1) % 3]);
        }
    });
}

#[test]
fn a_partitioner_of_ones_own_is_asked_once_for_a_record_that_waits() {
    play(|| async {
        let stage = Stage::new().await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let own = {
            let asked = Arc::clone(&asked);
            Partitioner::custom(move |_, key, _| {
                asked.lock().unwrap().push(String::from_utf8(key.unwrap().to_vec()).unwrap());
                0
            })
        };
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(2000).partitioner(own);
        let producer = producer.start().await.unwrap();
        let keyed = |n: usize| Record::to("t").key(n.to_string()).value(format!("{n:0>100}"));
        producer.send(keyed(0)).await.unwrap();
        let waiting = start(&producer, (1..=90).map(keyed));
        let expected: Vec<String> = (0..=90).map(|n| n.to_string()).collect();
        assert_eq!(*asked.lock().unwrap(), expected, "by the task that sends");
        for (send, offset) in waiting.into_iter().zip(1..) {
            assert_eq!(send.await.unwrap().offset, offset);
        }
        assert_eq!(*asked.lock().unwrap(), expected);
        assert!(batches(&stage).len() <= 2 + 90 / 8);
        // Where the topic is not known nothing can be asked yet.
        let waiting = start(&producer, (0..3).map(|n| Record::to("new").key(n.to_string()).value("x")));
        for send in waiting {
            send.await.unwrap();
        }
    });
}

/// Counts the outcomes that it hears of, by whether they are good.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(usize, usize)>>);

impl Interceptor for Heard {
    fn on_acknowledgement(&self, told: &Acknowledgement<'_>) {
        let (good, bad) = &mut *self.0.lock().unwrap();
        *match told.result {
            Ok(_) => good,
            Err(_) => bad,
        } += 1;
    }
}

#[test]
fn interceptors_hear_of_those_that_wait_accepted_or_dropped() {
    play(|| async {
        let stage = Stage::new().await;
        let heard = Heard::default();
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(2000);
        let producer = producer.interceptor(heard.clone()).linger(Duration::ZERO).start().await.unwrap();
        let mut waiting = start(&producer, (0..100).map(wide));
        drop(waiting.pop());
        assert_eq!(*heard.0.lock().unwrap(), (0, 1), "one was dropped before its turn");
        let last = waiting.pop().unwrap();
        for send in waiting.drain(..50) {
            send.await.unwrap();
        }
        last.await.unwrap();
        // These were accepted and written, though nobody polled them again.
        drop(waiting);
        producer.flush().await.unwrap();
        assert_eq!(*heard.0.lock().unwrap(), (99, 1));
        assert_eq!(stage.values(0).len(), 99);
        assert!(batches(&stage).len() <= 2 + 99 / 8);
    });
}

#[test]
fn a_wait_that_is_over_is_polled_to_its_end() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        let mut waiting = start(&producer, (0..5).map(record));
        tokio::time::sleep(SECOND).await;
        assert_eq!(stage.values(0), texts(0..5));
        for send in waiting.iter_mut().rev() {
            let Poll::Ready(sent) = send.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                panic!("it was delivered long ago")
            };
            sent.unwrap();
        }
    });
}
