//! The mock consumer beside the same consumer on a cluster: one story, one outcome.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod batches;
mod world;

use batches::Spec;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::assignor::Assignor;
use courant_consumer::{Consumer, ConsumerBuilder, ErrorKind, Event, MockConsumer, MockRecord, OffsetReset};
use courant_protocol::types::{Offset, TopicPartition};
use world::{cluster, connect, ms, run};

/// What is read from.
enum Source {
    Mock(MockConsumer),
    Cluster(MockCluster, Kafka),
}

impl Source {
    fn builder(&self) -> ConsumerBuilder {
        match self {
            Self::Mock(mock) => mock.builder(),
            Self::Cluster(_, kafka) => Consumer::builder(kafka),
        }
    }

    fn add(&self, partition: i32, value: &str) {
        match self {
            Self::Mock(mock) => {
                mock.add(
                    ("a", partition),
                    MockRecord::new().key("k").value(value.to_owned()).timestamp(1000),
                );
            }
            Self::Cluster(cluster, _) => {
                let end = cluster.log_end("a", partition).unwrap().0;
                cluster.append_raw("a", partition, Spec::at(end).value(value).bytes()).unwrap();
            }
        }
    }

    fn cut_before(&self, partition: i32, offset: i64) {
        match self {
            Self::Mock(mock) => mock.set_beginning(("a", partition), offset),
            Self::Cluster(cluster, _) => {
                cluster.delete_records("a", partition, Offset(offset)).unwrap();
            }
        }
    }

    fn committed(&self, partition: i32) -> Option<Offset> {
        match self {
            Self::Mock(mock) => mock.committed(("a", partition)).map(|committed| committed.offset),
            Self::Cluster(cluster, _) => cluster.committed("g", "a", partition),
        }
    }
}

/// Runs a story on both, which have partitions 0 to 2 of topic `a`.
fn both<T: PartialEq + std::fmt::Debug>(story: impl AsyncFn(&Source) -> T) {
    run(async {
        let mock = MockConsumer::new();
        mock.create_topic("a", 3);
        let mocked = story(&Source::Mock(mock)).await;
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        assert_eq!(mocked, story(&Source::Cluster(cluster, kafka)).await);
    });
}

fn a(partition: i32) -> TopicPartition {
    TopicPartition::new("a", partition)
}

async fn read(consumer: &mut Consumer) -> Vec<(i32, i64, String)> {
    let batch = consumer.poll().await.unwrap().unwrap();
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let parts = batch.iter().map(|record| {
        (record.partition().0, record.offset().0, record.value().map(text).unwrap_or_default())
    });
    parts.collect()
}

#[test]
fn reading_seeking_pausing_and_committing_come_to_the_same() {
    both(async |source| {
        for number in 0..7 {
            source.add(0, &format!("value {number}"));
        }
        let builder = source.builder().group("g").assign([a(0)]).auto_offset_reset("earliest");
        let mut consumer = builder.auto_commit(false).max_poll_records(3).start().await.unwrap();
        let mut seen = vec![read(&mut consumer).await, read(&mut consumer).await];
        let mut numbers = vec![consumer.position(a(0)).await.unwrap()];
        consumer.commit().await.unwrap();
        consumer.seek(a(0), 1).unwrap();
        seen.push(read(&mut consumer).await);
        consumer.commit_offsets([(a(0), 2)]).await.unwrap();
        source.cut_before(0, 5);
        consumer.seek(a(0), 3).unwrap();
        seen.push(read(&mut consumer).await);
        numbers.extend(consumer.beginning_offsets([a(0), a(1)]).await.unwrap().into_values());
        numbers.extend(consumer.end_offsets([a(0), a(1)]).await.unwrap().into_values());
        let times = consumer.offsets_for_times([(a(0), 1.into()), (a(0), 2_000.into())]).await.unwrap();
        numbers.extend(times.into_values().flatten().map(|found| found.offset));
        consumer.close(ms(5_000)).await.unwrap();
        numbers.extend(source.committed(0));
        (seen, numbers, consumer.poll().await.unwrap().is_none())
    });
}

#[test]
fn what_cannot_be_comes_to_the_same_errors() {
    both(async |source| {
        source.add(0, "x");
        let builder = source.builder().assign([a(0)]).offset_reset(OffsetReset::None);
        let mut consumer = builder.start().await.unwrap();
        let mut told = vec![consumer.poll().await.unwrap_err().kind()];
        consumer.seek(a(0), 9).unwrap();
        told.push(consumer.poll().await.unwrap_err().kind());
        told.push(consumer.commit().await.unwrap_err().kind());
        told.push(consumer.seek(a(2), 0).unwrap_err().kind());
        told.push(consumer.subscribe(["a"]).unwrap_err().kind());
        let mixed = source.builder().group("g").assign([a(0)]).subscribe(["a"]).start().await;
        told.push(mixed.err().map_or(ErrorKind::Closed, |error| error.kind()));
        consumer.close(ms(1_000)).await.unwrap();
        told.push(consumer.pause([a(0)]).unwrap_err().kind());
        told
    });
}

#[test]
fn a_member_hears_the_same_of_its_first_share_and_of_leaving() {
    for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
        both(async |source| {
            source.add(1, "x");
            if let Source::Mock(mock) = source {
                mock.rebalance((0..3).map(a));
            }
            let builder = source.builder().group("g").subscribe(["a"]).auto_offset_reset("earliest");
            let mut consumer = builder.assignors([assignor]).start().await.unwrap();
            let mut told = Vec::new();
            for _ in 0..2 {
                told.push(match consumer.next_event().await.unwrap().unwrap() {
                    Event::Assigned(partitions) => format!("assigned {partitions:?}"),
                    Event::Batch(batch) => format!("{} records", batch.iter().count()),
                    other => format!("{other:?}"),
                });
            }
            consumer.unsubscribe().await.unwrap();
            (told, source.committed(1), consumer.assignment(), consumer.subscription())
        });
    }
}
