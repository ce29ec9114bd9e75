//! What a connector author writes: a [`Source`] and its [`SourceTask`], or a [`Sink`] and its [`SinkTask`].
//!
//! ```text
//! Source ── plan() ─► splits ── open(split) ─► SourceTask ── next_batch() ─► Batch: records with their source offsets
//! Sink   ────────────────────── open() ──────► SinkTask   ◄─ write() ─────── SinkRecords; verdicts back; flush() says what is durable
//! ```
//! Every call is an async function of the author's; the worker boxes one future per *batch*, never per record. Errors carry
//! a kind ([`ErrorKind`](crate::ErrorKind)) that says what the worker does about them, so a connector has no retry loops
//! and no dead letters of its own.
mod batch;
mod config;
mod context;
mod flow;
mod record;
mod sink;
mod source;

pub(crate) use batch::Item;
pub use batch::{BadInput, Batch};
pub use config::Config;
pub use context::{ConnectorContext, SinkContext, SourceContext, SourceOffsets};
pub(crate) use context::{SinkCommand, SinkCommands};
pub use flow::Flow;
pub use record::{ConnectRecord, SinkRecord, SourceRecord};
pub use sink::{Flushed, Sink, SinkTask, Verdicts};
pub use source::{ExactlyOnce, Source, SourceTask};
