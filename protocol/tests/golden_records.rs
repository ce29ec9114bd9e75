//! Batches that Apache Kafka's own jars wrote, decoded and, where our writer makes them, written again.
//!
//! The files under `golden/records` hold one JSON object a line: a set of batches as hex, and what Java reads in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Read;

use bytes::{Bytes, BytesMut};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::control::ControlRecord;
use courant_protocol::record::{
    Batch, BatchHeader, BatchWriter, Batches, NO_HEADERS, ReadOptions, RecordError, Stamp, WriterOptions,
    patch_base_offset_and_epoch, patch_log_append_time,
};
use courant_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};
use serde_json::Value;

fn sets(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/golden/records/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn bytes_of(set: &Value) -> Bytes {
    unhex(set["hex"].as_str().unwrap()).into()
}

fn nullable(hex: &Value) -> Option<Vec<u8>> {
    hex.as_str().map(unhex)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// Compares every header field that the file gives with ours; wrappers of magic 0 and 1 after decompression.
fn check_header(what: &str, header: &BatchHeader, expected: &Value) {
    assert_eq!(i64::from(header.magic), number(&expected["magic"]), "{what}");
    assert_eq!(header.attributes.codec().unwrap().name(), expected["codec"].as_str().unwrap(), "{what}");
    assert_eq!(header.base_offset.0, number(&expected["base_offset"]), "{what}");
    assert_eq!(header.last_offset.0, number(&expected["last_offset"]), "{what}");
    assert_eq!(header.size_bytes as i64, number(&expected["size_in_bytes"]), "{what}");
    let append_time = expected["timestamp_type"] == "LogAppendTime";
    assert_eq!(header.attributes.is_log_append_time(), append_time, "{what}");
    assert_eq!(header.max_timestamp.0, number(&expected["max_timestamp"]), "{what}");
    if header.magic < 2 {
        return;
    }
    assert_eq!(format!("{:08x}", header.crc), expected["crc"].as_str().unwrap(), "{what}");
    assert_eq!(i64::from(header.leader_epoch.0), number(&expected["partition_leader_epoch"]), "{what}");
    assert_eq!(header.attributes.is_transactional(), expected["transactional"], "{what}");
    assert_eq!(header.attributes.is_control(), expected["control"], "{what}");
    assert_eq!(header.producer_id.0, number(&expected["producer_id"]), "{what}");
    assert_eq!(i64::from(header.producer_epoch.0), number(&expected["producer_epoch"]), "{what}");
    assert_eq!(i64::from(header.base_sequence.0), number(&expected["base_sequence"]), "{what}");
    assert_eq!(i64::from(header.last_sequence().0), number(&expected["last_sequence"]), "{what}");
    assert_eq!(header.base_timestamp.0, number(&expected["base_timestamp"]), "{what}");
    assert_eq!(header.delete_horizon().map(|at| at.0), expected["delete_horizon_ms"].as_i64(), "{what}");
    assert_eq!(i64::from(header.count), number(&expected["count"]), "{what}");
}

fn check_batch(what: &str, batch: &Batch, expected: &Value, scratch: &mut CompressionScratch) {
    batch.check_crc().unwrap();
    let records = batch.records(scratch).unwrap_or_else(|error| panic!("{what}: {error}"));
    records.validate().unwrap_or_else(|error| panic!("{what}: {error}"));
    check_header(what, records.header(), expected);
    let expected = expected["records"].as_array().unwrap();
    assert_eq!(records.iter().count(), expected.len(), "{what}");
    for (record, expected) in records.iter().zip(expected) {
        let record = record.unwrap();
        assert_eq!(record.offset.0, number(&expected["offset"]), "{what}");
        assert_eq!(record.timestamp.0, number(&expected["timestamp"]), "{what}");
        assert_eq!(record.key.map(<[u8]>::to_vec), nullable(&expected["key"]), "{what}");
        assert_eq!(record.value.map(<[u8]>::to_vec), nullable(&expected["value"]), "{what}");
        if let Some(sequence) = expected["sequence"].as_i64() {
            assert_eq!(i64::from(batch.header().sequence_of(record.offset).0), sequence, "{what}");
        }
        let headers: Vec<(String, Option<Vec<u8>>)> = record
            .headers()
            .map(|header| (header.key_text().into_owned(), header.value.map(<[u8]>::to_vec)))
            .collect();
        let none = Vec::new();
        let expected_headers: Vec<(String, Option<Vec<u8>>)> = expected["headers"]
            .as_array()
            .unwrap_or(&none)
            .iter()
            .map(|header| (header[0].as_str().unwrap().to_owned(), nullable(&header[1])))
            .collect();
        assert_eq!(headers, expected_headers, "{what}");

        let span = records.span(&record);
        assert_eq!((span.offset(), span.timestamp()), (record.offset, record.timestamp), "{what}");
        let again = records.view(&span);
        assert_eq!((again.offset, again.timestamp), (record.offset, record.timestamp), "{what}");
        assert_eq!((again.key, again.value), (record.key, record.value), "{what}");
        assert!(again.headers().eq(record.headers()), "{what}");
    }
}

fn check_file(file: &str, sets_expected: usize) {
    let mut scratch = CompressionScratch::new();
    let mut seen = 0;
    for set in sets(file) {
        let Some(expected) = set["batches"].as_array() else {
            continue;
        };
        let what = format!("{} {}", set["name"], set["codec"]);
        let mut batches = Batches::new(bytes_of(&set), ReadOptions::default());
        for expected in expected {
            let batch = batches.next().unwrap_or_else(|| panic!("{what}: a batch is missing")).unwrap();
            check_batch(&what, &batch, expected, &mut scratch);
        }
        assert!(batches.next().is_none() && !batches.tail_incomplete(), "{what}");
        seen += 1;
    }
    assert_eq!(seen, sets_expected, "sets in {file}");
}

#[test]
fn every_batch_of_magic_2_decodes_to_the_records_that_java_reads() {
    check_file("magic2.jsonl.gz", 78);
}

#[test]
fn every_message_set_of_magic_0_and_1_decodes_to_the_records_that_java_reads() {
    check_file("magic0-1.jsonl.gz", 60);
}

fn set_named(name: &str) -> Value {
    sets("magic2.jsonl.gz").into_iter().find(|set| set["name"] == name).unwrap()
}

#[test]
fn a_wrong_checksum_is_a_typed_error_and_the_batch_behind_it_can_still_be_had() {
    let bad = bytes_of(&set_named("bad-crc"));
    let good = bytes_of(&set_named("simple"));
    let mut batches = Batches::new([bad.clone(), good].concat(), ReadOptions::default());
    let error = batches.next().unwrap().unwrap_err();
    assert!(matches!(error, RecordError::Crc { base_offset: Offset(0), stored: 0x4a84_dbfd, .. }), "{error}");
    assert!(batches.next().unwrap().is_ok());
    assert!(batches.next().is_none());
    let unchecked = Batches::new(bad, ReadOptions::default().check_crcs(false)).next().unwrap();
    assert!(unchecked.is_ok());
}

#[test]
fn a_cut_batch_at_the_end_is_no_error_and_tells_its_size() {
    let mut batches = Batches::new(bytes_of(&set_named("truncated")), ReadOptions::default());
    assert_eq!(batches.next().unwrap().unwrap().header().last_offset, Offset(2));
    assert!(batches.next().is_none());
    assert!(batches.tail_incomplete());
    assert_eq!(batches.incomplete_batch_bytes(), Some(135));

    let mut batches = Batches::new(bytes_of(&set_named("truncated-header")), ReadOptions::default());
    assert!(batches.next().is_none());
    assert!(batches.tail_incomplete());
}

/// Writes the records of `expected` anew and stamps them as they were.
fn written_again(expected: &Value) -> Bytes {
    let options =
        if expected["control"] == true { WriterOptions::control() } else { WriterOptions::default() };
    let mut writer = BatchWriter::new(BytesMut::new(), options);
    for record in expected["records"].as_array().unwrap() {
        let (key, value) = (nullable(&record["key"]), nullable(&record["value"]));
        let none = Vec::new();
        let headers: Vec<(&str, Option<Vec<u8>>)> = record["headers"]
            .as_array()
            .unwrap_or(&none)
            .iter()
            .map(|header| (header[0].as_str().unwrap(), nullable(&header[1])))
            .collect();
        let headers = headers.iter().map(|(key, value)| (*key, value.as_deref()));
        let timestamp = UnixMillis(number(&record["timestamp"]));
        let room = writer.would_take(key.as_deref(), value.as_deref(), headers.clone());
        let before = writer.len();
        writer.append(timestamp, key.as_deref(), value.as_deref(), headers).unwrap();
        assert!(writer.len() - before <= room, "the upper bound is one");
    }
    let batch = writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap();
    let stamp = Stamp::idempotent(
        ProducerId(number(&expected["producer_id"])),
        ProducerEpoch(number(&expected["producer_epoch"]) as i16),
        Sequence(number(&expected["base_sequence"]) as i32),
    )
    .transactional(expected["transactional"] == true)
    .at(
        Offset(number(&expected["base_offset"])),
        LeaderEpoch(number(&expected["partition_leader_epoch"]) as i32),
    );
    batch.to_bytes(&stamp)
}

#[test]
fn uncompressed_batches_are_written_to_javas_bytes() {
    let mut written = 0;
    for set in sets("magic2.jsonl.gz") {
        let Some(expected) = set["batches"].as_array() else {
            continue;
        };
        let bytes = bytes_of(&set);
        let mut at = 0;
        for expected in expected {
            let size = number(&expected["size_in_bytes"]) as usize;
            let java = &bytes[at..at + size];
            at += size;
            let records = expected["records"].as_array().unwrap().len() as i64;
            let gaps = records != number(&expected["last_offset"]) - number(&expected["base_offset"]) + 1;
            // The log cleaner's batches have gaps and a delete horizon, which no producer writes.
            if expected["codec"] != "none" || gaps || expected["timestamp_type"] == "LogAppendTime" {
                continue;
            }
            assert_eq!(written_again(expected), java, "{}", set["name"]);
            written += 1;
        }
    }
    assert_eq!(written, 19, "batches written");
}

#[test]
fn the_brokers_patches_make_javas_bytes() {
    let set = set_named("log-append-time");
    let (java, expected) = (bytes_of(&set), &set["batches"][0]);
    // A producer's own times: the ones of the set `simple`, which has the same records.
    let simple = &set_named("simple")["batches"][0];
    let mut bytes = written_again(simple).to_vec();
    patch_base_offset_and_epoch(
        &mut bytes,
        Offset(number(&expected["base_offset"])),
        LeaderEpoch(number(&expected["partition_leader_epoch"]) as i32),
    );
    patch_log_append_time(&mut bytes, UnixMillis(number(&expected["max_timestamp"])));
    let batch = Batches::new(bytes.clone(), ReadOptions::default()).next().unwrap().unwrap();
    let records = batch.records(&mut CompressionScratch::new()).unwrap();
    assert!(records.iter().all(|record| record.unwrap().timestamp == batch.header().max_timestamp));
    assert_eq!(bytes, java);
}

#[test]
fn markers_say_what_they_end() {
    let mut seen = Vec::new();
    for name in ["commit-marker", "abort-marker", "leader-change-marker"] {
        let batch = Batches::new(bytes_of(&set_named(name)), ReadOptions::default()).next().unwrap().unwrap();
        assert!(batch.header().attributes.is_control());
        let records = batch.records(&mut CompressionScratch::new()).unwrap();
        seen.push(ControlRecord::parse(&records.iter().next().unwrap().unwrap()).unwrap());
    }
    let commit = ControlRecord::Commit { coordinator_epoch: 5 };
    assert_eq!(seen, [commit, ControlRecord::Abort { coordinator_epoch: 6 }, ControlRecord::LeaderChange]);
}

#[test]
fn a_batch_emptied_by_compaction_still_tells_where_it_ends() {
    let batch = Batches::new(bytes_of(&set_named("empty-compacted")), ReadOptions::default())
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(batch.records(&mut CompressionScratch::new()).unwrap().iter().count(), 0);
    assert!(batch.header().last_offset > batch.header().base_offset);
    assert_eq!(batch.header().next_offset().0, batch.header().last_offset.0 + 1);
}

#[test]
fn what_compaction_leaves_is_written_as_kafkas_log_cleaner_writes_it() {
    let mut scratch = CompressionScratch::new();
    let left = bytes_of(&set_named("compacted-with-gaps"));
    let batch = Batches::new(left.clone(), ReadOptions::default()).next().unwrap().unwrap();
    assert_eq!(batch.compacted(|_| true, Some(UnixMillis(9)), &mut scratch).unwrap(), left);

    let stamp = Stamp::idempotent(ProducerId(4711), ProducerEpoch(3), Sequence(10))
        .transactional(true)
        .at(Offset(100), LeaderEpoch(2));
    for codec in [Codec::None, Codec::Lz4] {
        let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
        for key in 0..5_u8 {
            writer.append(UnixMillis(1_700_000_000_000), Some(&[key]), None, NO_HEADERS).unwrap();
        }
        let full = writer.seal(codec, None, &mut scratch).unwrap().to_bytes(&stamp);
        let full = Batches::new(full, ReadOptions::default()).next().unwrap().unwrap();
        let emptied = full.compacted(|_| false, Some(UnixMillis(9)), &mut scratch).unwrap();
        assert_eq!(emptied, bytes_of(&set_named("empty-compacted")));
    }
}

#[test]
fn records_that_survive_compaction_are_what_they_were_in_every_codec() {
    let mut scratch = CompressionScratch::new();
    for set in sets("magic2.jsonl.gz").iter().filter(|set| set["name"] == "many") {
        let batch = Batches::new(bytes_of(set), ReadOptions::default()).next().unwrap().unwrap();
        let before = batch.records(&mut scratch).unwrap();
        let compacted =
            batch.compacted(|record| record.offset.0 % 3 == 1, Some(UnixMillis(77)), &mut scratch).unwrap();
        let after = Batches::new(compacted, ReadOptions::default()).next().unwrap().unwrap();
        assert_eq!(after.header().delete_horizon(), Some(UnixMillis(77)));
        assert_eq!(after.header().last_offset, batch.header().last_offset);
        let after = after.records(&mut scratch).unwrap();
        let shown = |record: courant_protocol::record::RecordView<'_>| {
            let headers: Vec<_> =
                record.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
            (
                record.offset,
                record.timestamp,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                headers,
            )
        };
        let wanted: Vec<_> =
            before.iter().map(Result::unwrap).filter(|r| r.offset.0 % 3 == 1).map(shown).collect();
        assert!(!wanted.is_empty());
        assert_eq!(after.iter().map(Result::unwrap).map(shown).collect::<Vec<_>>(), wanted);
    }
}
