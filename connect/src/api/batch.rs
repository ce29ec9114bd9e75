//! What a source task fills: records, and input that it could not read.
use bytes::Bytes;

use crate::api::record::SourceRecord;
use crate::error::Error;

/// The records that one call of [`SourceTask::next_batch`](crate::SourceTask::next_batch) gives.
///
/// What was pushed is kept even if the worker drops the call, so a record is pushed only once the task's own position has
/// moved past it, with no `.await` between the two.
#[derive(Debug)]
pub struct Batch<P, O> {
    pub(crate) items: Vec<Item<P, O>>,
    max_records: usize,
}

/// One thing that was read.
#[derive(Debug)]
pub(crate) enum Item<P, O> {
    Record(SourceRecord<P, O>),
    Bad(BadInput<P, O>),
}

impl<P, O> Batch<P, O> {
    /// An empty batch that wants up to this many records.
    pub fn new(max_records: usize) -> Self {
        Self { items: Vec::new(), max_records: max_records.max(1) }
    }

    /// Adds a record.
    pub fn push(&mut self, record: SourceRecord<P, O>) {
        self.items.push(Item::Record(record));
    }

    /// Adds input that is no record. It is treated by `errors.tolerance`: either the task fails with its error, or it goes
    /// to the dead-letter topic and the source goes on behind it.
    pub fn push_bad(&mut self, bad: BadInput<P, O>) {
        self.items.push(Item::Bad(bad));
    }

    /// How many records and bad inputs it holds.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the worker wants no more in this batch; some more do no harm.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.max_records
    }

    /// How many more the worker wants.
    pub fn room(&self) -> usize {
        self.max_records.saturating_sub(self.items.len())
    }
}

/// Input that a source could not make a record of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BadInput<P, O> {
    /// What was read.
    pub source_partition: P,
    /// From where to go on behind it.
    pub source_offset: O,
    /// The input as it stands, for the dead-letter topic.
    pub raw: Bytes,
    /// What is wrong with it.
    pub error: Error,
    /// Headers of the dead letter beside Connect's own, such as the number of the line.
    pub headers: Vec<(String, Bytes)>,
}

impl<P, O> BadInput<P, O> {
    /// Input that is no record: where it was read, from where to go on, the bytes, and why.
    pub fn new(source_partition: P, source_offset: O, raw: impl Into<Bytes>, error: Error) -> Self {
        Self { source_partition, source_offset, raw: raw.into(), error, headers: Vec::new() }
    }

    /// Adds a header to the dead letter.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
