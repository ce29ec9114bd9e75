//! What connectors and tasks may ask of the worker.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use courant_protocol::types::{Offset, TopicPartition, UnixMillis};
use courant_runtime::{BlockingTask, World, watch};

use crate::error::{Error, ErrorKind, Result};

/// What a connector knows of the worker.
#[derive(Clone)]
pub struct ConnectorContext {
    name: Arc<str>,
    world: World,
    replan: Arc<watch::Sender<u64>>,
}

impl ConnectorContext {
    pub(crate) fn new(name: impl Into<Arc<str>>, world: World, replan: Arc<watch::Sender<u64>>) -> Self {
        Self { name: name.into(), world, replan }
    }

    /// What the connector is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for [`Source::plan`](crate::Source::plan) to be called again, because the outside world has changed.
    pub fn replan(&self) {
        self.replan.send_if_modified(|asked| {
            *asked += 1;
            true
        });
    }

    /// Waits, by the worker's clock: tests turn it by hand.
    ///
    /// # Cancel safety
    /// Nothing happens in a dropped future.
    pub async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }

    /// The time, by the worker's clock.
    pub fn now(&self) -> UnixMillis {
        self.world.unix_millis()
    }

    /// Runs work that blocks (file systems, drivers without async) beside the async tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Panic`] if the work panics.
    ///
    /// # Cancel safety
    /// When the future is dropped, the work runs on and its result is lost.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let task: BlockingTask<T> = self.world.spawn_blocking(work);
        task.await.map_err(|error| Error::new(ErrorKind::Panic, "blocking work did not end").because(error))
    }
}

impl fmt::Debug for ConnectorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorContext").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The offsets that were stored for a source, by what was read.
pub type SourceOffsets<P, O> = BTreeMap<P, O>;

/// What a source task knows of the worker, and the offsets it goes on from.
#[derive(Clone, Debug)]
pub struct SourceContext<P, O> {
    connector: ConnectorContext,
    task: usize,
    offsets: SourceOffsets<P, O>,
}

impl<P: Ord, O> SourceContext<P, O> {
    pub(crate) fn new(connector: ConnectorContext, task: usize, offsets: SourceOffsets<P, O>) -> Self {
        Self { connector, task, offsets }
    }

    /// The connector's context: its name, the clock, blocking work.
    pub fn connector(&self) -> &ConnectorContext {
        &self.connector
    }

    /// The number of this task, from 0.
    pub fn task(&self) -> usize {
        self.task
    }

    /// From where to go on in this partition; `None` if nothing was stored.
    pub fn offset(&self, partition: &P) -> Option<&O> {
        self.offsets.get(partition)
    }

    /// Everything that was stored for the connector.
    pub fn offsets(&self) -> &SourceOffsets<P, O> {
        &self.offsets
    }
}

/// What a sink task knows of the worker, and what it may ask of it.
#[derive(Clone, Debug)]
pub struct SinkContext {
    connector: ConnectorContext,
    task: usize,
    commands: SinkCommands,
}

/// What a sink task has asked for since the worker last looked.
#[derive(Clone, Debug, Default)]
pub(crate) struct SinkCommands(Arc<Mutex<Vec<SinkCommand>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SinkCommand {
    Rewind(TopicPartition, Offset),
    Pause(Vec<TopicPartition>),
    Resume(Vec<TopicPartition>),
    Commit,
}

impl SinkCommands {
    pub(crate) fn push(&self, command: SinkCommand) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(command);
    }

    pub(crate) fn take(&self) -> Vec<SinkCommand> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SinkContext {
    pub(crate) fn new(connector: ConnectorContext, task: usize, commands: SinkCommands) -> Self {
        Self { connector, task, commands }
    }

    /// The connector's context: its name, the clock, blocking work.
    pub fn connector(&self) -> &ConnectorContext {
        &self.connector
    }

    /// The number of this task, from 0.
    pub fn task(&self) -> usize {
        self.task
    }

    /// Goes on from another offset in this partition, once the present call returns.
    pub fn rewind(&self, partition: impl Into<TopicPartition>, offset: impl Into<Offset>) {
        self.commands.push(SinkCommand::Rewind(partition.into(), offset.into()));
    }

    /// Gives no more records of these partitions until [`SinkContext::resume`], once the present call returns.
    pub fn pause(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        self.commands.push(SinkCommand::Pause(partitions.into_iter().collect()));
    }

    /// Gives records of these partitions again.
    pub fn resume(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        self.commands.push(SinkCommand::Resume(partitions.into_iter().collect()));
    }

    /// Asks for a flush and a commit as soon as the present call returns, not only at the next interval.
    pub fn request_commit(&self) {
        self.commands.push(SinkCommand::Commit);
    }
}
