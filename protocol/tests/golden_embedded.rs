//! What Java's consumers write into JoinGroup and SyncGroup, written by us, and read by us as Java reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Read;

use bytes::Bytes;
use courant_protocol::embedded::{Assignment, Subscription};
use courant_protocol::types::TopicPartition;
use serde_json::Value;

fn lines() -> Vec<Value> {
    let path =
        format!("{}/tests/golden/embedded/embedded-consumer-protocol.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unhex(text: &str) -> Bytes {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn partitions(list: &Value) -> Vec<TopicPartition> {
    let partition = |pair: &Value| {
        TopicPartition::new(pair[0].as_str().unwrap(), i32::try_from(pair[1].as_i64().unwrap()).unwrap())
    };
    list.as_array().unwrap().iter().map(partition).collect()
}

fn subscription(json: &Value) -> Subscription {
    let mut subscription =
        Subscription::new(json["topics"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()));
    subscription.user_data = json["user_data"].as_str().map(unhex);
    subscription.owned = partitions(&json["owned"]);
    subscription.generation = i32::try_from(json["generation"].as_i64().unwrap()).ok().filter(|it| *it >= 0);
    subscription.rack = json["rack_id"].as_str().map(str::to_owned);
    subscription
}

fn assignment(json: &Value) -> Assignment {
    let mut assignment = Assignment::new(partitions(&json["partitions"]));
    assignment.user_data = json["user_data"].as_str().map(unhex);
    assignment
}

#[test]
fn subscriptions_and_assignments_are_written_and_read_as_java_does() {
    let mut seen = 0;
    for line in lines() {
        let Some(version) = line["version"].as_i64() else { continue };
        let bytes = unhex(line["hex"].as_str().unwrap());
        let written = line["decode_only"] != true;
        let version = i16::try_from(version).unwrap();
        if line["kind"] == "subscription" {
            assert_eq!(
                Subscription::decode(bytes.clone()).unwrap(),
                subscription(&line["decoded"]),
                "{line}"
            );
            if written {
                assert_eq!(subscription(&line["json"]).encode(version).unwrap(), bytes, "{line}");
            }
        } else {
            assert_eq!(Assignment::decode(bytes.clone()).unwrap(), assignment(&line["decoded"]), "{line}");
            if written {
                assert_eq!(assignment(&line["json"]).encode(version).unwrap(), bytes, "{line}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 46);
}

#[test]
fn bytes_that_end_early_are_an_error_and_never_a_panic() {
    for line in lines().iter().filter(|line| line["version"].is_i64() && line["decode_only"] != true) {
        let bytes = unhex(line["hex"].as_str().unwrap());
        for end in 0..bytes.len() {
            let cut = bytes.slice(..end);
            if line["kind"] == "subscription" {
                assert!(Subscription::decode(cut).is_err(), "{line} cut at {end}");
            } else {
                assert_eq!(Assignment::decode(cut).is_err(), end > 0, "{line} cut at {end}");
            }
        }
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_before_room_is_made_for_them() {
    for claimed in ["7fffffff", "ffffffff", "80000000"] {
        for version in ["0000", "0003", "7fff"] {
            assert!(Subscription::decode(unhex(&format!("{version}{claimed}0001"))).is_err());
            assert!(Assignment::decode(unhex(&format!("{version}{claimed}0001"))).is_err());
            let owned = format!("{version}00000001000174ffffffff{claimed}0001");
            assert!(version == "0000" || Subscription::decode(unhex(&owned)).is_err());
            let numbers = format!("{version}00000001000174{claimed}ffffffff");
            assert!(Assignment::decode(unhex(&numbers)).is_err());
        }
    }
}

#[test]
fn negative_versions_are_refused() {
    let bytes = unhex("ffff00000000ffffffff");
    assert!(Subscription::decode(bytes.clone()).is_err());
    assert!(Assignment::decode(bytes).is_err());
    assert!(Subscription::default().encode(-1).is_err() && Assignment::default().encode(4).is_err());
}
