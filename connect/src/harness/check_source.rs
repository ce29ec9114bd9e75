//! The conformance suite of sources.
use std::time::Duration;

use crate::api::Source;
use crate::config;
use crate::embedded::until;
use crate::error::{Error, ErrorKind};
use crate::harness::bench::{Failure, SourceBench};
use crate::harness::crash::CrashPoint;
use crate::harness::run;
use crate::harness::test_source::TestSource;

/// Runs a source through the suite. `bench` makes a fresh outside world for each scenario.
///
/// # Errors
/// The first scenario that it does not stand.
pub fn check_source<B: SourceBench>(mut bench: impl FnMut() -> B) -> Result<(), Failure> {
    reads_once_and_goes_on(&mut bench())?;
    pauses_lose_nothing(&mut bench())?;
    broker_trouble_changes_nothing(&mut bench())?;
    for point in CrashPoint::OF_SOURCES {
        for nth in 1..=3 {
            survives_a_crash(&mut bench(), point, nth)?;
        }
    }
    stops_in_time(&mut bench())?;
    names_wrong_properties(&bench())
}

fn reads_once_and_goes_on<B: SourceBench>(bench: &mut B) -> Result<(), Failure> {
    const SCENARIO: &str = "a clean run, and going on where it stopped";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        let mut expected = bench.feed(20);
        let mut source = start(bench, 7).await.map_err(failed)?;
        for more in [5, 0, 1] {
            source.caught_up().await.map_err(failed)?;
            equal(SCENARIO, &values(&source).map_err(failed)?, &expected)?;
            source.stop().await.map_err(failed)?;
            expected.extend(bench.feed(more));
            source.restart().await.map_err(failed)?;
        }
        source.caught_up().await.map_err(failed)?;
        // It runs; what comes now is read as well.
        expected.extend(bench.feed(3));
        source.take(expected.len()).await.map_err(failed)?;
        equal(SCENARIO, &values(&source).map_err(failed)?, &expected)?;
        source.stop().await.map_err(failed)
    })
}

fn pauses_lose_nothing<B: SourceBench>(bench: &mut B) -> Result<(), Failure> {
    const SCENARIO: &str = "pauses, which drop calls of next_batch at many places";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        let mut expected = bench.feed(10);
        let mut source = start(bench, 2).await.map_err(failed)?;
        for nth in 0..30_u64 {
            tokio::time::sleep(Duration::from_micros(nth * nth * 700)).await;
            source.pause().map_err(failed)?;
            if nth % 5 == 0 {
                expected.extend(bench.feed(2));
            }
            tokio::time::sleep(Duration::from_millis(nth % 3)).await;
            source.resume().map_err(failed)?;
        }
        source.take(expected.len()).await.map_err(failed)?;
        source.caught_up().await.map_err(failed)?;
        equal(SCENARIO, &values(&source).map_err(failed)?, &expected)
    })
}

fn broker_trouble_changes_nothing<B: SourceBench>(bench: &mut B) -> Result<(), Failure> {
    const SCENARIO: &str = "connections that break and leaders that move";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        let mut expected = bench.feed(10);
        let mut source = start(bench, 1).await.map_err(failed)?;
        for nth in 0..10 {
            tokio::time::sleep(Duration::from_millis(3)).await;
            for topic in source.cluster().topics() {
                source.setting().disturb(&topic, nth);
            }
            expected.extend(bench.feed(1));
        }
        source.take(expected.len()).await.map_err(failed)?;
        equal(SCENARIO, &values(&source).map_err(failed)?, &expected)
    })
}

/// After a crash the source may repeat what was not stored, in order and without a gap, and nothing else.
fn survives_a_crash<B: SourceBench>(bench: &mut B, point: CrashPoint, nth: u64) -> Result<(), Failure> {
    let scenario = format!("a crash at `{point}`, the {nth}. time");
    let failed = |error: Error| Failure::new(scenario.clone(), error.to_string());
    run(async {
        let mut expected = bench.feed(9);
        let mut source = start(bench, 2).await.map_err(failed)?;
        source.crash_at(point, nth);
        let world = source.cluster().world();
        // Not every source comes by every point that often; one that does not is crashed where it is.
        until(&world, world.now() + Duration::from_secs(5), source.crashed()).await;
        source.crash();
        tokio::time::sleep(Duration::from_secs(1)).await;
        expected.extend(bench.feed(3));
        source.restart().await.map_err(failed)?;
        source.caught_up().await.map_err(failed)?;
        repeats_only_a_tail(&scenario, &values(&source).map_err(failed)?, &expected)
    })
}

