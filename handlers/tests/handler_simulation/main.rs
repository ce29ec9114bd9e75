//! Groups of handlers in a rough world: members join, stall, close and crash, brokers and coordinators move, handlers fail,
//! and yet every record is handled, in order per key, no commit passes an unfinished one, and none is lost by a rebalance.
//!
//! In half of the runs the writers are transactional and the groups read what is committed: of an aborted transaction no
//! handler sees anything.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod ledger;
mod member;
mod plan;
mod story;
#[path = "../world/mod.rs"]
mod world;
mod writers;

use courant_sim::Family;

use crate::plan::Plan;

/// Runs one seed again.
const COMMAND: &str = "cargo test -p courant-handlers --test handler_simulation";

#[test]
fn every_record_is_handled_in_order_per_key_and_no_commit_passes_an_unfinished_one() {
    let report = Family::new(COMMAND).seeds(100).run(|sim| story::run(sim, &Plan::of(sim))).unwrap();
    let runs = report.runs();
    let (begun, again) = (report.sum(|summary| summary.begun), report.sum(|summary| summary.again));
    let letters = report.sum(|summary| summary.letters);
    // A world in which nothing ever happens would pass every check. One seed alone may be poor.
    assert!(runs == 1 || begun > runs * 100, "only {begun} calls in {runs} runs");
    assert!(runs == 1 || again > runs, "only {again} calls for a record once more in {runs} runs");
    assert!(runs == 1 || letters > runs, "only {letters} dead letters in {runs} runs");
}

#[test]
fn the_same_seed_runs_the_same_way() {
    Family::new(COMMAND).repeat(3, |sim| story::run(sim, &Plan::of(sim)).map(drop)).unwrap();
}
