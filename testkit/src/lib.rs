//! What the workspace's own tests share: conformance functions that run on the mock and on Apache Kafka.
//!
//! Not published: it may change with every commit.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod conformance;
