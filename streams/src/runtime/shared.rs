//! What the workers of an application share, and what they are told.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use courant_client::Kafka;
use courant_protocol::types::{TopicName, TopicPartition};
use courant_runtime::watch;
use tokio::sync::oneshot;

use super::config::StreamsSettings;
use super::error::Error;
use super::states::State;
use super::topics::topic_of;
use crate::assignment::{MemberState, OffsetSum, SubTopologyTopics};
use crate::operator::ProcessError;
use crate::state::{StateDirectory, StoreLayout, StoreShape, Stores};
use crate::task::{ErrorHandlers, StreamTask, TaskId, TaskPlan, TaskSource};
use crate::topology::{OffsetReset, SourceTopic, StoreKind, SubTopology, Topology, internal_topic};

/// One application in one process.
pub(super) struct Shared {
    pub(super) application_id: String,
    pub(super) kafka: Kafka,
    pub(super) topology: Topology,
    pub(super) settings: StreamsSettings,
    pub(super) handlers: Arc<ErrorHandlers>,
    pub(super) directory: StateDirectory,
    pub(super) process: [u8; 16],
    state: watch::Sender<State>,
    workers: Mutex<Workers>,
}

/// How the workers fare.
#[derive(Default)]
struct Workers {
    running: Vec<bool>,
    failure: Option<Error>,
}

/// What an application tells a worker.
pub(super) enum Command {
    /// End: commit, close everything, by this time.
    Close(Instant),
    /// Tell what a store holds: key, window start and value, of every task here.
    ReadStore(String, oneshot::Sender<Vec<StoreEntry>>),
    /// Commit, then tell how many records of each of the worker's partitions are not processed.
    Lag(oneshot::Sender<PartitionLags>),
    /// Tell how many records of partitions that are not here are not committed.
    LagElsewhere(Vec<TopicPartition>, oneshot::Sender<u64>),
}

/// How many records of partitions are not processed.
pub(super) type PartitionLags = BTreeMap<TopicPartition, u64>;

/// An entry of a store, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreEntry {
    pub(crate) key: Bytes,
    /// The start of its window, in a window store.
    pub(crate) window_start: Option<i64>,
    pub(crate) value: Bytes,
    pub(crate) timestamp: i64,
}

impl Shared {
    pub(super) fn new(
        application_id: String,
        kafka: Kafka,
        topology: Topology,
        settings: StreamsSettings,
        handlers: ErrorHandlers,
    ) -> Self {
        let mut rng = kafka.world().rng("courant-streams/process");
        let process = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        let workers = Workers { running: vec![false; settings.workers], failure: None };
        Self {
            application_id,
            kafka,
            topology,
            settings,
            handlers: Arc::new(handlers),
            directory: StateDirectory::default(),
            process: process.to_be_bytes(),
            state: watch::Sender::new(State::Created),
            workers: Mutex::new(workers),
        }
    }

    /// What a member of the group needs to know of the sub-topologies.
    pub(super) fn sub_topology_topics(&self) -> Vec<SubTopologyTopics> {
        let of = |of: &SubTopology| SubTopologyTopics {
            id: i32::try_from(of.id).unwrap_or(i32::MAX),
            topics: of.sources.iter().map(|source| TopicName::from(self.topic(source))).collect(),
            has_state: !of.stores.is_empty(),
        };
        self.topology.sub_topologies().iter().map(of).collect()
    }

