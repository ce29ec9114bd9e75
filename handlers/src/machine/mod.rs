//! What is started, what waits, what is tried again: [`schedule::Schedule`] and its parts, without I/O, clock or tasks.
//!
//! | file | what it decides |
//! |---|---|
//! | `schedule` | which record starts next, what follows a result, when the runner is full, what a rebalance ends |
//! | `lanes` | the records of one key or partition, one after the other |
//! | `policy` | whether a failed record is tried again, and when; what becomes of it otherwise |
pub(crate) mod lanes;
pub(crate) mod policy;
pub(crate) mod schedule;

#[cfg(test)]
mod tests;
