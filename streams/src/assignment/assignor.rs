//! The assignor that stream members of a group agree on.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicI8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use courant_consumer::assignor::{
    AssignError, Assignment, GroupAssignment, GroupCluster, GroupMember, LastAssignment, PartitionAssignor,
    RebalanceProtocol,
};
use courant_protocol::types::{TopicName, TopicPartition};

use super::assignment_info::AssignmentInfo;
use super::balance::{Candidate, balance};
use super::bytes_in::LATEST_VERSION;
use super::subscription_info::{OffsetSum, SubscriptionInfo};
use crate::task::TaskId;

/// What a sub-topology reads, and whether it keeps state: all that an assignment needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubTopologyTopics {
    /// The sub-topology's number.
    pub(crate) id: i32,
    /// The topics of its sources, by their names on the cluster.
    pub(crate) topics: Vec<TopicName>,
    /// Whether it has stores.
    pub(crate) has_state: bool,
}

/// What a member tells of itself when it joins; the worker keeps it up to date.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemberState(Arc<Mutex<BTreeMap<TaskId, OffsetSum>>>);

impl MemberState {
    /// Replaces what is told.
    pub(crate) fn set(&self, tasks: BTreeMap<TaskId, OffsetSum>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
    }

    fn tasks(&self) -> BTreeMap<TaskId, OffsetSum> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Kafka Streams' strategy, by the name `stream`: members get whole tasks, the partitions that a task reads.
///
/// A task changes hands only after its owner has let go of it (KIP-429): in the round before, nobody gets it.
pub(crate) struct StreamsPartitionAssignor {
    sub_topologies: Vec<SubTopologyTopics>,
    process: [u8; 16],
    state: MemberState,
    unique: AtomicI8,
}

impl StreamsPartitionAssignor {
    /// The assignor of a worker in a process.
    pub(crate) fn new(sub_topologies: Vec<SubTopologyTopics>, process: [u8; 16], state: MemberState) -> Self {
        Self { sub_topologies, process, state, unique: AtomicI8::new(0) }
    }

    /// The partitions of every task.
    fn tasks(&self, cluster: &GroupCluster) -> BTreeMap<TaskId, Vec<TopicPartition>> {
        let mut tasks: BTreeMap<TaskId, Vec<TopicPartition>> = BTreeMap::new();
        for sub_topology in &self.sub_topologies {
            for topic in &sub_topology.topics {
                for partition in 0..i32::try_from(cluster.partitions(topic)).unwrap_or(i32::MAX) {
                    let task = TaskId { sub_topology: sub_topology.id, partition };
                    tasks.entry(task).or_default().push((topic, partition).into());
                }
            }
        }
        tasks
    }

    fn has_state(&self, task: TaskId) -> bool {
        self.sub_topologies.iter().any(|of| of.id == task.sub_topology && of.has_state)
    }
}

impl PartitionAssignor for StreamsPartitionAssignor {
    fn name(&self) -> &str {
        "stream"
    }

    fn rebalance_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Eager, RebalanceProtocol::Cooperative]
    }

    fn user_data(&self, _topics: &BTreeSet<TopicName>, _last: Option<&LastAssignment>) -> Option<Bytes> {
        let unique = self.unique.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        Some(SubscriptionInfo::new(self.process, self.state.tasks(), unique).encode())
    }

    fn assign(
        &self,
        cluster: &GroupCluster,
        members: &[GroupMember],
    ) -> Result<GroupAssignment, AssignError> {
        let tasks = self.tasks(cluster);
        let round = Round::new(members, &tasks)?;
        let (stateful, stateless) = tasks.keys().partition(|task| self.has_state(**task));
        let given = balance(&stateful, &stateless, &round.candidates);
        Ok(given.into_iter().map(|(id, given)| round.assignment(id, &given, &tasks)).collect())
    }

    fn on_assignment(&self, assignment: &Assignment, _generation: i32) {
        heed(assignment);
    }
}

/// What a member's leader has to say against it.
fn heed(assignment: &Assignment) {
    match AssignmentInfo::decode(assignment.user_data.as_deref().unwrap_or_default()) {
        Ok(AssignmentInfo { error: 0, .. }) => {}
        Ok(AssignmentInfo { error, .. }) => {
            tracing::error!(target: "courant::streams", error, "the leader of the group could not divide the tasks");
        }
        // The partitions say all that is needed; the tasks follow from them.
        Err(malformed) => {
            tracing::warn!(target: "courant::streams", %malformed, "the leader of the group says what no stream leader says");
        }
    }
}

