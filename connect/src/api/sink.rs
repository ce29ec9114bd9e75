//! The traits of a sink: what it is, and the task that writes.
use std::collections::BTreeMap;
use std::future::Future;

use courant_protocol::types::{Offset, TopicPartition};

use crate::api::config::Config;
use crate::api::context::{ConnectorContext, SinkContext};
use crate::api::record::SinkRecord;
use crate::error::{Error, Result};

/// A sink connector: it opens tasks, which share the partitions of its topics as a consumer group.
pub trait Sink: Send + Sync + Sized + 'static {
    /// Its name in `connector.class`.
    const NAME: &'static str;
    /// Other names for it, such as that of the Java class whose configuration it understands.
    const ALIASES: &'static [&'static str] = &[];
    /// Its properties.
    type Config: Config;
    /// What writes.
    type Task: SinkTask;

    /// Makes the connector. Its configuration has been checked.
    fn new(config: Self::Config, context: ConnectorContext) -> impl Future<Output = Result<Self>> + Send;

    /// Opens a task.
    fn open(&self, context: SinkContext) -> impl Future<Output = Result<Self::Task>> + Send;
}

/// What writes the records of some partitions.
///
/// The worker keeps the membership in the group alive while these calls run, however long they take.
pub trait SinkTask: Send + 'static {
    /// These partitions are this task's now; their first records come with the next [`SinkTask::write`]. A task that keeps
    /// offsets in its target says by [`SinkContext::rewind`] where to begin.
    fn assigned(&mut self, _partitions: &[TopicPartition]) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// These partitions go to another task. With `lost` they already have: nothing can be committed for them any more.
    fn revoked(
        &mut self,
        _partitions: &[TopicPartition],
        _lost: bool,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Writes a batch, and says which of its records are bad; the others count as accepted.
    ///
    /// A [retriable](Error::retriable) error brings the same records again, in the same order, after a pause. A
    /// [data](Error::data) error for the whole batch says that nothing of it was written and one of them is bad: they come
    /// again one by one.
    fn write(&mut self, batch: &[SinkRecord]) -> impl Future<Output = Result<Verdicts>> + Send;

    /// Makes durable what was accepted, and says how far: only that is committed.
    fn flush(&mut self) -> impl Future<Output = Result<Flushed>> + Send {
        async { Ok(Flushed::All) }
    }

    /// The end: release what is held.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        async {}
    }
}

/// Which records of a batch are bad.
///
/// ```
/// use courant_connect::{Error, Verdicts};
///
/// assert!(Verdicts::accepted().failed().is_empty());
/// let verdicts = Verdicts::accepted().but(3, Error::data("no such column"));
/// assert_eq!(verdicts.failed()[0].0, 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    failed: Vec<(usize, Error)>,
}

impl Verdicts {
    /// All records were accepted.
    pub fn accepted() -> Self {
        Self::default()
    }

    /// All but this one, by its place in the batch.
    #[must_use]
    pub fn but(mut self, index: usize, error: Error) -> Self {
        self.reject(index, error);
        self
    }

    /// Marks a record as bad, by its place in the batch.
    pub fn reject(&mut self, index: usize, error: Error) {
        self.failed.push((index, error));
    }

    /// The bad records, by their place in the batch.
    pub fn failed(&self) -> &[(usize, Error)] {
        &self.failed
    }
}

/// What may be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flushed {
    /// Everything that was accepted.
    All,
    /// These offsets, each that of the next record to read; partitions that are not named stay where they are.
    UpTo(BTreeMap<TopicPartition, Offset>),
    /// Nothing: the offsets are kept in the target.
    Own,
}
