//! What is known of the cluster, as a machine: answers go in, questions and snapshots come out; no socket, no clock.
//!
//! ```text
//! wanted topics ─► refresh.rs: when ─► peers.rs: whom ─► question ─► (driver) ─► answer ─► merge.rs ─► Metadata, events
//! ```
mod merge;
mod metadata;
mod peers;
mod refresh;

pub(crate) use self::metadata::{LONGEST_NAME, MetadataEvent, MetadataMachine, MetadataOptions, Question};

#[cfg(test)]
mod tests;
