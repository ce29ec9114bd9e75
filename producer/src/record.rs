//! A record on its way to a topic, and where it ended up.
use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use courant_protocol::types::{Offset, PartitionId, TopicName, TopicPartition, UnixMillis};

use crate::append::{Destination, Payload};

/// A record to be written: a topic, and what Kafka stores.
///
/// Key and value are shared, not copied, until they are encoded into their batch. A record without a key may go to any
/// partition; one with a key goes where all records with that key go. A record without a value is a tombstone: in a
/// compacted topic it deletes its key.
///
/// ```
/// use courant_producer::Record;
/// let record = Record::to("orders").key("42").value(r#"{"total": 7}"#).header("source", "web");
/// assert_eq!(record.topic(), "orders");
/// assert_eq!(record.key.as_deref(), Some(&b"42"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a record does nothing until it is sent"]
pub struct Record {
    pub(crate) topic: RecordTopic,
    /// The partition, if not the partitioner is to find one.
    pub partition: Option<PartitionId>,
    /// The key; an empty one is not the same as none.
    pub key: Option<Bytes>,
    /// The value; none makes the record a tombstone.
    pub value: Option<Bytes>,
    /// Names and values, in order; a name may come more than once, and a value may be null (KIP-82).
    pub headers: Vec<(Cow<'static, str>, Option<Bytes>)>,
    /// The event's own time, if not the time of enqueueing.
    pub timestamp: Option<UnixMillis>,
}

impl Record {
    /// A record to `topic`, without key and value.
    pub fn to(topic: impl Into<RecordTopic>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: None,
        }
    }

    /// Names the partition; else the partitioner finds one.
    pub fn partition(mut self, partition: impl Into<PartitionId>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// Sets the key. An empty key is a key; a record that never got one has none.
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value. A record that never got one is a tombstone.
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header. Headers keep their order, and a name may come more than once (KIP-82).
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null, which is not the empty value.
    pub fn null_header(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Sets the event's own time; else the record gets the time at which it is enqueued, to within
    /// some milliseconds.
    pub fn timestamp(mut self, timestamp: impl Into<UnixMillis>) -> Self {
        self.timestamp = Some(timestamp.into());
        self
    }

    /// The topic it goes to.
    pub fn topic(&self) -> &str {
        self.topic.as_str()
    }
}

/// The name of a record's topic: written in the program, or shared. Neither is copied for a record.
#[derive(Clone, Debug)]
pub struct RecordTopic(Topic);

#[derive(Clone, Debug)]
enum Topic {
    Static(&'static str),
    Shared(TopicName),
}

impl Record {
    #[inline(always)]
    pub(crate) fn destination(&self) -> Destination<'_> {
        Destination { topic: self.topic(), partition: self.partition }
    }

    #[inline(always)]
    pub(crate) fn payload(&self) -> Payload<'_> {
        Payload {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
            timestamp: self.timestamp,
        }
    }
}

impl RecordTopic {
    /// The name as it is shared with the metadata.
    pub(crate) fn to_name(&self) -> TopicName {
        match &self.0 {
            Topic::Static(name) => TopicName::from(*name),
            Topic::Shared(name) => name.clone(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Topic::Static(name) => name,
            Topic::Shared(name) => name,
        }
    }
}

impl PartialEq for RecordTopic {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RecordTopic {}

impl From<&'static str> for RecordTopic {
    fn from(name: &'static str) -> Self {
        Self(Topic::Static(name))
    }
}

impl From<String> for RecordTopic {
    fn from(name: String) -> Self {
        Self(Topic::Shared(name.into()))
    }
}

impl From<&String> for RecordTopic {
    fn from(name: &String) -> Self {
        Self(Topic::Shared(name.into()))
    }
}

impl From<TopicName> for RecordTopic {
    fn from(name: TopicName) -> Self {
        Self(Topic::Shared(name))
    }
}

impl From<&TopicName> for RecordTopic {
    fn from(name: &TopicName) -> Self {
        Self(Topic::Shared(name.clone()))
    }
}

/// Where a record was written; prints as `orders-2@41`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// The partition that has the record.
    pub topic_partition: TopicPartition,
    /// Its place there. [`Offset::NONE`] where the broker did not say it: with `acks=0`, and where a retry found that
    /// an earlier attempt had written the record long ago.
    pub offset: Offset,
    /// The record's time: its own, or the broker's where the topic has `message.timestamp.type=LogAppendTime`.
    pub timestamp: UnixMillis,
}

impl fmt::Display for RecordMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset.is_some() {
            true => write!(f, "{}@{}", self.topic_partition, self.offset),
            false => write!(f, "{}@?", self.topic_partition),
        }
    }
}
