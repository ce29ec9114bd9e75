//! What an assignor is.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use courant_protocol::types::TopicName;

use super::{AssignError, Assignment, GroupCluster, GroupMember};

/// What each member of a group gets, by member id.
pub type GroupAssignment = BTreeMap<String, Assignment>;

/// How members give up partitions when a group rebalances (KIP-429).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebalanceProtocol {
    /// Every member gives up all of its partitions before it joins again.
    Eager,
    /// A member keeps its partitions while it joins, and gives up only those that are to go to somebody else.
    Cooperative,
}

/// What a member got in the last round that its assignor took part in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAssignment {
    /// What the leader gave to the member.
    pub assignment: Assignment,
    /// The generation of the group in that round.
    pub generation: i32,
}

/// A strategy that divides the partitions of a group's topics among its members (Java's `ConsumerPartitionAssignor`).
///
/// Every member offers the names of its assignors when it joins; the coordinator picks one that all of them have, and
/// names a leader, whose assignor then computes the assignment of everybody.
pub trait PartitionAssignor: fmt::Debug + Send + Sync + 'static {
    /// The name under which members agree on this strategy.
    fn name(&self) -> &str;

    /// The protocols that the strategy can be used with; a consumer uses the last one, in the order of
    /// [`RebalanceProtocol`], that all of its assignors can be used with.
    fn rebalance_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Eager]
    }

    /// The version of the user data; Kafka's own strategies leave it at 0.
    fn version(&self) -> i16 {
        0
    }

    /// What this member wants to tell the leader's assignor when it joins for `topics`. It is asked under the consumer's
    /// lock: it must not wait, and not call the consumer.
    fn user_data(&self, topics: &BTreeSet<TopicName>, last: Option<&LastAssignment>) -> Option<Bytes> {
        let _ = (topics, last);
        None
    }

    /// Divides the partitions; only the leader of a group is asked. Each of `members` must get an entry.
    ///
    /// # Errors
    /// When there is no assignment that the strategy could give.
    fn assign(&self, cluster: &GroupCluster, members: &[GroupMember])
    -> Result<GroupAssignment, AssignError>;

    /// Hears what this member got, before its partitions are read from.
    fn on_assignment(&self, assignment: &Assignment, generation: i32) {
        let _ = (assignment, generation);
    }
}
