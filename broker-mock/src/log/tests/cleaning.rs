//! Retention and compaction, against what a reader must still find.
use std::collections::BTreeMap;

use bytes::BytesMut;
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{Batch, BatchWriter, Batches, NO_HEADERS, ReadOptions, Stamp, WriterOptions};
use courant_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};
use proptest::prelude::*;

use super::super::{AppendContext, Compaction, PartitionLog, Retention, SegmentLimits};

/// Key, value (`None` deletes) and time.
type Written = (u8, Option<u8>, i64);

fn batch(records: &[Written], codec: Codec, stamp: &Stamp) -> Batch {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for (key, value, time) in records {
        let value = value.map(|value| [value; 20]);
        let value = value.as_ref().map(|value| value.as_slice());
        writer.append(UnixMillis(*time), Some(&[*key]), value, NO_HEADERS).unwrap();
    }
    let bytes = writer.seal(codec, None, &mut CompressionScratch::new()).unwrap().to_bytes(stamp);
    Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap()
}

fn context(segments: SegmentLimits) -> AppendContext {
    AppendContext { segments, ..super::context(0) }
}

const ONE_SEGMENT: SegmentLimits = SegmentLimits { bytes: 1 << 30, span_ms: i64::MAX };

fn filled(batches: &[Vec<Written>], segments: SegmentLimits) -> PartitionLog {
    let mut log = PartitionLog::new(LeaderEpoch(0));
    for records in batches {
        log.append(&batch(records, Codec::None, &Stamp::default()), &context(segments)).unwrap();
    }
    log
}

/// Offset, key, value and time of every record.
fn read(log: &PartitionLog) -> Vec<(i64, u8, Option<u8>, i64)> {
    let mut read = Vec::new();
    for stored in log.batches() {
        let batch = Batches::new(stored.to_bytes(), ReadOptions::default()).next().unwrap();
        let records = batch.unwrap().records(&mut CompressionScratch::new()).unwrap();
        for record in records.iter().map(|record| record.unwrap()) {
            let value = record.value.map(|value| value[0]);
            read.push((record.offset.0, record.key.unwrap()[0], value, record.timestamp.0));
        }
    }
    read
}

fn compaction(now: i64) -> Compaction {
    Compaction { now: UnixMillis(now), delete_retention_ms: 100, min_lag_ms: 0, with_active: true }
}

fn offsets(log: &PartitionLog) -> Vec<i64> {
    read(log).into_iter().map(|(offset, ..)| offset).collect()
}

#[test]
fn the_last_record_of_a_key_stays_where_it_was() {
    let mut log = filled(&[vec![(1, Some(1), 5), (2, Some(2), 6)], vec![(1, Some(3), 7)]], ONE_SEGMENT);
    log.compact(&compaction(1000));
    assert_eq!(read(&log), [(1, 2, Some(2), 6), (2, 1, Some(3), 7)]);
    let first = &log.batches()[0].header;
    assert_eq!((first.base_offset, first.last_offset, first.count), (Offset(0), Offset(1), 1));
    assert_eq!((log.log_start(), log.log_end()), (Offset(0), Offset(3)));
}

#[test]
fn a_tombstone_goes_after_its_time_and_no_sooner() {
    let mut log = filled(&[vec![(1, Some(1), 5)], vec![(1, None, 6)], vec![(2, Some(2), 7)]], ONE_SEGMENT);
    log.compact(&compaction(1000));
    assert_eq!(offsets(&log), [1, 2]);
    assert_eq!(log.batches()[0].header.delete_horizon(), Some(UnixMillis(1100)));
    log.compact(&compaction(1099));
    assert_eq!(offsets(&log), [1, 2]);
    log.compact(&compaction(1100));
    assert_eq!(offsets(&log), [2]);
    assert_eq!(log.log_end(), Offset(3));
}

#[test]
fn what_is_too_young_is_left_alone() {
    let mut log =
        filled(&[vec![(1, Some(1), 5)], vec![(1, Some(2), 6)], vec![(1, Some(3), 950)]], ONE_SEGMENT);
    log.compact(&Compaction { min_lag_ms: 100, ..compaction(1000) });
    assert_eq!(offsets(&log), [1, 2]);
    log.compact(&Compaction { min_lag_ms: 100, ..compaction(1050) });
    assert_eq!(offsets(&log), [2]);
}

#[test]
fn the_cleaner_by_itself_takes_only_closed_segments_and_only_dirty_ones() {
    let small = SegmentLimits { bytes: 200, span_ms: i64::MAX };
    let mut log = filled(&[vec![(1, Some(1), 5)], vec![(1, Some(2), 6)], vec![(1, Some(3), 7)]], small);
    assert!(log.is_dirty(UnixMillis(1000), 0.5, i64::MAX));
    log.compact(&Compaction { with_active: false, ..compaction(1000) });
    assert_eq!(offsets(&log), [1, 2], "the last record lies in the segment that is written to");
    assert!(!log.is_dirty(UnixMillis(1000), 0.5, i64::MAX));
    assert!(!filled(&[vec![(1, Some(1), 5)]], small).is_dirty(UnixMillis(1000), 0.5, 1));
}

