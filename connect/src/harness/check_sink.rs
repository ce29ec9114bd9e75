//! The conformance suite of sinks.
use std::time::Duration;

use crate::api::Sink;
use crate::embedded::until;
use crate::error::Error;
use crate::harness::bench::{Failure, SinkBench};
use crate::harness::check_source::wrong_properties;
use crate::harness::crash::CrashPoint;
use crate::harness::run;
use crate::harness::test_sink::TestSink;

/// Runs a sink through the suite. `bench` makes a fresh outside world for each scenario.
///
/// # Errors
/// The first scenario that it does not stand.
pub fn check_sink<B: SinkBench>(mut bench: impl FnMut() -> B) -> Result<(), Failure> {
    writes_once_and_goes_on(&bench())?;
    broker_trouble_loses_nothing(&bench())?;
    for point in CrashPoint::OF_SINKS {
        for nth in 1..=3 {
            survives_a_crash(&bench(), point, nth)?;
        }
    }
    rebalances_lose_nothing(&bench())?;
    names_wrong_properties(&bench())
}

fn writes_once_and_goes_on<B: SinkBench>(bench: &B) -> Result<(), Failure> {
    const SCENARIO: &str = "a clean run, and going on where it stopped";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        let mut sink = TestSink::<B::Sink>::on_partitions(1, bench.properties()).await.map_err(failed)?;
        let mut sent = 0;
        for more in [20, 0, 5, 1] {
            sink.send(ids(sent, more)).await.map_err(failed)?;
            sent += more;
            sink.delivered().await.map_err(failed)?;
            exactly(SCENARIO, bench, sent)?;
            sink.stop().await.map_err(failed)?;
            exactly(SCENARIO, bench, sent)?;
            sink.restart().await.map_err(failed)?;
        }
        sink.stop().await.map_err(failed)
    })
}

fn broker_trouble_loses_nothing<B: SinkBench>(bench: &B) -> Result<(), Failure> {
    const SCENARIO: &str = "connections that break and leaders that move";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        let mut sink = TestSink::<B::Sink>::start(bench.properties()).await.map_err(failed)?;
        for nth in 0..8 {
            sink.send(ids(nth * 3, 3)).await.map_err(failed)?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            sink.disturb(nth);
        }
        sink.delivered().await.map_err(failed)?;
        at_least(SCENARIO, bench, 24)
    })
}

fn survives_a_crash<B: SinkBench>(bench: &B, point: CrashPoint, nth: u64) -> Result<(), Failure> {
    let scenario = format!("a crash at `{point}`, the {nth}. time");
    let failed = |error: Error| Failure::new(scenario.clone(), error.to_string());
    run(async {
        let mut sink = TestSink::<B::Sink>::start(bench.properties()).await.map_err(failed)?;
        sink.crash_at(point, nth);
        let world = sink.cluster().world();
        let mut sent = 0;
        for _ in 0..4 {
            sink.send(ids(sent, 3)).await.map_err(failed)?;
            sent += 3;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        until(&world, world.now() + Duration::from_secs(5), sink.crashed()).await;
        sink.crash();
        sink.restart().await.map_err(failed)?;
        sink.send(ids(sent, 3)).await.map_err(failed)?;
        sink.delivered().await.map_err(failed)?;
        at_least(&scenario, bench, sent + 3)
    })
}

fn rebalances_lose_nothing<B: SinkBench>(bench: &B) -> Result<(), Failure> {
    const SCENARIO: &str = "a second worker that joins and leaves";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        let mut sink = TestSink::<B::Sink>::start(bench.properties()).await.map_err(failed)?;
        let mut sent = 0;
        for round in 0..4 {
            sink.send(ids(sent, 6)).await.map_err(failed)?;
            sent += 6;
            match round % 2 {
                0 => sink.join().await.map_err(failed)?,
                _ => sink.leave().await.map_err(failed)?,
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        sink.delivered().await.map_err(failed)?;
        at_least(SCENARIO, bench, sent)?;
        sink.stop().await.map_err(failed)
    })
}

fn names_wrong_properties<B: SinkBench>(bench: &B) -> Result<(), Failure> {
    wrong_properties::<<B::Sink as Sink>::Config, _>(&bench.properties(), |wrong| {
        run(async { TestSink::<B::Sink>::start(wrong).await.err() })
    })
}

fn id(nth: usize) -> String {
    format!("record-{nth:0>5}")
}

fn ids(first: usize, count: usize) -> Vec<String> {
    (first..first + count).map(id).collect()
}

/// Each record once, in the order in which they were sent.
fn exactly<B: SinkBench>(scenario: &str, bench: &B, count: usize) -> Result<(), Failure> {
    let got = bench.delivered();
    let right = got.len() == count && got.iter().enumerate().all(|(nth, text)| text.contains(&id(nth)));
    match right {
        true => Ok(()),
        false => {
            Err(Failure::new(scenario, format!("{count} records were sent, and the target holds {got:?}")))
        }
    }
}

/// Each record at least once.
fn at_least<B: SinkBench>(scenario: &str, bench: &B, count: usize) -> Result<(), Failure> {
    let got = bench.delivered();
    let lost: Vec<String> =
        (0..count).map(id).filter(|id| !got.iter().any(|text| text.contains(id))).collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(scenario, format!("lost: {}", lost.join(", ")))),
    }
}
