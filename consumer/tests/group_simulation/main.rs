//! Groups in a rough world: members join, leave, stall and crash, brokers and coordinators move, and yet no partition is
//! owned twice, none is left idle, no record is lost, and no commit runs ahead of what was handed out.
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
mod ledger;
mod member;
mod plan;
mod story;

use courant_sim::Family;

use crate::plan::Plan;

/// Runs one seed again.
const COMMAND: &str = "cargo test -p courant-consumer --test group_simulation";

#[test]
fn groups_share_everything_and_nothing_twice() {
    let report = Family::new(COMMAND).seeds(100).run(|sim| {
        let ledger = story::run(sim, &Plan::of(sim))?;
        Ok((ledger.handed, ledger.assignments))
    });
    let report = report.unwrap();
    let runs = report.runs();
    let (handed, assigned) = (report.sum(|run| run.0), report.sum(|run| run.1));
    // A world in which nobody ever gets anything would pass every check. One seed alone may be poor.
    assert!(runs == 1 || handed > runs * 100, "only {handed} records in {runs} runs");
    assert!(runs == 1 || assigned > runs * 4, "only {assigned} assignments in {runs} runs");
}

#[test]
fn the_same_seed_runs_the_same_way() {
    Family::new(COMMAND).repeat(3, |sim| story::run(sim, &Plan::of(sim)).map(drop)).unwrap();
}
