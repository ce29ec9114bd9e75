//! Record batches that lie: none panics, none makes us allocate more than its size justifies, none decompresses
//! beyond the limit. A counting allocator watches, so the tests of this file take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use courant_protocol::compression::{Codec, CompressionError, CompressionScratch};
use courant_protocol::record::{
    BatchWriter, Batches, NO_HEADERS, ReadOptions, RecordError, Stamp, WriterOptions,
};
use courant_protocol::types::UnixMillis;
use peak_alloc::PeakAlloc;

#[path = "../fuzz/src/record_batch.rs"]
mod record_batch;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many bytes `run` had allocated at most, beyond what there was before.
fn peak_of<T>(run: impl FnOnce() -> T) -> (usize, T) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = run();
    (ALLOCATOR.peak_usage().saturating_sub(before), result)
}

/// What reading a frame of this size may allocate before decompression.
fn allowance(frame_bytes: usize) -> usize {
    48 * frame_bytes + (64 << 10)
}

/// A generator of its own, so that a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn golden_sets() -> Vec<Vec<u8>> {
    let mut sets = Vec::new();
    for file in ["magic2.jsonl.gz", "magic0-1.jsonl.gz"] {
        let path = format!("{}/tests/golden/records/{file}", env!("CARGO_MANIFEST_DIR"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        for line in text.lines() {
            let set: serde_json::Value = serde_json::from_str(line).unwrap();
            let hex = set["hex"].as_str().unwrap();
            let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            sets.push(pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect());
        }
    }
    sets
}

/// A scratch whose contexts were made before anything is counted.
fn warm_scratch() -> CompressionScratch {
    let mut scratch = CompressionScratch::new();
    for codec in Codec::ALL.into_iter().filter(|codec| codec.is_built()) {
        let (mut small, mut back) = (Vec::new(), Vec::new());
        scratch.compress(codec, None, &[b'x'; 1000], &mut small).unwrap();
        scratch.decompress(codec, &small, 1 << 20, &mut back).unwrap();
    }
    scratch
}

/// Reads `bytes` twice, without and with decompression, and checks what each allocates: the allowance, and what
/// decompression may take (the limit twice, while a full buffer is moved into a larger one).
fn read_bounded(bytes: &[u8], scratch: &mut CompressionScratch) -> usize {
    let mut seen = 0;
    for max_decompressed_bytes in [0, 1 << 20] {
        let limit = 2 * max_decompressed_bytes + allowance(bytes.len());
        let (peak, records) = peak_of(|| record_batch::run(bytes, max_decompressed_bytes, scratch));
        assert!(peak <= limit, "{} bytes made us allocate {peak}", bytes.len());
        seen = records;
    }
    seen
}

#[test]
fn random_bytes_are_read_without_a_panic() {
    let _turn = turn();
    let (mut random, mut scratch) = (Random(0x1234_5678_9abc_def1), warm_scratch());
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        // A plausible length and magic, or nothing gets past the first field.
        let length = bytes.len().saturating_sub(12) as u32;
        if let Some(field) = bytes.get_mut(8..12) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        if let Some(magic) = bytes.get_mut(16) {
            *magic %= 4;
        }
        read_bounded(&bytes, &mut scratch);
    }
}

#[test]
fn cut_and_mutated_batches_are_read_without_a_panic() {
    let _turn = turn();
    let (mut random, mut scratch) = (Random(0x9e37_79b9_7f4a_7c15), warm_scratch());
    let mut seen = 0;
    for set in golden_sets() {
        assert!(set.len() < 200_000);
        for _ in 0..15 {
            let cut = random.below(set.len() + 1);
            seen += read_bounded(&set[..cut], &mut scratch);
        }
        for _ in 0..if set.len() > 6000 { 10 } else { 60 } {
            let mut bytes = set.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = match random.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => bytes[at] ^ (1 << random.below(8)),
                    _ => random.next() as u8,
                };
            }
            seen += read_bounded(&bytes, &mut scratch);
        }
    }
    assert!(seen > 5_000, "only {seen} records were reached: the mutations hit nothing behind the header");
}

