//! The whole producer against the in-process cluster, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod buffer;
mod cancel;
mod closing;
mod delivery;
mod idle;
mod interceptors;
mod metrics;
mod partitions;
mod refusals;
mod send_batch;
mod sink;
mod stage;
mod waiting;
