//! A task: one partition of one sub-topology, as a machine. It never waits and knows no clock, network or thread.
//!
//! ```text
//! batch ─► partition_group.rs (lowest timestamp first) ─► stream_task.rs ─► operators ─► context.rs ─► stores, record_collector.rs
//! commit: stream_task.rs committable() ─► offset_metadata.rs (offset and stream time, as Kafka Streams writes them)
//! ```
mod context;
mod errors;
mod offset_metadata;
mod partition_group;
mod record_collector;
mod stream_task;
mod task_id;

pub(crate) use errors::ErrorHandlers;
pub use errors::{ErrorHandler, Verdict};
pub(crate) use record_collector::{Destination, OutgoingRecord, RecordCollector};
pub(crate) use stream_task::{Committable, StreamTask, TaskPlan, TaskSource};
pub(crate) use task_id::TaskId;
