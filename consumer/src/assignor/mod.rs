//! Who in a group reads which partition: the strategies that the leader of a group computes assignments with.
//!
//! An assignor is a pure function of what the members said when they joined ([`GroupMember`]) and of the topics that they
//! want ([`GroupCluster`]). Kafka's four are the variants of [`Assignor`]; anything else that implements
//! [`PartitionAssignor`] can stand in their place. A group uses the first strategy that all of its members name.
//!
//! | name | protocol | what it does |
//! |---|---|---|
//! | `range` | eager | per topic, a range of partitions for each member; same-numbered partitions of topics stay together |
//! | `roundrobin` | eager | all partitions of all topics, dealt out one by one |
//! | `sticky` | eager | as balanced as can be, and as close as can be to what was before |
//! | `cooperative-sticky` | cooperative | the same; a partition changes hands only after its owner has let go of it (KIP-429) |
mod built_in;
mod cooperative_sticky;
mod error;
mod group;
mod java_order;
mod partition_assignor;
mod range;
mod round_robin;
mod sticky;

pub use built_in::{Assignor, UnknownAssignor};
pub use cooperative_sticky::check_cooperative;
pub use courant_protocol::embedded::{Assignment, Subscription};
pub use error::AssignError;
pub use group::{GroupCluster, GroupMember};
pub use partition_assignor::{GroupAssignment, LastAssignment, PartitionAssignor, RebalanceProtocol};
