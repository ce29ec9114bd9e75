//! Logs against a model: whatever is done to them, reading, epochs and times agree with a plain list of records.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
use bytes::{Bytes, BytesMut};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{Batch, BatchWriter, Batches, NO_HEADERS, ReadOptions, Stamp, WriterOptions};
use courant_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};
use proptest::prelude::*;

use super::partition_log::Slice;
use super::{AppendContext, PartitionLog, SegmentLimits};

mod cleaning;

/// A step in the life of a log.
#[derive(Clone, Debug)]
enum Step {
    Append { times: Vec<i64>, codec: Codec },
    DeleteBefore(i64),
    TruncateTo(i64),
    NewLeader,
}

fn step() -> impl Strategy<Value = Step> {
    let codec = prop_oneof![Just(Codec::None), Just(Codec::Lz4)];
    prop_oneof![
        6 => (prop::collection::vec(0_i64..50, 1..5), codec).prop_map(|(times, codec)| Step::Append { times, codec }),
        1 => (0_i64..40).prop_map(Step::DeleteBefore),
        1 => (0_i64..40).prop_map(Step::TruncateTo),
        2 => Just(Step::NewLeader),
    ]
}

/// A record as the model keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kept {
    offset: i64,
    time: i64,
    epoch: i32,
}

fn batch(times: &[i64], codec: Codec, stamp: &Stamp) -> Batch {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for time in times {
        writer.append(UnixMillis(*time), Some(b"k"), Some(&[7; 40]), NO_HEADERS).unwrap();
    }
    let bytes = writer.seal(codec, None, &mut CompressionScratch::new()).unwrap().to_bytes(stamp);
    Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap()
}

fn context(epoch: i32) -> AppendContext {
    AppendContext {
        now: UnixMillis(1000),
        leader_epoch: LeaderEpoch(epoch),
        max_message_bytes: 1 << 20,
        log_append_time: false,
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        segments: SegmentLimits { bytes: 1000, span_ms: i64::MAX },
        compacted: false,
    }
}

fn run(steps: &[Step]) -> (PartitionLog, Vec<Kept>, i32) {
    let (mut log, mut model, mut epoch) = (PartitionLog::new(LeaderEpoch(0)), Vec::new(), 0);
    for step in steps {
        match step {
            Step::Append { times, codec } => {
                let first = log.log_end().0;
                log.append(&batch(times, *codec, &Stamp::default()), &context(epoch)).unwrap();
                model.extend((first..).zip(times).map(|(offset, time)| Kept { offset, time: *time, epoch }));
            }
            Step::DeleteBefore(offset) => {
                let start = log.delete_before(Offset(*offset)).0;
                model.retain(|kept| kept.offset >= start);
            }
            Step::TruncateTo(offset) => {
                log.truncate_to(Offset(*offset));
                let end = log.log_end().0;
                model.retain(|kept: &Kept| kept.offset < end);
                epoch += 1;
                log.begin_epoch(LeaderEpoch(epoch));
            }
            Step::NewLeader => {
                epoch += 1;
                log.begin_epoch(LeaderEpoch(epoch));
            }
        }
    }
    (log, model, epoch)
}

/// The offset behind the last batch of a slice.
fn end_of(slice: Slice) -> Option<Offset> {
    let batches = Batches::new(slice.records.into_bytes(), ReadOptions::default().check_crcs(false));
    Some(batches.last()?.ok()?.header().next_offset())
}

fn read_all(log: &PartitionLog, from: i64, max_bytes: usize) -> Vec<(i64, i64)> {
    let bytes = log.read(Offset(from), max_bytes, true, log.high_watermark()).records.into_bytes();
    let mut read = Vec::new();
    for batch in Batches::new(bytes, ReadOptions::default()) {
        let records = batch.unwrap().records(&mut CompressionScratch::new()).unwrap();
        read.extend(
            records.iter().map(|record| record.unwrap()).map(|record| (record.offset.0, record.timestamp.0)),
        );
    }
    read.retain(|(offset, _)| *offset >= from);
    read
}

