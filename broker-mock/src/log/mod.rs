//! The logs of partitions: append-only batches with leader epochs, producer state and an index of times.
//!
//! ```text
//! Produce ─► appending.rs (checks of one batch) ─► producer_state.rs (duplicate? in sequence?) ─► partition_log.rs
//! Fetch, ListOffsets, OffsetForLeaderEpoch ◄── partition_log.rs, time_lookup.rs, epoch_cache.rs, transactions.rs
//! time ─► retention.rs (whole segments.rs go) and compaction.rs (older records of a key go)
//! ```
//!
//! A batch is kept as the bytes that arrived. Its header is copied once, so that base offset and leader epoch can be
//! set without touching the body; reading hands out references.
mod appending;
mod compaction;
mod epoch_cache;
mod partition_log;
mod producer_state;
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
pub(crate) use retention::Retention;
pub(crate) use segments::SegmentLimits;
pub(crate) use time_lookup::Found;
