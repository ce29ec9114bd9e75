//! Every message of every API: Java's bytes, Java's JSON, and round trips of random values.
#![allow(clippy::expect_used, clippy::panic)]

mod build;
#[allow(clippy::too_many_lines, clippy::field_reassign_with_default)]
mod builders;
mod golden;
mod round_trip;
mod tags;
