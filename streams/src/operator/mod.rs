//! Operators: one file each, which shows what it does on the test driver.
//!
//! An operator takes a batch of typed records, handles one after the other, and pushes what comes of it along its typed
//! edge. It reads no clock and awaits nothing.
mod context;
mod edge;
mod error;

pub(crate) use self::context::{Context, Dropped, Run, SinkPartition, SinkRecord, ValueAndTimestamp};
pub(crate) use self::edge::{AnyEdge, Duplicate, Edge, Push};
pub use self::error::{ProcessError, ProcessErrorKind};