fn stops_in_time<B: SourceBench>(bench: &mut B) -> Result<(), Failure> {
    const SCENARIO: &str = "stopping while there is nothing to read";
    let failed = |error: Error| Failure::new(SCENARIO, error.to_string());
    run(async {
        bench.feed(3);
        let mut source = start(bench, 10).await.map_err(failed)?;
        source.take(3).await.map_err(failed)?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let started = tokio::time::Instant::now();
        source.stop().await.map_err(failed)?;
        match started.elapsed() {
            took if took > Duration::from_secs(5) => Err(Failure::new(SCENARIO, format!("it took {took:?}"))),
            _ => Ok(()),
        }
    })
}

fn names_wrong_properties<B: SourceBench>(bench: &B) -> Result<(), Failure> {
    let properties = bench.properties();
    wrong_properties::<<B::Source as Source>::Config, _>(&properties, |wrong| {
        run(async { TestSource::<B::Source>::start(wrong).await.err() })
    })
}

/// Leaves out each required property, and adds one that there is not; `start` gives the error that comes of it.
pub(crate) fn wrong_properties<C: crate::Config, F>(
    properties: &[(String, String)],
    mut start: F,
) -> Result<(), Failure>
where
    F: FnMut(Vec<(String, String)>) -> Option<Error>,
{
    let mut expect = |name: &str, wrong: Vec<(String, String)>| {
        let scenario = format!("wrong properties: `{name}`");
        match start(wrong) {
            Some(error) if error.kind() == ErrorKind::Config && error.to_string().contains(name) => Ok(()),
            Some(error) => Err(Failure::new(scenario, format!("the error does not name it: {error}"))),
            None => Err(Failure::new(scenario, "it was accepted")),
        }
    };
    for property in config::describe::<C>().into_iter().filter(config::Property::is_required) {
        let without: Vec<_> =
            properties.iter().filter(|(name, _)| name != property.name()).cloned().collect();
        expect(property.name(), without)?;
    }
    let stranger = ("no.such.property".to_owned(), "1".to_owned());
    expect(&stranger.0.clone(), properties.iter().cloned().chain([stranger]).collect())
}

async fn start<B: SourceBench>(bench: &B, batch: usize) -> Result<TestSource<B::Source>, Error> {
    let batch = ("batch.max.records".to_owned(), batch.to_string());
    TestSource::start(bench.properties().into_iter().chain([batch])).await
}

fn values<S: Source>(source: &TestSource<S>) -> Result<Vec<String>, Error> {
    Ok(source.records()?.into_iter().filter_map(|record| record.value).collect())
}

pub(crate) fn equal(scenario: &str, got: &[String], expected: &[String]) -> Result<(), Failure> {
    if got == expected {
        return Ok(());
    }
    let at = got.iter().zip(expected).take_while(|(got, expected)| got == expected).count();
    let what = format!(
        "{} records instead of {}; number {} is {:?} and should be {:?}",
        got.len(),
        expected.len(),
        at + 1,
        got.get(at),
        expected.get(at)
    );
    Err(Failure::new(scenario, what))
}

/// The records from the beginning up to a point, and then from there or from before it to the end.
fn repeats_only_a_tail(scenario: &str, got: &[String], expected: &[String]) -> Result<(), Failure> {
    let first_run = got.iter().zip(expected).take_while(|(got, expected)| got == expected).count();
    let second_run = got.get(first_run..).unwrap_or_default();
    let from = expected.len().checked_sub(second_run.len());
    let tail = from.and_then(|from| expected.get(from..));
    if got.len() >= expected.len() && tail == Some(second_run) && from.is_some_and(|from| from <= first_run) {
        return Ok(());
    }
    Err(Failure::new(
        scenario,
        format!("expected {expected:?}, perhaps with a part of it twice, and got {got:?}"),
    ))
}
