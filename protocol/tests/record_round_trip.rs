//! Records written by our writer and read by our reader, for every codec.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use courant_protocol::compression::{Codec, CompressionError, CompressionScratch};
use courant_protocol::record::{
    AppendError, BATCH_OVERHEAD, BatchWriter, Batches, NO_HEADERS, ReadOptions, SealedBatch, Stamp,
    WriterOptions, patch_log_append_time, record_size_upper_bound,
};
use courant_protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Plain {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Plain {
    fn of(timestamp: i64, value: &[u8]) -> Self {
        Self { timestamp, key: None, value: Some(value.to_vec()), headers: Vec::new() }
    }

    fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
        self.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    fn append(&self, writer: &mut BatchWriter) -> Result<u32, AppendError> {
        writer.append(UnixMillis(self.timestamp), self.key.as_deref(), self.value.as_deref(), self.headers())
    }
}

fn sealed(records: &[Plain], codec: Codec) -> SealedBatch {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for (index, record) in records.iter().enumerate() {
        let before = writer.len();
        let upper = writer.would_take(record.key.as_deref(), record.value.as_deref(), record.headers());
        assert_eq!(record.append(&mut writer).unwrap(), index as u32);
        assert!(writer.len() - before <= upper);
        let alone = record_size_upper_bound(record.key.as_deref(), record.value.as_deref(), record.headers());
        assert_eq!(alone, BATCH_OVERHEAD + upper);
    }
    writer.seal(codec, None, &mut CompressionScratch::new()).unwrap()
}

fn read(bytes: Bytes) -> Vec<(i64, Plain)> {
    let mut scratch = CompressionScratch::new();
    let mut out = Vec::new();
    let mut batches = Batches::new(bytes, ReadOptions::default());
    for batch in &mut batches {
        for record in &batch.unwrap().records(&mut scratch).unwrap() {
            let record = record.unwrap();
            let headers = record.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
            let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            out.push((record.offset.0, Plain { timestamp: record.timestamp.0, key, value, headers }));
        }
    }
    assert!(!batches.tail_incomplete());
    out
}

fn any_record() -> impl Strategy<Value = Plain> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    let times = prop_oneof![0_i64..2_000_000_000_000, Just(-1)];
    (times, bytes(), bytes(), vec((vec(any::<u8>(), 0..20), bytes()), 0..4))
        .prop_map(|(timestamp, key, value, headers)| Plain { timestamp, key, value, headers })
}

