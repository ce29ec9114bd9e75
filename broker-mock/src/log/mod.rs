//! The logs of partitions: append-only batches with leader epochs, producer state and an index of times.
//!
//! ```text
//! Produce ─► appending.rs (checks of one batch) ─► producer_state.rs (duplicate? in sequence?) ─► partition_log.rs
//! transactions of tests ─► appending.rs, end_marker.rs ─► partition_log.rs
//! Fetch ◄── replica_view.rs (a follower may lag) ◄── partition_log.rs, epoch_cache.rs, transactions.rs
//! ListOffsets, OffsetForLeaderEpoch ◄── partition_log.rs, time_lookup.rs, epoch_cache.rs
//! time ─► retention.rs (whole segments.rs go) and compaction.rs (older records of a key go)
//! ```
//!
//! A batch is kept as the bytes that arrived. Its header is copied once, so that base offset and leader epoch can be
//! set without touching the body; reading hands out references.
mod appending;
mod compaction;
mod end_marker;
mod epoch_cache;
mod partition_log;
mod producer_state;
mod replica_view;
mod retention;
mod segments;
mod stored_batch;
mod time_lookup;
mod transactions;

#[cfg(test)]
mod tests;

pub(crate) use appending::{AppendContext, Appended, Refusal};
pub(crate) use compaction::Compaction;
pub(crate) use partition_log::{Isolation, PartitionLog};
pub(crate) use producer_state::SeenProducer;
pub(crate) use replica_view::{ReplicaEnds, ReplicaView};
pub(crate) use retention::Retention;
pub(crate) use segments::SegmentLimits;
pub(crate) use time_lookup::Found;