    /// All topics that are read.
    pub(super) fn topics(&self) -> Vec<TopicName> {
        let mut topics: Vec<TopicName> =
            self.sub_topology_topics().into_iter().flat_map(|of| of.topics).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    fn topic(&self, source: &SourceTopic) -> String {
        topic_of(source, &self.application_id)
    }

    /// Which source reads a topic, and in which sub-topology.
    fn source(&self, topic: &str) -> Option<(&SubTopology, &SourceTopic)> {
        let reads = |of: &'_ SubTopology| of.sources.iter().position(|source| self.topic(source) == topic);
        self.topology.sub_topologies().iter().find_map(|of| Some((of, of.sources.get(reads(of)?)?)))
    }

    /// The task that reads a partition.
    pub(super) fn task_of(&self, partition: &TopicPartition) -> Option<TaskId> {
        let (of, _) = self.source(&partition.topic)?;
        Some(TaskId {
            sub_topology: i32::try_from(of.id).unwrap_or(i32::MAX),
            partition: partition.partition.0,
        })
    }

    /// Where a topic is read from without a committed offset, if not as the application says.
    pub(super) fn reset_of(&self, topic: &str) -> Option<OffsetReset> {
        self.source(topic)?.1.reset
    }

    /// Whether a topic is a repartition topic of the application.
    pub(super) fn is_internal(&self, topic: &str) -> bool {
        self.source(topic).is_some_and(|(_, source)| source.internal)
    }

    /// Makes a task that reads these partitions, over whatever state of it is here.
    pub(super) fn task(&self, id: TaskId, partitions: &[TopicPartition]) -> Result<StreamTask, ProcessError> {
        let of = self.topology.sub_topologies().iter().find(|of| i32::try_from(of.id) == Ok(id.sub_topology));
        let of =
            of.ok_or_else(|| ProcessError::internal(format!("there is no sub-topology for task {id}")))?;
        let mut sources = BTreeMap::new();
        for partition in partitions {
            let Some((_, source)) = self.source(&partition.topic) else { continue };
            let source = TaskSource { source: source.source, timestamp: source.timestamp.clone() };
            sources.insert(partition.clone(), source);
        }
        let layouts = of.stores.iter().map(|store| StoreLayout {
            name: store.name.clone(),
            shape: match store.kind {
                StoreKind::KeyValue => StoreShape::KeyValue,
                StoreKind::Window { retention_ms, .. } => StoreShape::Window { retention_ms },
            },
            changelog: store.logging.as_ref().map(|_| TopicName::from(store.changelog(&self.application_id))),
        });
        let sinks = of.sinks.iter().map(|sink| match sink.internal {
            true => TopicName::from(internal_topic(&self.application_id, &sink.name)),
            false => TopicName::from(&sink.name),
        });
        Ok(StreamTask::new(TaskPlan {
            id,
            graph: of.wire(&self.application_id)?,
            sources,
            sinks: sinks.collect(),
            stores: Stores::new(layouts.collect(), self.directory.take(id)),
            handlers: Arc::clone(&self.handlers),
        }))
    }

    /// What a worker tells the group: which tasks it runs, and of which state is here.
    pub(super) fn tell_member_state(&self, member: &MemberState, running: impl Iterator<Item = TaskId>) {
        let waiting = self.directory.tasks().into_iter().map(|task| (task, self.directory.offset_sum(task)));
        let mut tasks: BTreeMap<TaskId, OffsetSum> =
            waiting.map(|(task, sum)| (task, sum.map_or(OffsetSum::Unknown, OffsetSum::Upto))).collect();
        tasks.extend(running.map(|task| (task, OffsetSum::Running)));
        member.set(tasks);
    }

    /// The state, and its changes.
    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// A worker runs all of its tasks, or does not.
    pub(super) fn worker_runs(&self, worker: usize, runs: bool) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = workers.running.get_mut(worker) {
            *state = runs;
        }
        let state =
            if workers.running.iter().all(|runs| *runs) { State::Running } else { State::Rebalancing };
        self.go_to(state);
    }

    /// Goes to a state, unless the application is ending and the state is one of a running one.
    pub(super) fn go_to(&self, next: State) {
        self.state.send_if_modified(|state| {
            let allowed = match next {
                State::PendingShutdown => *state < State::PendingShutdown,
                State::PendingError => !state.has_ended(),
                State::NotRunning => *state == State::PendingShutdown,
                State::Error => *state == State::PendingError,
                _ => *state < State::PendingShutdown,
            };
            let changes = allowed && *state != next;
            if changes {
                tracing::info!(target: "courant::streams", application = %self.application_id, from = %state, to = %next, "state changes");
                *state = next;
            }
            changes
        });
    }

    /// A worker failed. The first failure is kept.
    pub(super) fn fail(&self, error: Error) {
        tracing::error!(target: "courant::streams", application = %self.application_id, %error, "a worker failed");
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).failure.get_or_insert(error);
        self.go_to(State::PendingError);
    }

    /// Why the application failed, if it did.
    pub(super) fn failure(&self) -> Option<Error> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).failure.clone()
    }
}