impl fmt::Debug for StreamsPartitionAssignor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamsPartitionAssignor").finish_non_exhaustive()
    }
}

/// What the leader knows of the members in one round.
struct Round {
    candidates: BTreeMap<String, Candidate>,
    /// Who holds which partition.
    owners: BTreeMap<TopicPartition, String>,
    /// The newest version that every member reads.
    version: i32,
}

impl Round {
    fn new(
        members: &[GroupMember],
        tasks: &BTreeMap<TaskId, Vec<TopicPartition>>,
    ) -> Result<Self, AssignError> {
        let mut infos = BTreeMap::new();
        for member in members {
            let data = member.subscription.user_data.clone().unwrap_or_default();
            let info = SubscriptionInfo::decode(&data).map_err(|malformed| {
                let text = format!("member {} says what no stream member says", member.member_id);
                AssignError::new(text).with_source(malformed)
            })?;
            infos.insert(member.member_id.clone(), info);
        }
        // A member that is newer than us names the newest version that it and we know in its next round.
        let version =
            infos.values().map(|info| info.version).min().unwrap_or(LATEST_VERSION).min(LATEST_VERSION);
        let owners = owners(members);
        let mut shared: BTreeMap<[u8; 16], BTreeMap<TaskId, OffsetSum>> = BTreeMap::new();
        for info in infos.values() {
            shared.entry(info.process).or_default().extend(&info.tasks);
        }
        let candidate = |(id, info): (String, SubscriptionInfo)| {
            let holds = |partitions: &Vec<TopicPartition>| {
                !partitions.is_empty()
                    && partitions.iter().all(|partition| owners.get(partition) == Some(&id))
            };
            let running =
                tasks.iter().filter(|(_, partitions)| holds(partitions)).map(|(task, _)| *task).collect();
            let state = shared.get(&info.process).cloned().unwrap_or_default();
            (id, Candidate { running, state })
        };
        let candidates = infos.into_iter().map(candidate).collect();
        Ok(Self { candidates, owners, version })
    }

    /// What a member gets: its tasks, but for those that somebody else has not let go of.
    fn assignment(
        &self,
        id: String,
        given: &BTreeSet<TaskId>,
        tasks: &BTreeMap<TaskId, Vec<TopicPartition>>,
    ) -> (String, Assignment) {
        let is_free =
            |partition: &TopicPartition| self.owners.get(partition).is_none_or(|owner| *owner == id);
        let of = |task: &TaskId| tasks.get(task).map(Vec::as_slice).unwrap_or_default();
        let (now, later): (Vec<&TaskId>, Vec<&TaskId>) =
            given.iter().partition(|task| of(task).iter().all(is_free));
        let mut pairs: Vec<(TopicPartition, TaskId)> = now
            .into_iter()
            .flat_map(|task| of(task).iter().map(|partition| (partition.clone(), *task)))
            .collect();
        // In the order of the partitions, so that the reader finds the task of each (`PARTITION_COMPARATOR`).
        pairs.sort();
        let (partitions, active) = pairs.into_iter().unzip();
        let mut info = AssignmentInfo::new(self.version, active);
        if !later.is_empty() {
            info.next_rebalance_ms = 0;
        }
        (id, Assignment { partitions, user_data: Some(info.encode()) })
    }
}

/// Who holds which partition: of two that claim one, the one of the younger generation; of the same one, nobody.
fn owners(members: &[GroupMember]) -> BTreeMap<TopicPartition, String> {
    let mut claims: BTreeMap<&TopicPartition, (i32, Option<&str>)> = BTreeMap::new();
    for member in members {
        let generation = member.subscription.generation.unwrap_or(-1);
        for partition in &member.subscription.owned {
            let claim = claims.entry(partition).or_insert((i32::MIN, None));
            match generation.cmp(&claim.0) {
                std::cmp::Ordering::Greater => *claim = (generation, Some(&member.member_id)),
                std::cmp::Ordering::Equal => claim.1 = None,
                std::cmp::Ordering::Less => {}
            }
        }
    }
    let owned =
        claims.into_iter().filter_map(|(partition, (_, id))| Some((partition.clone(), id?.to_owned())));
    owned.collect()
}

#[cfg(test)]
mod tests;