#[test]
fn a_batch_without_records_stays_while_its_producer_is_known_by_it() {
    let mut log = PartitionLog::new(LeaderEpoch(0));
    let write = |log: &mut PartitionLog, sequence: i32| {
        let mut stamp = Stamp::default();
        (stamp.producer_id, stamp.producer_epoch) = (ProducerId(4), ProducerEpoch(0));
        stamp.base_sequence = Sequence(sequence);
        log.append(&batch(&[(1, None, 5)], Codec::Lz4, &stamp), &context(ONE_SEGMENT)).unwrap();
    };
    write(&mut log, 0);
    write(&mut log, 1);
    log.compact(&compaction(1000));
    log.compact(&compaction(2000));
    assert_eq!(offsets(&log), [0_i64; 0]);
    assert_eq!(log.batches().len(), 1);
    assert_eq!((log.batches()[0].header.count, log.batches()[0].header.base_sequence), (0, Sequence(1)));
}

#[test]
fn old_segments_go_as_a_whole_and_the_start_of_the_log_moves() {
    let small = SegmentLimits { bytes: 200, span_ms: i64::MAX };
    let at = |time| vec![(1, Some(1), time)];
    let mut log = filled(&[at(10), at(500), at(20), at(30)], small);
    let by_age = |ms| Retention { ms, bytes: -1 };
    assert_eq!(log.segments().len(), 2);
    assert_eq!(log.retain(UnixMillis(600), by_age(100)), None, "a record of the segment is young");
    assert_eq!(log.retain(UnixMillis(601), by_age(100)), Some(Offset(4)), "the last segment goes too");
    assert_eq!((log.log_start(), log.log_end(), log.size_bytes()), (Offset(4), Offset(4), 0));
    let mut log = filled(&[at(10), at(500), at(20), at(30)], small);
    assert_eq!(log.retain(UnixMillis(9999), by_age(-1)), None);
    log.hold_back(Some(Offset(3)));
    assert_eq!(
        log.clone().retain(UnixMillis(9999), by_age(1)),
        Some(Offset(2)),
        "the rest is not replicated"
    );
    log.hold_back(None);
    let size = i64::try_from(log.size_bytes()).unwrap();
    let by_size = |bytes| Retention { ms: -1, bytes };
    assert_eq!(log.retain(UnixMillis(9999), by_size(size / 2 + 1)), None, "half a segment too much");
    assert_eq!(log.retain(UnixMillis(9999), by_size(size / 2)), Some(Offset(2)));
}

#[test]
fn segments_are_closed_by_the_times_of_their_records() {
    let spans = SegmentLimits { bytes: 1 << 30, span_ms: 100 };
    let at = |time| vec![(1, Some(1), time)];
    let log = filled(&[at(10), at(110), at(111), at(50)], spans);
    let ends: Vec<i64> = log.segments().iter().map(|segment| segment.next_offset.0).collect();
    assert_eq!(ends, [2, 4]);
}

proptest! {
    #[test]
    fn after_compaction_a_reader_finds_the_last_value_of_every_key(
        batches in prop::collection::vec(
            (prop::collection::vec((0_u8..6, prop::option::of(0_u8..9)), 1..6), any::<bool>()),
            1..12,
        ),
        twice in any::<bool>(),
    ) {
        let (mut log, mut table, mut time) = (PartitionLog::new(LeaderEpoch(0)), BTreeMap::new(), 0);
        for (records, compressed) in &batches {
            let stamped: Vec<Written> = records.iter().map(|(key, value)| { time += 1; (*key, *value, time) }).collect();
            table.extend(records.iter().copied());
            let codec = if *compressed { Codec::Lz4 } else { Codec::None };
            log.append(&batch(&stamped, codec, &Stamp::default()), &context(ONE_SEGMENT)).unwrap();
        }
        let (before, end) = (read(&log), log.log_end());
        log.compact(&compaction(1000));
        if twice {
            log.compact(&compaction(5000));
        }
        let after = read(&log);
        prop_assert_eq!(log.log_end(), end);
        prop_assert!(after.iter().all(|record| before.contains(record)));
        let seen: BTreeMap<u8, Option<u8>> = after.iter().map(|(_, key, value, _)| (*key, *value)).collect();
        prop_assert_eq!(seen.len(), after.len(), "no key twice");
        let wanted: BTreeMap<u8, Option<u8>> =
            table.into_iter().filter(|(_, value)| !twice || value.is_some()).collect();
        prop_assert_eq!(seen, wanted);
        let bytes: usize = log.batches().iter().map(|batch| batch.len()).sum();
        prop_assert_eq!(log.size_bytes(), bytes);
        // A reader that goes on where it stopped gets through the holes.
        let mut next = log.log_start();
        while next < end {
            let slice = log.read(next, 1, true, log.high_watermark());
            let Some(after) = super::end_of(slice) else {
                prop_assert!(log.batches().back().is_none_or(|last| last.header.last_offset < next));
                break;
            };
            prop_assert!(after > next);
            next = after;
        }
    }
}
