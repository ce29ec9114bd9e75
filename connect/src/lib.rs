//! Connectors for Apache Kafka: the traits that authors write to, and the worker that runs them.
//!
//! ```text
//! source: api/source.rs next_batch() ─► transform/ ─► converter/ ─► producer ─► (ack) ─► worker/submitted.rs ─► offsets topic
//! sink:   consumer ─► converter/ ─► transform/ ─► api/sink.rs write() ─► flush() ─► consumer's commit
//!                             failures ─► worker/error_policy.rs ─► retry | dead-letter topic | stop
//! ```
pub mod config;
pub mod converter;
pub mod data;
pub mod file;
#[cfg(feature = "harness")]
pub mod harness;
pub mod transform;

mod api;
mod embedded;
mod error;
#[cfg(doctest)]
mod guide;
mod worker;

pub use api::{
    BadInput, Batch, Config, ConnectRecord, ConnectorContext, ExactlyOnce, Flow, Flushed, Sink, SinkContext,
    SinkRecord, SinkTask, Source, SourceContext, SourceOffsets, SourceRecord, SourceTask, Verdicts,
};
pub use embedded::{
    ConnectorKind, ConnectorStatus, PartitionProgress, Progress, State, TaskStatus, Worker, WorkerBuilder,
};
pub use error::{Error, ErrorKind, Result, Stage};