proptest! {
    #[test]
    fn a_log_agrees_with_a_list_of_records(steps in prop::collection::vec(step(), 0..30)) {
        let (log, model, _) = run(&steps);
        let start = log.log_start().0;
        prop_assert_eq!(model.first().map_or(log.log_end().0, |kept| kept.offset), start);
        prop_assert_eq!(model.last().map_or(start, |kept| kept.offset + 1), log.log_end().0);
        let all: Vec<(i64, i64)> = model.iter().map(|kept| (kept.offset, kept.time)).collect();
        // However small the limit, a reader that goes on where it stopped sees everything once.
        for max_bytes in [150, usize::MAX] {
            let mut read = Vec::new();
            let mut next = start;
            while next < log.log_end().0 {
                let some = read_all(&log, next, max_bytes);
                prop_assert!(!some.is_empty(), "no progress at {}", next);
                next = some[some.len() - 1].0 + 1;
                read.extend(some);
            }
            prop_assert_eq!(read, all.clone());
        }
        let bytes: usize = log.batches().iter().map(|batch| batch.len()).sum();
        prop_assert_eq!(log.size_bytes(), bytes);
    }

    #[test]
    fn times_are_found_as_by_looking_at_every_record(steps in prop::collection::vec(step(), 0..20), target in 0_i64..55) {
        let (log, model, _) = run(&steps);
        let wanted = model.iter().find(|kept| kept.time >= target);
        let found = log.first_at_or_after(UnixMillis(target));
        prop_assert_eq!((found.offset.0, found.timestamp.0), wanted.map_or((-1, -1), |kept| (kept.offset, kept.time)));
        prop_assert_eq!(found.leader_epoch.0, wanted.map_or(-1, |kept| kept.epoch));
    }

    #[test]
    fn an_epoch_ends_where_a_later_one_wrote(steps in prop::collection::vec(step(), 0..20), asked in 0_i32..12) {
        let (log, model, epoch) = run(&steps);
        let (found, end) = log.epochs().end_offset_for(LeaderEpoch(asked), log.log_end());
        if asked > epoch {
            prop_assert_eq!((found, end), (LeaderEpoch::NONE, Offset::NONE));
        } else {
            let later = model.iter().find(|kept| kept.epoch > asked);
            prop_assert_eq!(end.0, later.map_or(log.log_end().0, |kept| kept.offset));
            prop_assert!(found.0 <= asked);
        }
    }

    #[test]
    fn a_producer_that_repeats_its_last_five_batches_changes_nothing(
        counts in prop::collection::vec(1_usize..4, 1..12),
        from in 0_i32..3,
    ) {
        let mut log = PartitionLog::new(LeaderEpoch(0));
        let mut sequence = Sequence(i32::MAX - from);
        let mut sent = Vec::new();
        for count in &counts {
            let mut stamp = Stamp::default();
            (stamp.producer_id, stamp.producer_epoch, stamp.base_sequence) = (ProducerId(4), ProducerEpoch(0), sequence);
            let batch = batch(&vec![1; *count], Codec::None, &stamp);
            let appended = log.append(&batch, &context(0)).unwrap();
            prop_assert!(!appended.is_duplicate);
            sent.push((batch, appended.base_offset));
            sequence = sequence.plus(i32::try_from(*count).unwrap());
        }
        let end = log.log_end();
        for (batch, base_offset) in sent.iter().rev().take(5) {
            let again = log.append(batch, &context(0)).unwrap();
            prop_assert!(again.is_duplicate);
            prop_assert_eq!(again.base_offset, *base_offset);
        }
        prop_assert_eq!(log.log_end(), end);
    }
}

fn written_by(producer: i64) -> Stamp {
    let mut stamp = Stamp::default();
    (stamp.producer_id, stamp.producer_epoch) = (ProducerId(producer), ProducerEpoch(0));
    stamp
}

/// A control batch of a transaction's end.
fn marker(producer: i64, commit: bool) -> Bytes {
    let (key, value) = courant_protocol::record::control::marker(commit, 0);
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    writer.append(UnixMillis(1), Some(&key), Some(&value), NO_HEADERS).unwrap();
    let stamp = written_by(producer);
    let sealed = writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap();
    let mut bytes = sealed.to_bytes(&stamp).to_vec();
    // Attributes: transactional and control; raw appends do not look at the checksum.
    bytes[22] |= 0x30;
    bytes.into()
}

#[test]
fn an_open_transaction_holds_back_readers_of_committed_records_and_an_aborted_one_is_told() {
    let mut log = PartitionLog::new(LeaderEpoch(0));
    let in_transaction = |producer: i64| {
        let mut stamp = written_by(producer);
        (stamp.base_sequence, stamp.transactional) = (Sequence(0), true);
        batch(&[1, 2], Codec::None, &stamp).bytes().clone()
    };
    let mut append = |bytes: Bytes| log.append_raw(bytes, LeaderEpoch(0)).unwrap().0;
    assert_eq!(append(in_transaction(1)), 0);
    assert_eq!(append(in_transaction(2)), 2);
    assert_eq!(append(marker(1, true)), 4);
    assert_eq!((log.last_stable_offset(), log.high_watermark()), (Offset(2), Offset(5)));
    assert_eq!(end_of(log.read(Offset(0), usize::MAX, true, log.last_stable_offset())), Some(Offset(2)));
    log.append_raw(marker(2, false), LeaderEpoch(0)).unwrap();
    assert_eq!(log.last_stable_offset(), Offset(6));
    let aborted: Vec<_> = log
        .aborted_between(Offset(0), Offset(6), Offset(6))
        .map(|txn| (txn.producer_id.0, txn.first_offset.0))
        .collect();
    assert_eq!(aborted, [(2, 2)]);
}

/// Seen at Apache Kafka 4.3.1: `testkit/tests/transactions` compares.
#[test]
fn a_read_is_taken_to_go_to_the_next_entry_of_the_index_and_past_the_first_if_it_ends_there() {
    let one_segment = SegmentLimits { bytes: 1 << 30, span_ms: i64::MAX };
    let mut log = PartitionLog::new(LeaderEpoch(0));
    for _ in 0..200 {
        let context = AppendContext { segments: one_segment, ..context(0) };
        log.append(&batch(&[1], Codec::None, &Stamp::default()), &context).unwrap();
    }
    let len = log.batches()[0].len();
    // One record a batch, an entry for each such number of them.
    let every = i64::try_from(4096 / len + 1).unwrap();
    let bound = |offset: i64| log.index_bound(Offset(offset), len).map(|bound| bound.0);
    assert_eq!(bound(0), Some(every));
    assert_eq!(bound(every - 2), Some(every));
    assert_eq!(bound(every - 1), Some(2 * every));
    assert_eq!(bound(2 * every - 1), Some(2 * every));
    assert_eq!(bound(199), None);
}