/// A batch around `body` that claims `count` records, with a checksum that is right.
fn batch_of(codec: Codec, count: i32, body: &[u8]) -> Vec<u8> {
    let writer = BatchWriter::new(bytes::BytesMut::new(), WriterOptions::default());
    let empty = writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap();
    let mut batch = empty.header(&Stamp::default()).to_vec();
    batch.extend_from_slice(body);
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[21..23].copy_from_slice(&codec.id().to_be_bytes());
    batch[23..27].copy_from_slice(&i32::MAX.to_be_bytes());
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// Opens the one batch there is with `limit` and gives what went wrong, and what that allocated.
fn refused(bytes: &[u8], limit: usize) -> (usize, RecordError) {
    let mut scratch = warm_scratch();
    let options = ReadOptions::default().max_decompressed_bytes(limit);
    let batch = Batches::new(bytes.to_vec(), options).next().unwrap().unwrap();
    let (peak, result) = peak_of(|| batch.records(&mut scratch).and_then(|records| records.validate()));
    (peak, result.expect_err("it is refused"))
}

#[test]
fn counts_that_lie_are_typed_errors_and_reserve_nothing() {
    let _turn = turn();
    // length 6, attributes, two deltas, null key, null value, no headers
    let record = [12, 0, 0, 0, 1, 1, 0];
    let (peak, error) = refused(&batch_of(Codec::None, i32::MAX, &record), 1 << 20);
    assert_eq!(
        error.to_string(),
        "the batch at offset 0 claims 2147483647 records: there is no room for so many"
    );
    assert!(peak < 1 << 10, "{peak}");

    // The same record with 2^31-1 headers.
    let headers = [20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    let (peak, error) = refused(&batch_of(Codec::None, 1, &headers), 1 << 20);
    assert_eq!(error.to_string(), "record 0 of the batch at offset 0 is malformed: a header is cut");
    assert!(peak < 1 << 10, "{peak}");

    let (_, error) = refused(&batch_of(Codec::None, 2, &record), 1 << 20);
    assert!(matches!(error, RecordError::Count { claimed: 2, .. }), "{error}");
    let (_, error) = refused(&batch_of(Codec::None, 2, &[record, [0; 7]].concat()), 1 << 20);
    assert!(matches!(error, RecordError::Record { index: 1, .. }), "{error}");
    let (_, error) = refused(&batch_of(Codec::None, 1, &[&record[..], &[0; 8]].concat()), 1 << 20);
    assert!(matches!(error, RecordError::Count { claimed: 1, .. }), "{error}");
}

#[test]
fn a_negative_count_or_length_is_a_typed_error() {
    let _turn = turn();
    let negative = batch_of(Codec::None, -1, &[]);
    let error = Batches::new(negative.clone(), ReadOptions::default()).next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the batch at offset 0 has recordsCount -1");
    let mut negative_length = negative;
    negative_length[8..12].copy_from_slice(&(-5_i32).to_be_bytes());
    let mut batches = Batches::new(negative_length, ReadOptions::default());
    assert!(matches!(batches.next(), Some(Err(RecordError::Length { length: -5, .. }))));
    assert!(batches.next().is_none());
}

/// As long a gzip stream of zeros as `bytes` can hold: one deflate block over and over.
#[cfg(feature = "gzip")]
fn gzip_bomb(bytes: usize) -> Vec<u8> {
    use flate2::{Compress, Compression, FlushCompress};
    let zeros = vec![0; 256 << 10];
    let mut deflate = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(64 << 10);
    deflate.compress_vec(&zeros, &mut block, FlushCompress::Full).unwrap();
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    while bomb.len() + block.len() <= bytes {
        bomb.extend_from_slice(&block);
    }
    bomb
}

/// As long a zstd stream of zeros as `bytes` can hold: RLE blocks of 128 KiB in 4 bytes each.
#[cfg(feature = "zstd")]
fn zstd_bomb(bytes: usize) -> Vec<u8> {
    // No content size, no checksum; a window of 128 KiB.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    let block = (128_u32 << 10) << 3 | 1 << 1;
    while bomb.len() + 8 <= bytes {
        bomb.extend_from_slice(&block.to_le_bytes()[..3]);
        bomb.push(0);
    }
    bomb.extend_from_slice(&(block | 1).to_le_bytes()[..3]);
    bomb.push(0);
    bomb
}

/// Blocks of zeros by the codec itself, framed as it frames them, as many as `bytes` can hold.
fn own_bomb(codec: Codec, bytes: usize) -> Vec<u8> {
    let mut bomb = Vec::new();
    let mut scratch = CompressionScratch::new();
    let mut size = 1 << 10;
    loop {
        let mut next = Vec::new();
        scratch.compress(codec, None, &vec![0; size], &mut next).unwrap();
        if next.len() > bytes {
            return bomb;
        }
        (bomb, size) = (next, size * 3 / 2);
    }
}

fn bombs(bytes: usize) -> Vec<(Codec, Vec<u8>)> {
    let mut bombs = Vec::new();
    #[cfg(feature = "gzip")]
    bombs.push((Codec::Gzip, gzip_bomb(bytes)));
    #[cfg(feature = "zstd")]
    bombs.push((Codec::Zstd, zstd_bomb(bytes)));
    for codec in [Codec::Lz4, Codec::Snappy] {
        if codec.is_built() {
            bombs.push((codec, own_bomb(codec, bytes.min(10 << 10))));
        }
    }
    bombs
}

/// clients.md trap 58.
#[test]
fn ten_kibibytes_that_grow_are_stopped_at_the_limit() {
    let _turn = turn();
    let limit = 128 << 10;
    for (codec, bomb) in bombs(10 << 10) {
        assert!(bomb.len() > 8 << 10 || codec != Codec::Zstd);
        let bytes = batch_of(codec, 1, &bomb);
        let (peak, error) = refused(&bytes, limit);
        assert!(
            matches!(error, RecordError::Compression { source: CompressionError::TooLarge { .. }, .. }),
            "{codec}: {error}"
        );
        assert!(peak <= 2 * limit + (64 << 10), "{codec}: {peak} bytes");
    }
}

#[test]
fn a_gibibyte_is_stopped_at_the_limit_too() {
    let _turn = turn();
    let limit = 1 << 20;
    // gzip holds a thousand zeros in a byte and zstd thirty thousand; lz4 and snappy cannot grow so far.
    for (codec, bomb) in bombs(1100 << 10) {
        let (peak, error) = refused(&batch_of(codec, 1, &bomb), limit);
        let too_large =
            matches!(error, RecordError::Compression { source: CompressionError::TooLarge { .. }, .. });
        let lower = matches!(codec, Codec::Lz4 | Codec::Snappy);
        assert!(too_large || lower, "{codec}: {error}");
        assert!(peak <= 2 * limit + (64 << 10), "{codec}: {peak} bytes");
    }
}

#[test]
fn claimed_sizes_reserve_nothing() {
    let _turn = turn();
    let limit = 64 << 20;
    let mut claims: Vec<(Codec, Vec<u8>)> = Vec::new();
    // A raw snappy block of 2^32-1 bytes in 7 bytes, and one of 1 GiB in xerial's frame.
    claims.push((Codec::Snappy, vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]));
    let mut xerial = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    xerial.extend_from_slice(&[0, 0, 0, 7, 0x80, 0x80, 0x80, 0x80, 0x04, 0, 0]);
    claims.push((Codec::Snappy, xerial));
    // A zstd frame in one segment of 1 GiB, and one with a window of 1 TiB.
    claims.push((Codec::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40, 1, 0, 0]));
    claims.push((Codec::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf0, 1, 0, 0]));
    // An lz4 block of 2 GiB.
    claims.push((Codec::Lz4, vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 0xff, 0xff, 0xff, 0x7f]));
    for (codec, claim) in claims.into_iter().filter(|(codec, _)| codec.is_built()) {
        let (peak, error) = refused(&batch_of(codec, 1, &claim), limit);
        assert!(matches!(error, RecordError::Compression { .. }), "{codec}: {error}");
        assert!(peak <= 64 << 10, "{codec}: {claim:02x?} reserved {peak} bytes");
    }
}

