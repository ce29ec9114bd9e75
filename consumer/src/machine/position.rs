//! Where a partition is read: the next offset with the epochs that make it safe (KIP-320), and the token that ties answers to it.
use courant_protocol::types::{LeaderEpoch, Offset};

/// The next record to hand out.
///
/// `offset_epoch` is the leader epoch of the last batch before it. After a change of leader it tells whether the new
/// leader's log still contains what was read; commits carry it, so that the next reader can ask the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The offset of the next record.
    pub(crate) offset: Offset,
    /// The epoch of the batch before it; [`LeaderEpoch::NONE`] where nothing was read yet.
    pub(crate) offset_epoch: LeaderEpoch,
}

impl Position {
    /// A position about whose past nothing is known.
    pub(crate) const fn at(offset: Offset) -> Self {
        Self { offset, offset_epoch: LeaderEpoch::NONE }
    }

    /// A position behind a batch of `epoch`.
    pub(crate) const fn after(offset: Offset, offset_epoch: LeaderEpoch) -> Self {
        Self { offset, offset_epoch }
    }
}

/// Ties what is in flight or parked to the position that it was asked for.
///
/// A seek, a reset or a detected truncation gives the partition a new token; whatever arrives under an old one is
/// dropped, however late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) u64);
