//! Producers and consumers on three brokers under bad luck, over many seeds: nothing acknowledged is lost, nothing is
//! doubled, order per partition is kept, offsets are dense and never reused, every future ends.
//!
//! `COURANT_SEEDS=100` runs a hundred seeds, `COURANT_SEED=42` one of them again.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)] // A test says what it expects by unwrapping it.
mod program;
mod reading;
mod sending;

use courant_sim::{Family, Sim};
use program::{Plan, run};

const COMMAND: &str = "cargo test -p courant --test simulation";

#[test]
fn records_survive_bad_luck() {
    let command = format!("{COMMAND} records_survive_bad_luck");
    let report = Family::new(command).seeds(10).run(|sim| Ok(run(sim, Plan::rough(sim))?.acknowledgements()));
    let report = report.unwrap();
    let (runs, acknowledged) = (report.runs(), report.sum(|acknowledged| *acknowledged));
    // A world in which nothing is ever acknowledged would pass every check. One seed alone may be poor.
    assert!(runs == 1 || acknowledged > runs * 100, "only {acknowledged} acknowledgements in {runs} runs");
}

#[test]
fn the_same_seed_runs_the_same_way() {
    Family::new(COMMAND).repeat(4, |sim| Ok(run(sim, Plan::rough(sim))?.events())).unwrap();
}

/// Batches that time out on a connection whose bytes arrive late, and others behind them that were sent again meanwhile.
#[test]
fn a_gap_that_closes_late_doubles_nothing() {
    let sim = Sim::new(224).replayed_by(COMMAND);
    run(&sim, Plan::rough(&sim)).unwrap();
}