#[test]
fn a_codec_that_kafka_does_not_have_is_named() {
    let _turn = turn();
    let mut bytes = batch_of(Codec::None, 0, &[]);
    bytes[22] = 5;
    let batch = Batches::new(bytes, ReadOptions::default().check_crcs(false)).next().unwrap().unwrap();
    let error = batch.records(&mut CompressionScratch::new()).unwrap_err();
    assert_eq!(error.to_string(), "the batch at offset 0 cannot be read: codec number 5 is unknown");
}

#[test]
fn a_limit_that_fits_exactly_is_no_error() {
    let _turn = turn();
    for codec in Codec::ALL.into_iter().filter(|codec| codec.is_built()) {
        let mut scratch = CompressionScratch::new();
        let mut writer = BatchWriter::new(bytes::BytesMut::new(), WriterOptions::default());
        writer.append(UnixMillis(1), None, Some(&[7; 50_000]), NO_HEADERS).unwrap();
        let body = writer.len() - 61;
        let bytes = writer.seal(codec, None, &mut scratch).unwrap().to_bytes(&Stamp::default());
        for (limit, fits) in [(body, true), (body - 1, false)] {
            let options = ReadOptions::default().max_decompressed_bytes(limit);
            let batch = Batches::new(bytes.clone(), options).next().unwrap().unwrap();
            let opened = batch.records(&mut scratch);
            // What is not compressed is not decompressed, and takes no room.
            assert_eq!(opened.is_ok(), fits || codec == Codec::None, "{codec} {limit}: {opened:?}");
        }
    }
}

#[test]
fn the_corpus_is_read_without_a_panic() {
    let _turn = turn();
    let mut scratch = warm_scratch();
    let folder = format!("{}/fuzz/corpus/record_batch", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(files.len() >= 20);
    for file in files {
        read_bounded(&std::fs::read(file.unwrap().path()).unwrap(), &mut scratch);
    }
}
