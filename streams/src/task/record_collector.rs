//! What a task has written and nobody has sent yet: records of sinks and of changelogs, in the order they were written.
use std::collections::VecDeque;

use bytes::Bytes;
use courant_protocol::types::TopicName;

use crate::record::Headers;
use crate::state::Stores;

/// Which partition a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The one that the producer finds for the record's key.
    ByKey,
    /// The one of a hash over these bytes: a windowed key goes where its inner key goes.
    ByHashOf(Bytes),
    /// This one.
    Partition(i32),
}

/// A record on its way out of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutgoingRecord {
    pub(crate) topic: TopicName,
    pub(crate) destination: Destination,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Headers,
    /// The store whose changelog this is, if it is one.
    pub(crate) store: Option<usize>,
}

/// Collects the records that a task writes.
///
/// The task never waits for a producer; whoever runs it takes the records out, sends them, and tells what became of those
/// of changelogs ([`Stores::logged`]).
#[derive(Debug)]
pub(crate) struct RecordCollector {
    /// The task's partition, which is the one of its changelogs.
    partition: i32,
    records: VecDeque<OutgoingRecord>,
}

impl RecordCollector {
    /// A collector for the task of a partition.
    pub(crate) fn new(partition: i32) -> Self {
        Self { partition, records: VecDeque::new() }
    }

    /// Writes a record to a topic.
    pub(crate) fn send(&mut self, record: OutgoingRecord) {
        self.records.push_back(record);
    }

    /// Writes a change of a store to its changelog, if it has one.
    pub(crate) fn log(
        &mut self,
        stores: &Stores,
        store: usize,
        key: Bytes,
        value: Option<Bytes>,
        timestamp: i64,
    ) {
        let Some(topic) = stores.layout(store).and_then(|layout| layout.changelog.clone()) else { return };
        self.send(OutgoingRecord {
            topic,
            destination: Destination::Partition(self.partition),
            key: Some(key),
            value,
            timestamp,
            headers: Headers::default(),
            store: Some(store),
        });
    }

    /// Takes the oldest record out.
    pub(crate) fn take(&mut self) -> Option<OutgoingRecord> {
        self.records.pop_front()
    }
}
