//! What can be seen of a running connector: states, progress, the error it failed with.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::watch;

use crate::embedded::settings::ConnectorKind;
use crate::error::Error;

/// The state of a connector or a task, in Connect's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// It has not begun.
    #[default]
    Unassigned,
    /// It runs.
    Running,
    /// It holds still, and keeps its place.
    Paused,
    /// It was stopped and has released what it held.
    Stopped,
    /// It has ended with an error.
    Failed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        })
    }
}

/// A connector and its tasks, as they stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectorStatus {
    /// What it is called.
    pub name: String,
    /// Which way its records go.
    pub kind: ConnectorKind,
    /// Its tasks, by number.
    pub tasks: Vec<TaskStatus>,
}

impl ConnectorStatus {
    /// [`State::Failed`] if a task has failed, else the least advanced state of its tasks.
    pub fn state(&self) -> State {
        match self.tasks.iter().any(|task| task.state == State::Failed) {
            true => State::Failed,
            false => self.tasks.iter().map(|task| task.state).min().unwrap_or(State::Stopped),
        }
    }

    /// The error that a task failed with.
    pub fn error(&self) -> Option<&Error> {
        self.tasks.iter().find_map(|task| task.error.as_ref())
    }

    /// The progress of all tasks together, since the connector was started.
    pub fn progress(&self) -> Progress {
        let caught_up = !self.tasks.is_empty() && self.tasks.iter().all(|task| task.progress.caught_up);
        let mut sum = Progress { caught_up, ..Progress::default() };
        for task in &self.tasks {
            sum.add(&task.progress);
        }
        sum
    }
}

/// A task, as it stands.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TaskStatus {
    /// Its number, from 0.
    pub task: usize,
    /// Its state.
    pub state: State,
    /// What it failed with.
    pub error: Option<Error>,
    /// What keeps it from going on at the moment; it tries again.
    pub retrying: Option<Error>,
    /// What it has done since it was started.
    pub progress: Progress,
}

/// What a task, or all tasks of a connector, have done since the start.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Of a source: records and bad inputs that were read. Of a sink: records that were taken from the topics.
    pub read: u64,
    /// Of a source: records that Kafka has acknowledged. Of a sink: records that the sink has accepted.
    pub written: u64,
    /// Records that a transform left out.
    pub dropped: u64,
    /// Records that were bad and passed over, with a dead letter where there is a topic for them.
    pub passed_over: u64,
    /// Of a source: its input has ended for now, and everything from it is safe and stored. Of a sink: everything that it
    /// was given is durable and committed.
    pub caught_up: bool,
    /// The partitions in Kafka that were written to or read from.
    pub partitions: BTreeMap<TopicPartition, PartitionProgress>,
}

/// What was done in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionProgress {
    /// How many records were written to it, or read from it.
    pub records: u64,
    /// The offset of the first of them, if it is known.
    pub first: Option<Offset>,
    /// The offset behind the last of them, if it is known.
    pub next: Option<Offset>,
    /// Of a sink: what the group has committed, the offset of the next record to read.
    pub committed: Option<Offset>,
}

impl PartitionProgress {
    pub(crate) fn note(&mut self, offset: Offset) {
        self.records += 1;
        // A broker that found a retried record in its log does not always say where.
        if offset.is_some() {
            let next = Offset(offset.0.saturating_add(1));
            self.first = Some(self.first.map_or(offset, |first| first.min(offset)));
            self.next = Some(self.next.map_or(next, |seen| seen.max(next)));
        }
    }

    fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.next = [self.next, other.next].into_iter().flatten().max();
        self.committed = [self.committed, other.committed].into_iter().flatten().max();
    }
}

impl Progress {
    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.written += other.written;
        self.dropped += other.dropped;
        self.passed_over += other.passed_over;
        for (partition, progress) in &other.partitions {
            self.partitions.entry(partition.clone()).or_default().add(progress);
        }
    }
}

/// Where a task says how it stands: its place in the status of its connector.
#[derive(Clone)]
pub(crate) struct StatusCell {
    connector: Arc<watch::Sender<ConnectorStatus>>,
    task: usize,
}

impl StatusCell {
    pub(crate) fn new(connector: Arc<watch::Sender<ConnectorStatus>>, task: usize) -> Self {
        Self { connector, task }
    }

    /// Says how far the task has come.
    pub(crate) fn publish(&self, state: State, progress: &Progress) {
        self.change(|status| {
            let changed = status.state != state || status.progress != *progress;
            if changed {
                status.state = state;
                status.progress.clone_from(progress);
            }
            changed
        });
    }

    /// Says that the task tries again, or does not any more.
    pub(crate) fn retrying(&self, error: Option<Error>) {
        self.change(|status| {
            let changed = status.retrying.is_some() || error.is_some();
            status.retrying = error;
            changed
        });
    }

    /// Says how the task has ended.
    pub(crate) fn ended(&self, error: Option<Error>) {
        self.change(|status| {
            status.state = if error.is_some() { State::Failed } else { State::Stopped };
            status.error = error;
            status.retrying = None;
            true
        });
    }

    fn change(&self, change: impl FnOnce(&mut TaskStatus) -> bool) {
        self.connector.send_if_modified(|status| status.tasks.get_mut(self.task).is_some_and(change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(state: State, caught_up: bool, records: u64) -> TaskStatus {
        let mut progress = Progress { caught_up, read: records, ..Default::default() };
        let partition = progress.partitions.entry(TopicPartition::new("t", 0)).or_default();
        (0..records).for_each(|offset| partition.note(Offset(offset as i64)));
        TaskStatus { state, progress, ..Default::default() }
    }

    fn connector(tasks: Vec<TaskStatus>) -> ConnectorStatus {
        ConnectorStatus { name: "c".into(), kind: ConnectorKind::Source, tasks }
    }

    #[test]
    fn a_connector_has_failed_if_a_task_has_and_runs_once_all_do() {
        let states =
            |states: &[State]| connector(states.iter().map(|state| task(*state, true, 1)).collect()).state();
        assert_eq!(states(&[State::Running, State::Failed]), State::Failed);
        assert_eq!(states(&[State::Running, State::Unassigned]), State::Unassigned);
        assert_eq!(states(&[State::Running, State::Running]), State::Running);
        assert_eq!(states(&[]), State::Stopped);
    }

    #[test]
    fn progress_adds_up_and_has_caught_up_once_every_task_has() {
        let status = connector(vec![task(State::Running, true, 2), task(State::Running, false, 3)]);
        let progress = status.progress();
        assert_eq!((progress.read, progress.caught_up), (5, false));
        let partition = &progress.partitions[&TopicPartition::new("t", 0)];
        assert_eq!(
            (partition.records, partition.first, partition.next),
            (5, Some(Offset(0)), Some(Offset(3)))
        );
    }
}
