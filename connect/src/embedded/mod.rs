//! The embedded worker: connectors as tasks of the application's own process, beside whatever else it does with Kafka.
mod control;
mod conversion;
mod crash_points;
mod in_flight;
mod launch;
mod letters;
mod offsets_topic;
mod outlet;
mod settings;
mod sink_task;
mod sink_topics;
mod source_task;
mod status;
mod transforms;
mod worker;

#[cfg(feature = "harness")]
pub(crate) use control::until;
#[cfg(feature = "harness")]
pub(crate) use crash_points::CrashPoints;
pub use settings::ConnectorKind;
pub use status::{ConnectorStatus, PartitionProgress, Progress, State, TaskStatus};
pub use worker::{Worker, WorkerBuilder};