fn built_codecs() -> Vec<Codec> {
    Codec::ALL.into_iter().filter(|codec| codec.is_built()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_with_every_codec(
        records in vec(any_record(), 1..30),
        base in 0_i64..1 << 40,
        sequence: i32,
    ) {
        for codec in built_codecs() {
            let batch = sealed(&records, codec);
            let stamp = Stamp::idempotent(ProducerId(7), ProducerEpoch(1), Sequence(sequence & i32::MAX))
                .at(Offset(base), 3.into());
            let read = read(batch.to_bytes(&stamp));
            let expected: Vec<_> = records.iter().cloned().enumerate()
                .map(|(index, record)| (base + index as i64, record)).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_split_batch_holds_the_same_records_in_order(
        records in vec(any_record(), 1..30),
        max_bytes in 100_usize..3000,
    ) {
        for codec in built_codecs() {
            let mut scratch = CompressionScratch::new();
            let parts = sealed(&records, codec).split(max_bytes, None, &mut scratch).unwrap();
            prop_assert!(parts.iter().all(|part| part.uncompressed_bytes() <= max_bytes || part.count() == 1));
            let mut base = 0;
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend_from_slice(&part.to_bytes(&Stamp::default().at(Offset(base), 0.into())));
                base += i64::from(part.count());
            }
            let read: Vec<_> = read(bytes.into()).into_iter().map(|(_, record)| record).collect();
            prop_assert_eq!(&read, &records);
        }
    }
}

/// clients.md trap 23.
#[test]
fn headers_keep_their_order_duplicates_and_nulls() {
    let header =
        |key: &str, value: Option<&str>| (key.as_bytes().to_vec(), value.map(|v| v.as_bytes().to_vec()));
    let mut record = Plain::of(5, b"v");
    record.headers = vec![
        header("a", Some("1")),
        header("a", Some("2")),
        header("b", None),
        header("", Some("")),
        header("a", Some("1")),
    ];
    // A key that is not UTF-8 is kept as it is.
    record.headers.push((vec![0xff, 0xfe], Some(vec![0])));
    for codec in built_codecs() {
        let bytes = sealed(std::slice::from_ref(&record), codec).to_bytes(&Stamp::default());
        assert_eq!(read(bytes)[0].1.headers, record.headers);
    }
    let bytes = sealed(&[record], Codec::None).to_bytes(&Stamp::default());
    let batch = Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap();
    let records = batch.records(&mut CompressionScratch::new()).unwrap();
    let view = records.iter().next().unwrap().unwrap();
    assert_eq!(view.last_header("a").unwrap().value, Some(&b"1"[..]));
    assert_eq!(view.last_header("b").unwrap().value, None);
    assert_eq!(view.last_header("c"), None);
    assert_eq!(view.headers().len(), 6);
}

/// clients.md trap 22.
#[test]
fn log_append_time_is_the_timestamp_of_every_record() {
    let records = [Plain::of(1000, b"a"), Plain::of(1007, b"b"), Plain::of(900, b"c")];
    let mut bytes = sealed(&records, Codec::None).to_bytes(&Stamp::default()).to_vec();
    patch_log_append_time(&mut bytes, UnixMillis(9999));
    let timestamps: Vec<i64> = read(bytes.into()).iter().map(|(_, record)| record.timestamp).collect();
    assert_eq!(timestamps, [9999, 9999, 9999]);
}

/// clients.md trap 18, on the codec's side.
#[test]
fn a_cut_tail_ends_the_batches_without_an_error() {
    let whole = sealed(&[Plain::of(1, b"a"), Plain::of(2, b"b")], Codec::None).to_bytes(&Stamp::default());
    let two = [whole.clone(), whole.clone()].concat();
    for cut in 1..whole.len() {
        let mut batches = Batches::new(two[..two.len() - cut].to_vec(), ReadOptions::default());
        assert!(batches.next().unwrap().is_ok(), "the whole one in front of {cut} missing bytes");
        assert!(batches.next().is_none(), "{cut} bytes are missing");
        assert!(batches.tail_incomplete());
        let knows = whole.len() - cut >= 12;
        assert_eq!(batches.incomplete_batch_bytes(), Some(if knows { whole.len() } else { 12 }));
    }
}

/// clients.md trap 15, on the codec's side: the log cleaner removes records but not the batch's end.
#[test]
fn the_next_offset_lies_behind_the_batch_and_not_behind_its_last_record() {
    let mut bytes = sealed(&[Plain::of(1, b"a")], Codec::None).to_bytes(&Stamp::default()).to_vec();
    bytes[23..27].copy_from_slice(&41_i32.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let batch = Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap();
    assert_eq!(batch.header().last_offset, Offset(41));
    assert_eq!(batch.header().next_offset(), Offset(42));
}

#[test]
fn a_restamped_batch_differs_in_its_header_alone() {
    let batch = sealed(&[Plain::of(1, b"a"), Plain::of(2, b"b")], Codec::None);
    let first = batch.records(&Stamp::idempotent(ProducerId(1), ProducerEpoch(0), Sequence(i32::MAX)));
    let again = Stamp::idempotent(ProducerId(1), ProducerEpoch(1), Sequence(0)).transactional(true);
    let second = batch.records(&again);
    let bodies: Vec<_> = [&first, &second].iter().map(|r| r.segments().nth(1).unwrap().as_ptr()).collect();
    assert_eq!(bodies[0], bodies[1], "the body is shared");
    let header = *Batches::new(first.into_bytes(), ReadOptions::default()).next().unwrap().unwrap().header();
    assert_eq!((header.base_sequence, header.last_sequence()), (Sequence(i32::MAX), Sequence(0)));
    let header = *Batches::new(second.into_bytes(), ReadOptions::default()).next().unwrap().unwrap().header();
    assert_eq!((header.producer_epoch, header.last_sequence()), (ProducerEpoch(1), Sequence(1)));
    assert!(header.attributes.is_transactional());
}

#[test]
fn a_full_batch_refuses_and_stays_as_it_was() {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::max_bytes(100));
    // The first record goes in however large it is, or it could never be sent.
    assert_eq!(Plain::of(1, &[b'x'; 200]).append(&mut writer), Ok(0));
    let len = writer.len();
    assert_eq!(Plain::of(2, b"y").append(&mut writer), Err(AppendError::Full));
    assert_eq!((writer.len(), writer.count(), writer.max_timestamp()), (len, 1, UnixMillis(1)));
    let far = writer.append(UnixMillis(i64::MIN), None, None, NO_HEADERS);
    assert!(matches!(far, Err(AppendError::Timestamp { .. })));
}

#[test]
fn bytes_that_do_not_shrink_are_sent_as_they_are() {
    for codec in built_codecs() {
        let batch = sealed(&[Plain::of(1, b"x")], codec);
        assert_eq!(batch.codec(), Codec::None, "{codec}");
        assert_eq!(read(batch.to_bytes(&Stamp::default())), [(0, Plain::of(1, b"x"))]);
        let batch = sealed(&[Plain::of(1, &[b'x'; 5000])], codec);
        assert_eq!(batch.codec(), codec);
        assert_eq!(batch.uncompressed_bytes() > batch.len(), codec != Codec::None);
    }
}

#[test]
fn a_sum_that_is_kept_up_is_that_of_the_whole() {
    for codec in built_codecs() {
        let batches = [false, true].map(|uncompressed| {
            let options = WriterOptions::max_bytes(64 << 10).uncompressed(uncompressed);
            let mut writer = BatchWriter::new(BytesMut::new(), options);
            // Records from a few bytes to more than the step in which sums are kept up.
            for size in 0..100 {
                Plain::of(size, &vec![b'x'; size as usize * 97]).append(&mut writer).ok();
            }
            writer.seal(codec, None, &mut CompressionScratch::new()).unwrap().to_bytes(&Stamp::default())
        });
        let [at_the_end, kept_up] = &batches;
        assert_eq!(kept_up, at_the_end, "{codec}");
        assert!(Batches::new(kept_up.clone(), ReadOptions::default()).all(|batch| batch.is_ok()));
    }
}

#[test]
fn buffers_come_back_for_the_next_batch() {
    let mut scratch = CompressionScratch::new();
    let mut writer = BatchWriter::new(BytesMut::with_capacity(4096), WriterOptions::default());
    Plain::of(1, &[b'x'; 1000]).append(&mut writer).unwrap();
    let batch = writer.seal(Codec::None, None, &mut scratch).unwrap();
    let sent = batch.records(&Stamp::default());
    let shared = batch.clone();
    assert!(shared.into_buffer().is_none(), "the body is still in flight");
    drop(sent);
    assert!(batch.into_buffer().unwrap().capacity() >= 4096 - 61);

    let codec = built_codecs().into_iter().last().unwrap();
    let mut writer = BatchWriter::new(BytesMut::with_capacity(4096), WriterOptions::default());
    Plain::of(1, &[b'x'; 1000]).append(&mut writer).unwrap();
    let mut batch = writer.seal(codec, None, &mut scratch).unwrap();
    assert_eq!(batch.take_spare_buffer().is_some(), codec != Codec::None);
}

#[test]
fn every_level_of_a_codec_reads_back() {
    let mut scratch = CompressionScratch::new();
    let input: Vec<u8> = (0..100_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    for codec in built_codecs() {
        let Some(levels) = codec.levels() else { continue };
        for level in [*levels.start(), -1, 1, 3, *levels.end()] {
            let (mut small, mut back) = (Vec::new(), Vec::new());
            if scratch.compress(codec, Some(level), &input[..20_000], &mut small).is_err() {
                assert!(!levels.contains(&level), "{codec} {level}");
                continue;
            }
            scratch.decompress(codec, &small, 1 << 20, &mut back).unwrap();
            assert_eq!(back, &input[..20_000], "{codec} {level}");
        }
    }
}

#[test]
fn an_output_that_is_used_again_holds_what_was_decompressed_last_and_no_more_than_its_limit() {
    let mut scratch = CompressionScratch::new();
    for codec in built_codecs().into_iter().filter(|codec| *codec != Codec::None) {
        let mut compressed = |length: usize| {
            let mut small = Vec::new();
            scratch.compress(codec, None, &vec![length as u8; length], &mut small).unwrap();
            small
        };
        let inputs = [70_001, 3, 200_002, 40_003].map(|length| (length, compressed(length)));
        let mut output = Vec::new();
        for (length, small) in &inputs {
            scratch.decompress(codec, small, *length, &mut output).unwrap();
            assert_eq!(output, vec![*length as u8; *length], "{codec}");
            let limit = length / 2;
            let failure = scratch.decompress(codec, small, limit, &mut output).unwrap_err();
            assert!(
                matches!(failure, CompressionError::TooLarge { limit: at, .. } if at == limit),
                "{codec} {failure}"
            );
            assert!(output.len() <= limit + 1, "{codec}: {} bytes where {limit} are allowed", output.len());
        }
    }
}

#[test]
fn a_batch_that_cannot_be_compressed_comes_back_as_it_was_written() {
    let mut scratch = CompressionScratch::new();
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    writer.append(UnixMillis(5), Some(b"key"), Some(b"value"), NO_HEADERS).unwrap();
    let failed = writer.seal(Codec::Zstd, Some(99), &mut scratch).unwrap_err();
    assert!(matches!(failed.source, CompressionError::Level { level: 99, .. }), "{failed:?}");
    let bytes = failed.uncompressed.to_bytes(&Stamp::default());
    let batch = Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap();
    let records = batch.records(&mut scratch).unwrap();
    let found: Vec<_> = records.iter().map(|record| record.unwrap()).map(|r| (r.key, r.value)).collect();
    assert_eq!(found, [(Some(&b"key"[..]), Some(&b"value"[..]))]);
}
