//! Offsets as they are committed and looked up.
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};

/// What a group commits for a partition: the offset of the next record to read, the leader epoch of the record before
/// it, and a text of the application's.
///
/// The epoch lets the next reader notice that the log was truncated in between (KIP-320). Take these values from
/// [`ConsumerRecord::next_offset`](crate::ConsumerRecord::next_offset) or
/// [`Consumer::committed`](crate::Consumer::committed) rather than from bare numbers, and it is never lost.
///
/// ```
/// use courant_consumer::OffsetAndMetadata;
///
/// let offset = OffsetAndMetadata::new(42).with_metadata("after the first page");
/// assert_eq!((offset.offset.0, offset.leader_epoch.is_some()), (42, false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to read.
    pub offset: Offset,
    /// The leader epoch of the record before it; [`LeaderEpoch::NONE`] where it is not known.
    pub leader_epoch: LeaderEpoch,
    /// A text that travels with the offset; brokers limit it to 4,096 bytes (`offset.metadata.max.bytes`).
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset without epoch and text.
    pub fn new(offset: impl Into<Offset>) -> Self {
        Self::after(offset.into(), LeaderEpoch::NONE)
    }

    pub(crate) fn after(offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        Self { offset, leader_epoch, metadata: String::new() }
    }

    /// The same with a text of the application's.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }
}

impl From<Offset> for OffsetAndMetadata {
    fn from(offset: Offset) -> Self {
        Self::new(offset)
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}

/// The first record at or after a time that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: UnixMillis,
    /// The leader epoch of its batch; [`LeaderEpoch::NONE`] where the broker is too old to say.
    pub leader_epoch: LeaderEpoch,
}
