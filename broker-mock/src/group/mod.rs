//! The group coordinators: who is a member of what, which generation holds, and what was committed.
//!
//! ```text
//! JoinGroup ─► join.rs ─► rebalance.rs (all here? or the time is up) ─► SyncGroup: sync.rs ─► stable
//!                 ▲            ▲                                              │
//! timers.rs ──────┴────────────┴── sessions that end, members that leave ◄────┘   heartbeats: sync.rs
//! ```
//!
//! [`Groups`] is handed requests with the time and gives answers when they are due; a JoinGroup or SyncGroup may wait
//! for many timers. The rules are those of Kafka's `GroupMetadataManager` and `OffsetMetadataManager`. What Kafka
//! would have written to its offsets topic is kept as a copy of each group ([`persisted`]), so that a coordinator that
//! moves forgets just what a real one forgets.
mod board;
mod classic;
mod coordinator;
mod expiry;
mod join;
mod leave;
mod listing;
mod member;
mod offsets;
mod persisted;
mod rebalance;
mod subscription;
mod sync;
mod timers;

#[cfg(test)]
mod tests;

pub(crate) use board::{Moment, Settings};
pub(crate) use classic::refused_join;
pub(crate) use coordinator::Groups;
pub(crate) use join::Joining;
pub use listing::{MockGroup, MockMember};
pub(crate) use offsets::CommittedOffset;
