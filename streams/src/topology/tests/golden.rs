//! Every record that Java's test driver got out of a record, we get as well: outputs, repartition topics and changelogs, with
//! their times, bytes and headers.
//!
//! `tests/golden/NAME.records` was written by Kafka Streams 4.3.1 (`tests/interop/streams/StreamsProbe.java`); the records
//! have times that go back, and missing keys and values.
use std::path::Path;

use bytes::Bytes;

use super::golden_topologies;
use super::single::{Single, Written};
use crate::StreamsBuilder;

#[test]
fn every_record_gives_what_it_gives_in_java() {
    let (mut differing, mut compared) = (Vec::new(), 0);
    for (name, build) in golden_topologies::all() {
        let builder = StreamsBuilder::new();
        build(&builder);
        let mut single = Single::new(builder.build().unwrap());
        for (record, expected) in recorded(name) {
            compared += expected.len();
            let mut found = single.send(record.clone());
            found.sort_by(|one, other| one.topic.cmp(&other.topic));
            if found != expected {
                differing.push(format!("{name}: of {record:?}\n  Java {expected:?}\n  ours {found:?}"));
                break;
            }
        }
    }
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
    assert!(compared > 5_000, "only {compared} records were compared");
}

/// Each record that went in, with all that came out.
fn recorded(name: &str) -> Vec<(Written, Vec<Written>)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.records"));
    let mut all: Vec<(Written, Vec<Written>)> = Vec::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [direction, topic, timestamp, key, value, headers] = fields[..] else { panic!("{name}: {line}") };
        let headers = headers.split(',').filter(|header| !header.is_empty()).map(|header| {
            let (key, value) = header.split_once('=').unwrap();
            (key.to_owned(), bytes(value))
        });
        let record = Written {
            topic: topic.to_owned(),
            timestamp: timestamp.parse().unwrap(),
            key: bytes(key),
            value: bytes(value),
            headers: headers.collect(),
        };
        match direction {
            "in" => all.push((record, Vec::new())),
            _ => all.last_mut().unwrap().1.push(record),
        }
    }
    all
}

fn bytes(hex: &str) -> Option<Bytes> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (hex != "-").then(|| (0..hex.len()).step_by(2).map(byte).collect())
}
