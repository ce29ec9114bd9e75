//! The worker's rules, without I/O and without a clock: what may be committed, what is tried again, what a dead letter says.
mod dead_letter;
mod error_policy;
mod offset_store;
mod pending_offsets;
mod sink_offsets;
mod submitted;

pub(crate) use dead_letter::{Failure, Origin, RawRecord};
pub(crate) use error_policy::{Decision, ErrorPolicy, Retries, Tolerance};
pub(crate) use offset_store::{OffsetRecord, OffsetStore};
pub(crate) use pending_offsets::PendingOffsets;
pub(crate) use sink_offsets::SinkOffsets;
pub(crate) use submitted::{SubmittedRecords, Ticket};
