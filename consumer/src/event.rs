//! What a consumer has to say: records, and changes of what it owns.
use courant_protocol::types::TopicPartition;

use crate::record::Batch;

/// The next thing that happened; made by [`Consumer::next_event`](crate::Consumer::next_event).
///
/// Changes of the assignment stand between batches, so whoever handles them cannot be in the middle of a batch, and
/// nothing waits for anything else: heartbeats and joins go on in the background.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Records of one or more partitions.
    Batch(Batch),
    /// These partitions are now this member's as well; there may be none, which says that the group has rebalanced and
    /// this member got nothing new. Records of them come with later events, so a seek made now holds.
    Assigned(Vec<TopicPartition>),
    /// These partitions will go to other members. They are still this member's until the next event is asked for: offsets
    /// can be committed for them.
    Revoked(Vec<TopicPartition>),
    /// These partitions are gone: the group went on without this member (its session ended, or it did not poll in time).
    /// Others may be reading them already, and nothing can be committed for them.
    Lost(Vec<TopicPartition>),
}
