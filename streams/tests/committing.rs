//! Commits: after what they stand for, before partitions change hands, and everything of them or nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::time::Duration;

use courant_broker_mock::Fault;
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_streams::codec::{I64Be, Raw, Utf8};
use courant_streams::{Store, StreamsBuilder, TestDriver, Topology, tumbling};

/// Visits by key, counted.
fn counts() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, String>("visits", (Utf8, Utf8))
        .group_by_key()
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to("out", (Utf8, I64Be));
    builder.build().unwrap()
}

fn driver(commit_interval_ms: u64, partitions: usize) -> TestDriver {
    let settings = TestDriver::builder(counts()).partitions(partitions).seed(8);
    settings.set("commit.interval.ms", commit_interval_ms).set("linger.ms", 0).start().unwrap()
}

/// Trap 3, at least once: an offset is committed when everything that came of the records before it is on the brokers.
#[test]
fn offsets_wait_for_the_records_that_came_of_them() {
    let mut driver = driver(100, 1);
    driver
        .cluster()
        .inject(Fault::on(ApiKey::Produce).topic("out").always().error(ErrorCode::NOT_ENOUGH_REPLICAS));
    let visits = driver.input("visits", (Utf8, Utf8));
    driver.send(&visits, "a", "", 0).unwrap();
    driver.advance(Duration::from_secs(20)).unwrap();
    assert_eq!(driver.cluster().log_end("out", 0), Some(0.into()));
    assert_eq!(driver.cluster().committed("test", "visits", 0), None, "its count is on no broker");
    driver.cluster().clear_faults();
    driver.settle().unwrap();
    assert_eq!(driver.cluster().log_end("out", 0), Some(1.into()));
    assert_eq!(driver.cluster().committed("test", "visits", 0), Some(1.into()));
}

/// Trap 45: a partition that goes to somebody else is committed first, so that nothing is counted twice.
#[test]
fn partitions_that_change_hands_are_committed_first() {
    let mut driver = driver(3_600_000, 2);
    let (visits, out) = (driver.input("visits", (Utf8, Utf8)), driver.output("out", (Utf8, I64Be)));
    for partition in [0, 1] {
        driver
            .send_to(&visits, Some(partition), Some(format!("p{partition}")), Some(String::new()), 0)
            .unwrap();
    }
    driver.advance(Duration::from_secs(10)).unwrap();
    assert_eq!(driver.cluster().committed("test", "visits", 0), None, "the interval is an hour");
    driver.start_instance(1).unwrap();
    driver.advance(Duration::from_secs(30)).unwrap();
    let records = driver.drain(&out).unwrap();
    assert_eq!(records.len(), 2, "each visit is counted once: {records:?}");
    let expected = BTreeMap::from([("p0".to_owned(), 1), ("p1".to_owned(), 1)]);
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), expected);
}

/// A commit that the coordinator refuses moves no store: whoever has the task next counts from the committed offset.
#[test]
fn a_commit_that_is_refused_leaves_everything_to_the_next_one() {
    let mut driver = driver(100, 1);
    let refused = Fault::on(ApiKey::OffsetCommit).error(ErrorCode::REBALANCE_IN_PROGRESS);
    driver.cluster().inject(refused.times(3));
    let visits = driver.input("visits", (Utf8, Utf8));
    driver.send(&visits, "a", "", 0).unwrap();
    driver.advance(Duration::from_secs(5)).unwrap();
    assert_eq!(driver.cluster().committed("test", "visits", 0), Some(1.into()));
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), BTreeMap::from([("a".to_owned(), 1)]));
}

/// A windowed key goes where its inner key goes, so that windows of a key stay together (trap 14).
#[test]
fn windows_of_a_key_are_in_the_keys_own_partition() {
    let builder = StreamsBuilder::new();
    let windows = tumbling(Duration::from_millis(10));
    let codec = windows.codec(Utf8);
    let visits = builder.stream::<String, String>("visits", (Utf8, Utf8)).group_by_key().windowed_by(windows);
    visits.count(Store::named("counts", (Utf8, I64Be))).to_stream().to("out", (codec, I64Be));
    let mut driver = TestDriver::builder(builder.build().unwrap()).partitions(5).seed(9).start().unwrap();
    let input = driver.input("visits", (Utf8, Utf8));
    for key in 0..20 {
        driver.send(&input, format!("key {key}"), "", key).unwrap();
    }
    let (read, out) = (driver.output("visits", (Utf8, Utf8)), driver.output("out", (Raw, I64Be)));
    let of_keys: BTreeMap<String, i32> = driver
        .drain(&read)
        .unwrap()
        .into_iter()
        .map(|record| (record.key.unwrap(), record.partition))
        .collect();
    let counted = driver.drain(&out).unwrap();
    assert_eq!(counted.len(), 20);
    for record in counted {
        let whole = record.key.unwrap();
        let key = String::from_utf8(whole[..whole.len() - 8].to_vec()).unwrap();
        assert_eq!(record.partition, of_keys[&key], "{key}");
    }
}
