//! What an operator may ask of the task that it runs in.
use bytes::Bytes;
use courant_protocol::types::TopicPartition;

use super::{ProcessError, ProcessErrorKind};
use crate::record::Headers;
use crate::topology::{SinkIndex, StoreIndex};

/// What an operator may ask of its task: stores, sinks, and what to do with a record that failed.
///
/// Time is in milliseconds since 1970. Stores hold bytes with the time of the value; the task writes their changelogs.
pub(crate) trait Context {
    /// The stream time up to which the task had got when it was last committed, −1 for a new one (KIP-514). An operator
    /// that decides what is late goes on from it.
    fn restored_stream_time(&self) -> i64;

    /// The value of a key in a key-value store.
    fn get(&mut self, store: StoreIndex, key: &[u8]) -> Result<Option<ValueAndTimestamp>, ProcessError>;

    /// Sets or deletes the value of a key. For a deletion, `timestamp` is that of the record at hand.
    fn put(
        &mut self,
        store: StoreIndex,
        key: &Bytes,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), ProcessError>;

    /// The value of a key in the window that begins at `start`.
    fn fetch(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        start: i64,
    ) -> Result<Option<ValueAndTimestamp>, ProcessError>;

    /// Sets or deletes the value of a key in the window that begins at `start`.
    fn put_window(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        start: i64,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), ProcessError>;

    /// Writes a record to a sink's topic.
    fn send(&mut self, sink: SinkIndex, record: SinkRecord) -> Result<(), ProcessError>;

    /// Counts and logs a record that is left out.
    fn dropped(&mut self, origin: &TopicPartition, offset: i64, reason: Dropped);

    /// Asks the configured handler: `Ok` leaves the record out and goes on, `Err` ends the task. `raw` is the record as the
    /// source topic has it, where that is at hand.
    fn handle_error(
        &mut self,
        error: ProcessError,
        raw: Option<&crate::record::RawRecord>,
    ) -> Result<(), ProcessError>;
}

/// A value and the time from which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueAndTimestamp {
    /// The value's bytes, without its time.
    pub(crate) value: Bytes,
    /// Its event time.
    pub(crate) timestamp: i64,
}

/// A record on its way to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SinkRecord {
    /// The key's bytes.
    pub(crate) key: Option<Bytes>,
    /// The value's bytes.
    pub(crate) value: Option<Bytes>,
    /// Its event time.
    pub(crate) timestamp: i64,
    /// Its headers.
    pub(crate) headers: Headers,
    /// Which partition it goes to.
    pub(crate) partition: SinkPartition,
    /// The offset of the record at hand, for errors.
    pub(crate) offset: i64,
}

/// Which partition of a sink's topic a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SinkPartition {
    /// By the producer's partitioner: by the key's hash, or any for a record without a key.
    Partitioner,
    /// By murmur2 of these bytes: a windowed key goes where its inner key would go (`WindowedStreamPartitioner`).
    OfBytes(Bytes),
}

/// Why a record is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dropped {
    /// It has no key, and the operator works by keys.
    NullKey,
    /// It has no value, and the operator works on values.
    NullValue,
    /// Its window is closed.
    Late,
}

/// One run of records of one partition through the operators: the task, and whose records they are.
pub(crate) struct Run<'a> {
    /// The partition whose records are at hand.
    pub(crate) origin: &'a TopicPartition,
    /// The task.
    pub(crate) context: &'a mut dyn Context,
}

impl Run<'_> {
    /// Counts and logs a record that is left out.
    pub(crate) fn dropped(&mut self, offset: i64, reason: Dropped) {
        self.context.dropped(self.origin, offset, reason);
    }

    /// Asks the handler about a record that an operator could not write or read; any other failure ends the task.
    pub(crate) fn settle<T>(&mut self, result: Result<T, ProcessError>) -> Result<Option<T>, ProcessError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ProcessErrorKind::Serialization => {
                self.context.handle_error(error, None).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }
}
