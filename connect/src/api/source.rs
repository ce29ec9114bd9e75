//! The traits of a source: what it is, and the task that reads.
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::batch::Batch;
use crate::api::config::Config;
use crate::api::context::{ConnectorContext, SourceContext};
use crate::error::Result;

/// A source connector: it splits the work, and opens a task for each part.
///
/// The guide in `docs/guide/connector.md` writes one from the first line to the test.
pub trait Source: Send + Sync + Sized + 'static {
    /// Its name in `connector.class`.
    const NAME: &'static str;
    /// Other names for it, such as that of the Java class whose configuration it understands.
    const ALIASES: &'static [&'static str] = &[];
    /// Its properties.
    type Config: Config;
    /// One task's share of the work; `()` where there is nothing to split.
    type Split: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What was read: serialises as a JSON object of plain values, such as `{"filename": …}`.
    type Partition: Serialize + DeserializeOwned + Ord + Clone + Send + Sync + 'static;
    /// How far: serialises as a JSON object of plain values, such as `{"position": …}`.
    type Offset: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What reads.
    type Task: SourceTask<Partition = Self::Partition, Offset = Self::Offset>;

    /// Makes the connector. Its configuration has been checked.
    fn new(config: Self::Config, context: ConnectorContext) -> impl Future<Output = Result<Self>> + Send;

    /// Splits the work into at most `tasks_max` parts; a task is opened for each.
    fn plan(&self, tasks_max: usize) -> impl Future<Output = Result<Vec<Self::Split>>> + Send;

    /// Opens the task of one part. `context` knows the offsets that were stored.
    fn open(
        &self,
        split: Self::Split,
        context: SourceContext<Self::Partition, Self::Offset>,
    ) -> impl Future<Output = Result<Self::Task>> + Send;

    /// Whether offsets that a user wants to set make sense (KIP-875).
    ///
    /// # Errors
    /// An error keeps them from being stored.
    fn check_offsets(&self, _offsets: &[(Self::Partition, Option<Self::Offset>)]) -> Result<()> {
        Ok(())
    }

    /// Whether records and offsets may go into one transaction (KIP-618).
    fn exactly_once(_config: &Self::Config) -> ExactlyOnce {
        ExactlyOnce::Unsupported
    }
}

/// What reads one part of a source.
pub trait SourceTask: Send + 'static {
    /// As of its [`Source`].
    type Partition;
    /// As of its [`Source`].
    type Offset;

    /// Reads on, into `batch`. It may wait inside for something to come. Leaving the batch empty says: the input ends here
    /// for now; the worker reports that the source has caught up, and asks again after `poll.interval.ms`.
    ///
    /// It must be cancel-safe: the worker drops this future when it is to pause or stop, and goes on with what was pushed.
    /// Between a move of the task's own position and the push of the record there must be no `.await`.
    fn next_batch(
        &mut self,
        batch: &mut Batch<Self::Partition, Self::Offset>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Everything up to these offsets is safe in Kafka, and they are stored: what the source keeps for a repeat may go.
    fn committed(
        &mut self,
        _offsets: &[(Self::Partition, Self::Offset)],
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// The end: release what is held.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        async {}
    }
}

/// Whether a source can be exactly-once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExactlyOnce {
    /// Its offsets say exactly where to go on: no record is given twice.
    Supported,
    /// It may repeat records after a restart.
    Unsupported,
}
