//! Kafka's own assignors.
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use courant_protocol::types::TopicName;

use super::{
    AssignError, GroupAssignment, GroupCluster, GroupMember, LastAssignment, PartitionAssignor,
    RebalanceProtocol, cooperative_sticky, range, round_robin, sticky,
};

/// Kafka's own assignors. They hold no state, and give what Java's classes of the same names give.
///
/// A name is parsed from what `partition.assignment.strategy` may say: the name on the wire or Java's class.
///
/// ```
/// use courant_consumer::assignor::{Assignor, PartitionAssignor};
///
/// let assignor: Assignor = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor".parse()?;
/// assert_eq!(assignor, Assignor::CooperativeSticky);
/// assert_eq!(assignor.name(), "cooperative-sticky");
/// # Ok::<(), courant_consumer::assignor::UnknownAssignor>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Assignor {
    /// Per topic, a range of partitions for each member. Topics with equally many partitions and the same members are
    /// divided alike, so that one member gets the same partitions of all of them; racks are matched where they are known
    /// (KIP-881).
    Range,
    /// All partitions of all topics, dealt out one by one.
    RoundRobin,
    /// As balanced as can be, and as close as can be to the assignment before (KIP-54).
    Sticky,
    /// As [`Self::Sticky`], and members keep reading while the group rebalances (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    /// What a consumer offers unless told otherwise, as in Java: a group runs on `range` as long as some member knows
    /// nothing else, and can be moved to `cooperative-sticky` member by member.
    pub const DEFAULT: [Self; 2] = [Self::Range, Self::CooperativeSticky];

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Range, Self::RoundRobin, Self::Sticky, Self::CooperativeSticky];

    fn wire_name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    fn class_name(self) -> &'static str {
        match self {
            Self::Range => "org.apache.kafka.clients.consumer.RangeAssignor",
            Self::RoundRobin => "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            Self::Sticky => "org.apache.kafka.clients.consumer.StickyAssignor",
            Self::CooperativeSticky => "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        }
    }
}

impl PartitionAssignor for Assignor {
    fn name(&self) -> &str {
        self.wire_name()
    }

    fn rebalance_protocols(&self) -> &[RebalanceProtocol] {
        match self {
            Self::CooperativeSticky => &[RebalanceProtocol::Cooperative, RebalanceProtocol::Eager],
            _ => &[RebalanceProtocol::Eager],
        }
    }

    fn user_data(&self, _topics: &BTreeSet<TopicName>, last: Option<&LastAssignment>) -> Option<Bytes> {
        match self {
            Self::Range | Self::RoundRobin => None,
            Self::Sticky => last.and_then(sticky::user_data),
            Self::CooperativeSticky => Some(cooperative_sticky::user_data(last)),
        }
    }

    fn assign(
        &self,
        cluster: &GroupCluster,
        members: &[GroupMember],
    ) -> Result<GroupAssignment, AssignError> {
        Ok(match self {
            Self::Range => range::assign(cluster, members),
            Self::RoundRobin => round_robin::assign(cluster, members),
            Self::Sticky => sticky::assign(cluster, members),
            Self::CooperativeSticky => cooperative_sticky::assign(cluster, members),
        })
    }
}

impl fmt::Display for Assignor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire_name())
    }
}

impl FromStr for Assignor {
    type Err = UnknownAssignor;

    fn from_str(text: &str) -> Result<Self, UnknownAssignor> {
        let known =
            Self::ALL.into_iter().find(|known| text == known.wire_name() || text == known.class_name());
        known.ok_or_else(|| UnknownAssignor(text.to_owned()))
    }
}

/// A name that is none of Kafka's assignors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAssignor(String);

impl fmt::Display for UnknownAssignor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Assignor::ALL.map(Assignor::wire_name).join(", ");
        write!(f, "unknown assignor {:?}: Kafka's are {names}, or their Java classes", self.0)
    }
}

impl std::error::Error for UnknownAssignor {}
