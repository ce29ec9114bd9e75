//! The application on the test driver: partitions, instances, restarts, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::time::Duration;

use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{Grouped, State, Store, StreamsBuilder, TestDriver, Topology, tumbling};

/// Words by a repartition topic, counted.
fn word_count() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, String>("lines", (Utf8, Utf8))
        .flat_map_values(|_, line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .group_by(Grouped::named("by-word"), (Utf8, Utf8), |_, word: &String| word.clone())
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to("word-counts", (Utf8, I64Be));
    builder.build().unwrap()
}

/// Visits by key in windows of ten milliseconds, which close at once.
fn visits() -> Topology {
    let builder = StreamsBuilder::new();
    let windows = tumbling(Duration::from_millis(10));
    let codec = windows.codec(Utf8);
    builder
        .stream::<String, String>("visits", (Utf8, Utf8))
        .group_by_key()
        .windowed_by(windows)
        .count(Store::named("visits", (Utf8, I64Be)).retention(Duration::from_secs(60)))
        .to_stream()
        .to("counts", (codec, I64Be));
    builder.build().unwrap()
}

fn counts(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

#[test]
fn words_are_counted_over_partitions_and_instances() {
    let mut driver = TestDriver::builder(word_count()).partitions(3).instances(2).seed(1).start().unwrap();
    let (lines, out) = (driver.input("lines", (Utf8, Utf8)), driver.output("word-counts", (Utf8, I64Be)));
    for (at, line) in ["to be or not to be", "that is the question", "to be"].iter().enumerate() {
        driver.send(&lines, format!("line {at}"), *line, at as i64).unwrap();
    }
    let latest = driver.drain_latest(&out).unwrap();
    let expected = counts(&[
        ("to", 3),
        ("be", 3),
        ("or", 1),
        ("not", 1),
        ("that", 1),
        ("is", 1),
        ("the", 1),
        ("question", 1),
    ]);
    assert_eq!(latest, expected);
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), expected);
    assert_eq!((driver.state(0), driver.state(1)), (Some(State::Running), Some(State::Running)));
    let topics = driver.cluster().topics();
    for topic in ["test-by-word-repartition", "test-counts-changelog"] {
        assert!(topics.iter().any(|known| known == topic), "{topics:?}");
        assert_eq!(driver.cluster().partition_count(topic), Some(3));
    }
}

#[test]
fn a_new_instance_goes_on_from_the_changelog_of_one_that_crashed() {
    let mut driver = TestDriver::builder(word_count()).partitions(2).seed(2).start().unwrap();
    let (lines, out) = (driver.input("lines", (Utf8, Utf8)), driver.output("word-counts", (Utf8, I64Be)));
    driver.send(&lines, "a", "to be or not to be", 0).unwrap();
    assert_eq!(driver.drain(&out).unwrap().len(), 6);
    driver.crash_and_recover().unwrap();
    driver.send(&lines, "b", "to be", 1).unwrap();
    assert_eq!(driver.drain_latest(&out).unwrap(), counts(&[("to", 3), ("be", 3)]));
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap()["or"], 1);
}

#[test]
fn what_was_stopped_in_good_order_goes_on_exactly() {
    let mut driver = TestDriver::builder(word_count()).partitions(2).seed(3).start().unwrap();
    let (lines, out) = (driver.input("lines", (Utf8, Utf8)), driver.output("word-counts", (Utf8, I64Be)));
    for round in 0..3 {
        driver.send(&lines, "a", "one two", round).unwrap();
        driver.advance(Duration::from_millis(5)).unwrap();
        driver.stop_instance(0).unwrap();
        driver.start_instance(0).unwrap();
    }
    let all = driver.drain(&out).unwrap();
    assert_eq!(all.len(), 6, "nothing is counted twice: {all:?}");
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), counts(&[("one", 3), ("two", 3)]));
}

/// Trap 11: how late a record is survives whoever processed the ones before.
#[test]
fn a_late_record_is_late_for_the_next_owner_as_well() {
    let mut driver = TestDriver::builder(visits()).seed(4).start().unwrap();
    let visits = driver.input("visits", (Utf8, Utf8));
    driver.send(&visits, "k", "", 5).unwrap();
    driver.send(&visits, "other", "", 100).unwrap();
    driver.settle().unwrap();
    driver.crash_instance(0).unwrap();
    driver.sim().host("instance-0").restart();
    driver.start_instance(0).unwrap();
    driver.send(&visits, "k", "", 6).unwrap();
    let store = driver.window_store("visits", (Utf8, I64Be)).unwrap();
    assert_eq!(store.get(&("k".to_owned(), 0)), Some(&1), "the second visit came too late: {store:?}");
}
