//! A member of a group, and what its application was told.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::collections::BTreeSet;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerBuilder, Error, ErrorKind, Event};
use courant_protocol::types::TopicPartition;
use futures_util::future::join_all;

use crate::batches::Spec;

/// A member of group `g` that reads topic `a` from its start and commits nothing by itself.
pub fn member(kafka: &Kafka) -> ConsumerBuilder {
    Consumer::builder(kafka).group("g").subscribe(["a"]).auto_offset_reset("earliest").auto_commit(false)
}

/// Partitions of topic `a`.
pub fn a(partitions: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    partitions.into_iter().map(|partition| TopicPartition::new("a", partition)).collect()
}

/// Ten records in each of the three partitions of topic `a`.
pub fn written(cluster: &MockCluster) {
    for partition in 0..3 {
        cluster.append_raw("a", partition, Spec::at(0).records(10).bytes()).unwrap();
    }
}

/// What an application was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

/// A member and its application, which reads all that it gets.
pub struct Seat {
    pub consumer: Consumer,
    pub owned: BTreeSet<TopicPartition>,
    pub told: Vec<Told>,
    pub records: Vec<(i32, i64)>,
    pub errors: Vec<Error>,
}

impl Seat {
    pub async fn take(builder: ConsumerBuilder) -> Self {
        let consumer = builder.start().await.unwrap();
        Self { consumer, owned: BTreeSet::new(), told: Vec::new(), records: Vec::new(), errors: Vec::new() }
    }

    /// Handles events for this long, or until another has its place.
    pub async fn run(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.consumer.next_event()).await {
            match event {
                Ok(Some(event)) => self.note(event),
                Ok(None) => return,
                Err(error) => {
                    self.errors.push(error);
                    if self.is_fenced() {
                        return;
                    }
                }
            }
        }
    }

    pub fn note(&mut self, event: Event) {
        match event {
            Event::Batch(batch) => {
                for record in &batch {
                    assert!(self.owned.contains(record.topic_partition()), "a record of somebody else's");
                    self.records.push((record.partition().0, record.offset().0));
                }
            }
            Event::Assigned(partitions) => {
                assert!(
                    partitions.iter().all(|partition| self.owned.insert(partition.clone())),
                    "given twice"
                );
                self.told.push(Told::Assigned(partitions));
            }
            Event::Revoked(partitions) => {
                assert!(
                    partitions.iter().all(|partition| self.owned.remove(partition)),
                    "taken without need"
                );
                self.told.push(Told::Revoked(partitions));
            }
            Event::Lost(partitions) => {
                assert!(partitions.iter().all(|partition| self.owned.remove(partition)), "lost without need");
                self.told.push(Told::Lost(partitions));
            }
            other => panic!("an event of no known kind: {other:?}"),
        }
    }

    /// Whether it is over: each further question would be answered with the same error.
    pub fn is_fenced(&self) -> bool {
        self.errors.last().is_some_and(|error| error.kind() == ErrorKind::Fenced)
    }

    pub fn owns(&self) -> Vec<i32> {
        self.owned.iter().map(|partition| partition.partition.0).collect()
    }
}

/// Lets all of them handle events for this long, at once.
pub async fn together<const N: usize>(seats: [&mut Seat; N], time: Duration) {
    join_all(seats.into_iter().map(|seat| seat.run(time))).await;
}
