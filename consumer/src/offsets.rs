//! Offsets as they are committed and looked up.
pub use courant_protocol::types::OffsetAndMetadata;
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};

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
