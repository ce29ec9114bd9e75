//! The embedded worker on a mock cluster, in virtual time: sources, sinks, offsets, errors, the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "tests")]
mod cancelling;
mod sinks;
mod sources;
mod traps;
mod world;
