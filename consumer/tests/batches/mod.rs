//! Batches as brokers store them, also such as no client of ours writes: compacted, with markers, with broken checksums.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]
use bytes::{Bytes, BytesMut};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{BatchWriter, NO_HEADERS, SealedBatch, Stamp, WriterOptions, control};
use courant_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};

/// A batch to be built.
#[derive(Clone, Debug)]
pub struct Spec {
    base_offset: i64,
    epoch: i32,
    values: Vec<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    codec: Codec,
    producer: Option<i64>,
    transactional: bool,
    marker: Option<bool>,
    last_offset: Option<i64>,
    kept: Option<i32>,
    log_append_time: Option<i64>,
}

impl Spec {
    /// A batch whose first record has this offset.
    pub fn at(base_offset: i64) -> Self {
        Self {
            base_offset,
            epoch: -1,
            values: Vec::new(),
            headers: Vec::new(),
            codec: Codec::None,
            producer: None,
            transactional: false,
            marker: None,
            last_offset: None,
            kept: None,
            log_append_time: None,
        }
    }

    /// `count` records whose values are `v<offset>`.
    pub fn records(mut self, count: i64) -> Self {
        let first = self.base_offset;
        self.values.extend((0..count).map(|index| format!("v{}", first + index).into_bytes()));
        self
    }

    /// A record with this value.
    pub fn value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// One record with these headers.
    pub fn headers(mut self, headers: &[(&str, Option<&[u8]>)]) -> Self {
        self.headers =
            headers.iter().map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec))).collect();
        self.value("with headers")
    }

    /// Written by the leader of this epoch.
    pub fn epoch(self, epoch: i32) -> Self {
        Self { epoch, ..self }
    }

    /// Compressed.
    pub fn codec(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    /// Written by an idempotent producer.
    pub fn producer(self, id: i64) -> Self {
        Self { producer: Some(id), ..self }
    }

    /// Written inside a transaction of this producer.
    pub fn transaction(self, id: i64) -> Self {
        Self { producer: Some(id), transactional: true, ..self }
    }

    /// The marker that commits (or aborts) this producer's transaction.
    pub fn marker(self, id: i64, commit: bool) -> Self {
        Self { marker: Some(commit), ..self.transaction(id) }
    }

    /// The batch was written up to this offset; compaction has removed what is missing.
    pub fn last_offset(self, last: i64) -> Self {
        Self { last_offset: Some(last), ..self }
    }

    /// Compaction has removed all records.
    pub fn emptied(self) -> Self {
        Self { kept: Some(0), ..self }
    }

    /// The broker set the time of all records.
    pub fn log_append_time(self, time: i64) -> Self {
        Self { log_append_time: Some(time), ..self }
    }

    /// The bytes.
    pub fn bytes(self) -> Bytes {
        let options = if self.marker.is_some() { WriterOptions::control() } else { WriterOptions::default() };
        let mut writer = BatchWriter::new(BytesMut::new(), options);
        match self.marker {
            Some(commit) => {
                let (key, value) = control::marker(commit, 0);
                writer.append(UnixMillis(1000), Some(&key), Some(&value), NO_HEADERS).unwrap();
            }
            None if self.values.is_empty() => {
                writer.append(UnixMillis(1000), None, None, NO_HEADERS).unwrap();
            }
            None => {
                for value in &self.values {
                    let headers = self.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
                    writer.append(UnixMillis(1000), Some(b"k"), Some(value), headers).unwrap();
                }
            }
        }
        let sealed = writer.seal(self.codec, None, &mut CompressionScratch::new()).unwrap();
        let mut stamp = Stamp::default();
        if let Some(id) = self.producer {
            stamp = Stamp::idempotent(ProducerId(id), ProducerEpoch(0), Sequence(0))
                .transactional(self.transactional);
        }
        let stamp = stamp.at(Offset(self.base_offset), LeaderEpoch(self.epoch));
        let mut bytes = sealed.to_bytes(&stamp).to_vec();
        if self.kept == Some(0) {
            bytes.truncate(61);
            bytes[57..61].copy_from_slice(&0_i32.to_be_bytes());
            bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
        }
        if let Some(last) = self.last_offset {
            let delta = i32::try_from(last - self.base_offset).unwrap();
            bytes[23..27].copy_from_slice(&delta.to_be_bytes());
        }
        if let Some(time) = self.log_append_time {
            bytes[22] |= 1 << 3;
            bytes[35..43].copy_from_slice(&time.to_be_bytes());
        }
        let crc = crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    }

    /// The bytes with one record whose key is longer than the record; the checksum is right.
    pub fn malformed(self, index: usize) -> Bytes {
        let mut bytes = self.bytes().to_vec();
        let mut at = 61;
        for _ in 0..index {
            // Short records only: their lengths take one byte.
            at += 1 + usize::from(bytes[at] >> 1);
        }
        bytes[at + 4] = 0x7e;
        let crc = crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    }

    /// The bytes with a version that no batch has.
    pub fn of_unknown_magic(self) -> Bytes {
        let mut bytes = self.bytes().to_vec();
        bytes[16] = 9;
        Bytes::from(bytes)
    }

    /// The bytes with one of the records' flipped, so that the checksum is wrong.
    pub fn broken(self) -> Bytes {
        let mut bytes = self.bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 0xff;
        Bytes::from(bytes)
    }
}

/// A batch of these values that a mock stamps and places.
pub fn unplaced<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> SealedBatch {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for value in values {
        writer.append(UnixMillis(1000), Some(b"k"), Some(value.as_ref()), NO_HEADERS).unwrap();
    }
    writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap()
}

/// Batches one after the other.
pub fn log(batches: impl IntoIterator<Item = Bytes>) -> Bytes {
    let mut bytes = BytesMut::new();
    batches.into_iter().for_each(|batch| bytes.extend_from_slice(&batch));
    bytes.freeze()
}

/// CRC-32C, bit by bit: another implementation than the product's.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
