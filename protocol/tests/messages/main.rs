//! Every message of every API: Java's bytes, Java's JSON, and round trips of random values.
mod build;
#[allow(clippy::too_many_lines)]
mod builders;
mod golden;
mod round_trip;
mod tags;
