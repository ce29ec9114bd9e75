//! One incarnation of a topic: what all of its slots share, and what was sent to it.
use std::sync::Arc;

use courant_client::Measured;
use courant_protocol::types::{TopicId, TopicName};

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// A topic's name and id. A topic that was deleted and created again is another incarnation.
pub(crate) struct Incarnation {
    pub(crate) name: TopicName,
    pub(crate) id: TopicId,
    counts: Mutex<TopicCounts>,
}

/// What was sent to a topic; counted by the batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TopicCounts {
    pub(crate) records_sent: u64,
    pub(crate) records_retried: u64,
    pub(crate) records_failed: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) compression_rate: Measured,
}

impl Incarnation {
    pub(crate) fn new(name: TopicName, id: TopicId) -> Arc<Self> {
        Arc::new(Self { name, id, counts: Mutex::default() })
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> MutexGuard<'_, TopicCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TopicCounts {
    /// A batch goes out, for the first time or again.
    pub(crate) fn note_sent(&mut self, records: u32, bytes: usize, uncompressed_bytes: usize) {
        self.records_sent += u64::from(records);
        self.bytes_sent += bytes as u64;
        self.compression_rate.record(bytes as f64 / uncompressed_bytes as f64);
    }
}
