//! Who in an application runs which task: the assignor of the consumer group, with Kafka Streams' own bytes.
//!
//! ```text
//! member joins ─► subscription_info.rs ─► leader: assignor.rs ─► balance.rs ─► assignment_info.rs ─► every member
//! ```
//! Members of one application may be programs of ours and of Java's: they agree on the strategy named `stream` and read
//! each other's bytes, versions 1 to 11.
mod assignment_info;
mod assignor;
mod balance;
mod bytes_in;
mod subscription_info;

pub(crate) use assignor::{MemberState, StreamsPartitionAssignor, SubTopologyTopics};
pub(crate) use subscription_info::OffsetSum;

#[cfg(test)]
mod tests;
