//! The cluster that a test runs on, and what lies in its topics.
use std::collections::BTreeMap;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_producer::{Producer, Record};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::{NodeId, Offset, TopicPartition};

use crate::embedded::{Worker, WorkerBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::crash::CrashPlan;
use crate::harness::test_source::TestRecord;

/// A cluster of three brokers and the workers on it.
pub(crate) struct Setting {
    pub(crate) cluster: MockCluster,
    pub(crate) plan: CrashPlan,
    pub(crate) properties: BTreeMap<String, String>,
}

impl Setting {
    pub(crate) fn new(
        topics: &[(&str, usize)],
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Self> {
        let builder = MockCluster::builder().brokers(3).config("num.partitions", "1");
        let builder =
            topics.iter().fold(builder, |builder, (topic, partitions)| builder.topic(*topic, *partitions));
        let cluster =
            builder.build().map_err(|error| Error::fatal("cannot make a cluster").because(error))?;
        let properties = properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Self { cluster, plan: CrashPlan::new(), properties })
    }

    pub(crate) async fn connect(&self) -> Result<Kafka> {
        let builder = Kafka::builder().bootstrap(self.cluster.bootstrap()).world(self.cluster.world());
        Ok(builder.connect().await?)
    }

    pub(crate) async fn worker(&self) -> Result<WorkerBuilder> {
        let builder = Worker::builder(&self.connect().await?).flush_interval(Duration::from_secs(1));
        let builder = builder.set("value.converter", "StringConverter").set("offset.storage.partitions", 3);
        Ok(builder.crash_points(self.plan.points()))
    }

    /// All records of all topics but the offsets topic, topic by topic and partition by partition.
    pub(crate) fn records(&self) -> Result<Vec<TestRecord>> {
        let mut records = Vec::new();
        for topic in self.cluster.topics() {
            if topic == OFFSETS_TOPIC || topic.starts_with("__") {
                continue;
            }
            for partition in 0..self.cluster.partition_count(&topic).unwrap_or(0) as i32 {
                self.read(&TopicPartition::new(topic.as_str(), partition), &mut records)?;
            }
        }
        Ok(records)
    }

    fn read(&self, at: &TopicPartition, records: &mut Vec<TestRecord>) -> Result<()> {
        let unreadable = |error| Error::fatal("a log cannot be read").because(error);
        let mut scratch = CompressionScratch::default();
        for stored in self.cluster.log(&at.topic, at.partition.0) {
            for batch in Batches::new(stored.bytes, ReadOptions::default()) {
                let batch = batch.map_err(|error| Error::fatal("a log cannot be read").because(error))?;
                for record in batch.records(&mut scratch).map_err(unreadable)?.iter() {
                    records.push(TestRecord::of(at, &record.map_err(unreadable)?));
                }
            }
        }
        Ok(())
    }

    /// What is stored for sources, by the key that it has in the offsets topic.
    pub(crate) fn offsets(&self) -> Result<BTreeMap<String, String>> {
        let mut stored = Vec::new();
        for partition in 0..self.cluster.partition_count(OFFSETS_TOPIC).unwrap_or(0) as i32 {
            self.read(&TopicPartition::new(OFFSETS_TOPIC, partition), &mut stored)?;
        }
        Ok(stored
            .into_iter()
            .map(|record| (record.key.unwrap_or_default(), record.value.unwrap_or_default()))
            .collect())
    }

    /// Writes values into the partitions of a topic, in turn, from partition `first` on.
    pub(crate) async fn send(&self, topic: &str, values: &[String], first: usize) -> Result<()> {
        let kafka = self.connect().await?;
        let producer = Producer::builder(&kafka).start().await?;
        let partitions = self.cluster.partition_count(topic).unwrap_or(1).max(1);
        for (nth, value) in values.iter().enumerate() {
            let partition = (first + nth) % partitions;
            let record = Record::to(topic.to_owned()).partition(partition as i32).value(value.clone());
            producer.send(record).await.map_err(courant_client::Error::from)?;
        }
        Ok(producer.close(Duration::from_secs(10)).await?)
    }

    /// Where the partitions of a topic end.
    pub(crate) fn ends(&self, topic: &str) -> Vec<(TopicPartition, Offset)> {
        let partitions = self.cluster.partition_count(topic).unwrap_or(0) as i32;
        let end = |partition| {
            Some((TopicPartition::new(topic, partition), self.cluster.log_end(topic, partition)?))
        };
        (0..partitions).filter_map(end).collect()
    }

    /// Breaks every connection, and lets another broker lead the topic.
    pub(crate) fn disturb(&self, topic: &str, nth: usize) {
        let node = NodeId((nth % 3) as i32 + 1);
        // What cannot be moved stays where it is.
        self.cluster.cut_connections(node).ok();
        for partition in 0..self.cluster.partition_count(topic).unwrap_or(0) as i32 {
            self.cluster.move_leader(topic, partition, node).ok();
        }
    }
}

pub(crate) fn late(what: &str) -> Error {
    Error::new(ErrorKind::Timeout, what.to_owned())
}

pub(crate) const OFFSETS_TOPIC: &str = "connect-offsets";
/// What connectors under test are called.
pub(crate) const NAME: &str = "under-test";
/// How long anything may take, in virtual time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
