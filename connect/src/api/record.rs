//! Records between the outside world and Kafka: typed data, before or after the converters.
use courant_protocol::types::{Offset, PartitionId, TopicName, TopicPartition, UnixMillis};

use crate::data::Data;

/// What sources and sinks have in common, and what transforms see: a record whose key and value are [`Data`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectRecord {
    /// The topic it goes to, or came from.
    pub topic: TopicName,
    /// The partition. `None` on the way to Kafka leaves it to the partitioner.
    pub partition: Option<PartitionId>,
    /// Its offset, where it came from Kafka.
    pub offset: Option<Offset>,
    /// The key.
    pub key: Data,
    /// The value.
    pub value: Data,
    /// The headers, in order; names may repeat.
    pub headers: Vec<(String, Data)>,
    /// When it happened. `None` on the way to Kafka is the time at which it is written.
    pub timestamp: Option<UnixMillis>,
}

impl ConnectRecord {
    /// A record for a topic, everything else empty.
    pub fn to(topic: impl Into<TopicName>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            offset: None,
            key: Data::default(),
            value: Data::default(),
            headers: Vec::new(),
            timestamp: None,
        }
    }
}

/// A record that a source has read, with the place in the source that it came from.
///
/// `P` names what was read (a file, a table) and `O` how far: once this record is safe in Kafka, the source can go on from
/// `O`. Both are the connector's own types; they are stored as JSON objects.
///
/// ```
/// use courant_connect::SourceRecord;
/// use std::collections::BTreeMap;
///
/// let file = BTreeMap::from([("filename", "orders.csv")]);
/// let position = BTreeMap::from([("position", 42)]);
/// let record = SourceRecord::to("orders", file, position).key("7").value("7,open").timestamp(1_700_000_000_000);
/// assert_eq!(&*record.record.topic, "orders");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SourceRecord<P, O> {
    /// What was read.
    pub source_partition: P,
    /// From where to go on once this record is safe.
    pub source_offset: O,
    /// The record.
    pub record: ConnectRecord,
}

impl<P, O> SourceRecord<P, O> {
    /// A record for a topic, read from `source_partition`; after it the source goes on from `source_offset`.
    pub fn to(topic: impl Into<TopicName>, source_partition: P, source_offset: O) -> Self {
        Self { source_partition, source_offset, record: ConnectRecord::to(topic) }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Data>) -> Self {
        self.record.key = key.into();
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Data>) -> Self {
        self.record.value = value.into();
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Data>) -> Self {
        self.record.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the time of the event.
    #[must_use]
    pub fn timestamp(mut self, timestamp: impl Into<UnixMillis>) -> Self {
        self.record.timestamp = Some(timestamp.into());
        self
    }

    /// Sends it to this partition, past the partitioner.
    #[must_use]
    pub fn partition(mut self, partition: impl Into<PartitionId>) -> Self {
        self.record.partition = Some(partition.into());
        self
    }
}

/// A record that a sink is to write.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SinkRecord {
    /// The record, after converters and transforms.
    pub record: ConnectRecord,
    /// The partition that it was read from, whatever transforms made of its topic (KIP-793).
    pub origin: TopicPartition,
    /// The offset that it was read at.
    pub origin_offset: Offset,
}

impl SinkRecord {
    /// A record as it was read.
    pub fn new(origin: TopicPartition, origin_offset: Offset, record: ConnectRecord) -> Self {
        Self { record, origin, origin_offset }
    }

    /// The topic, after transforms.
    pub fn topic(&self) -> &TopicName {
        &self.record.topic
    }

    /// The key.
    pub fn key(&self) -> &Data {
        &self.record.key
    }

    /// The value.
    pub fn value(&self) -> &Data {
        &self.record.value
    }
}
