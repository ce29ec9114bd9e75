//! A worker's commit: records on the brokers, then offsets at the group's coordinator, then the engines.
use std::collections::BTreeMap;
use std::time::Duration;

use courant_consumer::{ErrorKind, OffsetAndMetadata};
use courant_protocol::types::TopicPartition;

use super::error::Error;
use super::outbox::Logged;
use super::worker::Worker;
use crate::task::{Committable, StreamTask, TaskId};

impl Worker {
    /// Commits what all tasks have processed; says whether it is committed, or the group rebalances and it has to wait.
    ///
    /// The order is what at-least-once rests on: an offset is committed only when everything that came of the records
    /// before it is on the brokers, and an engine holds only what is committed. Whatever fails, what lies behind the last
    /// offset is processed again.
    pub(super) async fn commit(&mut self) -> Result<bool, Error> {
        self.flush().await?;
        let offsets: BTreeMap<TopicPartition, Committable> =
            self.tasks.values().flat_map(StreamTask::committable).collect();
        self.committed_at = self.now();
        if offsets.is_empty() {
            return Ok(true);
        }
        if !self.commit_offsets(&offsets).await? {
            self.retry_commit_soon();
            return Ok(false);
        }
        for (partition, committable) in offsets {
            self.committed.insert(partition, committable.offset);
        }
        self.tasks.values_mut().try_for_each(StreamTask::committed)?;
        self.is_behind = false;
        Ok(true)
    }

    /// Waits until everything that tasks have written is on the brokers.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        self.send_outgoing().await?;
        let Self { outbox, tasks, .. } = self;
        outbox.flush(|logged| note(tasks, logged)).await
    }

    /// Commits offsets; tries again while brokers do not answer, up to `task.timeout.ms`.
    async fn commit_offsets(
        &mut self,
        offsets: &BTreeMap<TopicPartition, Committable>,
    ) -> Result<bool, Error> {
        let deadline = self.now() + self.shared.settings.task_timeout;
        loop {
            let offsets = offsets.iter().map(|(partition, committable)| {
                let Committable { offset, leader_epoch, metadata } = committable.clone();
                (partition.clone(), OffsetAndMetadata { offset, leader_epoch, metadata })
            });
            let error = match self.consumer.commit_offsets(offsets).await {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            match error.kind() {
                // The group goes on without this member, or will tell it in a moment what it has lost.
                ErrorKind::CommitFailed | ErrorKind::RebalanceInProgress => {
                    tracing::warn!(target: "courant::streams", worker = self.number, %error, "offsets are not committed");
                    return Ok(false);
                }
                _ if error.is_retriable() && self.now() < deadline => {
                    tracing::warn!(target: "courant::streams", worker = self.number, %error, "offsets are committed later");
                }
                _ => return Err(error.into()),
            }
        }
    }
}

/// A changelog has a record: its store's checkpoint may go on behind it.
pub(super) fn note(tasks: &mut BTreeMap<TaskId, StreamTask>, logged: Logged) {
    if let Some(task) = tasks.get_mut(&logged.task) {
        task.stores_mut().logged(logged.store, logged.offset);
    }
}

/// How long a commit waits that met a rebalance.
pub(super) const COMMIT_BACKOFF: Duration = Duration::from_millis(100);
