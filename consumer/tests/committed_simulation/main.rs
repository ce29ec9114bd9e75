//! Readers of committed records in a rough world: writers commit and abort across each other, leaders move, followers lag,
//! connections break, and yet exactly the committed records are read, in order, each once.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#[path = "../batches/mod.rs"]
mod batches;
mod plan;
mod story;
mod truth;
mod writers;

use courant_sim::Family;

use crate::plan::Plan;

/// Runs one seed again.
const COMMAND: &str = "cargo test -p courant-consumer --test committed_simulation";

#[test]
fn exactly_the_committed_records_are_read() {
    let report = Family::new(COMMAND).seeds(100).run(|sim| story::run(sim, &Plan::of(sim))).unwrap();
    let runs = report.runs();
    let (read, hidden) = (report.sum(|summary| summary.read), report.sum(|summary| summary.hidden));
    // Where nothing was committed, or nothing aborted, everything would pass. One seed alone may be poor.
    assert!(runs == 1 || read > runs * 50, "only {read} records in {runs} runs");
    assert!(runs == 1 || hidden > runs * 20, "only {hidden} aborted records in {runs} runs");
}

#[test]
fn the_same_seed_runs_the_same_way() {
    Family::new(COMMAND).repeat(5, |sim| story::run(sim, &Plan::of(sim)).map(drop)).unwrap();
}
