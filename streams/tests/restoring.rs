//! Stores come back from their changelogs: whole, to the end, and only as far as they lack something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{BatchWriter, Batches, NO_HEADERS, ReadOptions, WriterOptions, control};
use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{Store, StreamsBuilder, TestDriver, TestInput, Topology};

type Visits = TestInput<String, String, Utf8, Utf8>;

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

fn pairs(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

/// A driver whose only task was on instance 0, then on instance 1, and counted `first` and then `then`.
fn moved(first: &[&str], then: &[&str]) -> (TestDriver, Visits) {
    let mut driver = TestDriver::builder(counts()).seed(5).start().unwrap();
    let visits = driver.input("visits", (Utf8, Utf8));
    visit(&mut driver, &visits, first);
    driver.start_instance(1).unwrap();
    driver.settle().unwrap();
    // A balanced group leaves the task where it is, until that instance is not heard of for a while.
    move_to(&mut driver, 1);
    visit(&mut driver, &visits, then);
    (driver, visits)
}

fn visit(driver: &mut TestDriver, visits: &Visits, keys: &[&str]) {
    for key in keys {
        driver.send(visits, *key, "", 7).unwrap();
    }
    driver.settle().unwrap();
}

/// Cuts an instance's links until the group has gone on without the other ones.
fn move_to(driver: &mut TestDriver, instance: usize) {
    let (other, broker) = (format!("instance-{}", 1 - instance), "mock-1");
    driver.sim().partition(&other, broker);
    driver.advance(Duration::from_secs(120)).unwrap();
    driver.sim().heal(&other, broker);
    driver.advance(Duration::from_secs(60)).unwrap();
    driver.settle().unwrap();
}

/// Trap 8: the tail that others wrote is restored, no more and no less.
#[test]
fn a_task_that_comes_back_lacks_only_what_others_did() {
    let (mut driver, _) = moved(&["a", "b"], &["a", "c"]);
    driver.stop_instance(1).unwrap();
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), pairs(&[("a", 2), ("b", 1), ("c", 1)]));
}

/// Trap 9: where the changelog begins behind what the store has, the store is wiped and comes back from what there is.
#[test]
fn a_store_whose_changelog_was_cut_is_restored_anew() {
    let (mut driver, visits) = moved(&["a", "b"], &["c", "d"]);
    let end = driver.cluster().log_end("test-counts-changelog", 0).unwrap();
    assert_eq!(end, 4);
    driver.cluster().delete_records("test-counts-changelog", 0, 3.into()).unwrap();
    driver.stop_instance(1).unwrap();
    visit(&mut driver, &visits, &["d"]);
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), pairs(&[("d", 2)]));
}

/// Trap 6: a marker of a transaction at the end is no record, and no restore waits for it.
#[test]
fn a_restore_ends_by_its_position_and_not_by_the_last_record() {
    let mut driver = TestDriver::builder(counts()).seed(6).start().unwrap();
    let visits = driver.input("visits", (Utf8, Utf8));
    visit(&mut driver, &visits, &["a"]);
    driver.stop_instance(0).unwrap();
    driver.cluster().append_raw("test-counts-changelog", 0, marker_of_a_transaction()).unwrap();
    driver.start_instance(0).unwrap();
    visit(&mut driver, &visits, &["a"]);
    assert_eq!(driver.store("counts", (Utf8, I64Be)).unwrap(), pairs(&[("a", 2)]));
}

/// What a coordinator writes at the end of a transaction.
fn marker_of_a_transaction() -> Bytes {
    let (key, value) = control::marker(true, 0);
    let mut writer = BatchWriter::new(Default::default(), WriterOptions::control());
    writer.append(7.into(), Some(&key), Some(&value), NO_HEADERS).unwrap();
    writer.seal(Default::default(), None, &mut Default::default()).unwrap().to_bytes(&Default::default())
}

/// The changelog of a count is what Kafka Streams writes: the plain value, with its time as the record's.
#[test]
fn a_changelog_holds_plain_values_with_their_times() {
    let mut driver = TestDriver::builder(counts()).seed(7).start().unwrap();
    let visits = driver.input("visits", (Utf8, Utf8));
    driver.send(&visits, "a", "", 50).unwrap();
    driver.send(&visits, "a", "", 40).unwrap();
    driver.settle().unwrap();
    let expected: Vec<(&[u8], Bytes, i64)> = vec![
        (b"a", Bytes::copy_from_slice(&1_i64.to_be_bytes()), 50),
        // An earlier record leaves the later time.
        (b"a", Bytes::copy_from_slice(&2_i64.to_be_bytes()), 50),
    ];
    let mut found = Vec::new();
    let mut scratch = CompressionScratch::new();
    for stored in driver.cluster().log("test-counts-changelog", 0) {
        for batch in Batches::new(stored.bytes, ReadOptions::default()) {
            for record in &batch.unwrap().records(&mut scratch).unwrap() {
                let record = record.unwrap();
                assert_eq!(record.headers().count(), 0);
                let value = Bytes::copy_from_slice(record.value.unwrap());
                found.push((record.key.unwrap().to_vec(), value, record.timestamp.0));
            }
        }
    }
    let found: Vec<_> = found.iter().map(|(key, value, time)| (&key[..], value.clone(), *time)).collect();
    assert_eq!(found, expected);
}
