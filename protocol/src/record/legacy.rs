//! Message sets of magic 0 and 1, which Kafka wrote until 0.11 and old logs still hold. They are only read.
//!
//! ```text
//! offset i64 · size i32 · crc u32 · magic i8 · attributes i8 · [magic 1: timestamp i64] · key bytes · value bytes
//! ```
//! A compressed message is a wrapper: its value is a message set, and its offset that of the last message inside.
//! Inside, magic 0 has absolute offsets and magic 1 relative ones (KIP-31).
use crate::compression::{Codec, CompressionScratch};
use crate::record::batch::{Batch, BatchRecords, Format};
use crate::record::error::RecordError;
use crate::record::header::{Attributes, BatchHeader, LOG_OVERHEAD};
use crate::record::varint::Cursor;
use crate::record::view::{Headers, RecordView};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};

/// Where the bytes begin that the CRC-32 covers.
pub(super) const CRC_FROM: usize = 16;

/// How the messages of a set stand to their wrapper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relative {
    /// What is added to their offsets.
    shift: i64,
    /// The wrapper's timestamp, where the broker set it (LogAppendTime).
    timestamp: Option<UnixMillis>,
}

impl Relative {
    const ABSOLUTE: Self = Self { shift: 0, timestamp: None };

    /// Reads the next message of a set.
    pub(super) fn record<'a>(self, cursor: &mut Cursor<'a>) -> Result<RecordView<'a>, &'static str> {
        let message = Message::read(cursor)?;
        if message.attributes.codec() != Ok(Codec::None) {
            return Err("it is compressed inside a compressed message");
        }
        let offset = message.offset.checked_add(self.shift).ok_or("its offset overflows")?;
        Ok(RecordView {
            offset: Offset(offset),
            timestamp: self.timestamp.unwrap_or(message.timestamp),
            key: message.key,
            value: message.value,
            headers: Headers::EMPTY,
        })
    }
}

/// The header of a message; `cursor` stands behind its length field.
pub(super) fn header(
    offset: Offset,
    magic: i8,
    size_bytes: usize,
    mut cursor: Cursor<'_>,
) -> Result<BatchHeader, RecordError> {
    let cut = RecordError::Incomplete { size: LOG_OVERHEAD + cursor.rest.len() };
    let smallest = if magic == 0 { 26 } else { 34 };
    if size_bytes < smallest {
        let length = i32::try_from(size_bytes.saturating_sub(LOG_OVERHEAD)).unwrap_or(i32::MAX);
        return Err(RecordError::Length { base_offset: offset, length });
    }
    let head = head(magic, &mut cursor).ok_or(cut)?;
    Ok(BatchHeader {
        base_offset: offset,
        last_offset: offset,
        leader_epoch: LeaderEpoch::NONE,
        magic,
        attributes: head.attributes,
        base_timestamp: head.timestamp,
        max_timestamp: head.timestamp,
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: Sequence::NONE,
        count: if head.attributes.codec() == Ok(Codec::None) { 1 } else { -1 },
        size_bytes,
        crc: head.crc,
    })
}

/// Opens a message, or what a wrapper holds.
pub(super) fn open(batch: &Batch, scratch: &mut CompressionScratch) -> Result<BatchRecords, RecordError> {
    let header = *batch.header();
    if header.count == 1 {
        return Ok(BatchRecords {
            header,
            body: batch.bytes().clone(),
            format: Format::Legacy(Relative::ABSOLUTE),
        });
    }
    let wrong = |reason| RecordError::Record { base_offset: header.base_offset, index: 0, reason };
    let wrapper = Message::read(&mut Cursor::new(batch.bytes())).map_err(wrong)?;
    let value = wrapper.value.ok_or_else(|| wrong("it is compressed and null"))?;
    let body = batch.decompress(batch.bytes().slice_ref(value), scratch)?;
    let mut walk = Cursor::new(&body);
    let (mut count, mut first, mut last) = (0, None, 0);
    while !walk.rest.is_empty() {
        last = Message::read(&mut walk).map_err(wrong)?.offset;
        first = first.or(Some(last));
        count += 1;
    }
    let first = first.ok_or_else(|| wrong("it is compressed and holds nothing"))?;
    let shift = if header.magic == 0 { 0 } else { header.last_offset.0.wrapping_sub(last) };
    let timestamp = header.attributes.is_log_append_time().then_some(header.max_timestamp);
    let header = BatchHeader { base_offset: Offset(first.wrapping_add(shift)), count, ..header };
    Ok(BatchRecords { header, body, format: Format::Legacy(Relative { shift, timestamp }) })
}

/// The fields in front of a message's key.
struct Head {
    crc: u32,
    attributes: Attributes,
    timestamp: UnixMillis,
}

/// `None` when it is cut.
fn head(magic: i8, cursor: &mut Cursor<'_>) -> Option<Head> {
    let crc = u32::from_be_bytes(cursor.array()?);
    let _magic = cursor.byte()?;
    let attributes = i16::from(cursor.byte()?);
    if magic == 0 {
        // Only the codec means anything in magic 0.
        return Some(Head { crc, attributes: Attributes(attributes & 0b111), timestamp: UnixMillis::NONE });
    }
    let timestamp = UnixMillis(i64::from_be_bytes(cursor.array()?));
    Some(Head { crc, attributes: Attributes(attributes & 0b1111), timestamp })
}

/// A message of a set.
struct Message<'a> {
    offset: i64,
    attributes: Attributes,
    timestamp: UnixMillis,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, &'static str> {
        let offset = i64::from_be_bytes(cursor.array().ok_or("its offset is cut")?);
        let size = i32::from_be_bytes(cursor.array().ok_or("its size is cut")?);
        let size = usize::try_from(size).map_err(|_| "its size is negative")?;
        let mut body = Cursor::new(cursor.take(size).ok_or("it is longer than its set")?);
        let magic = body.rest.get(4).copied().ok_or("its magic is cut")?.cast_signed();
        if magic != 0 && magic != 1 {
            return Err("its magic is neither 0 nor 1");
        }
        let head = head(magic, &mut body).ok_or("its header is cut")?;
        let key = nullable_bytes(&mut body).ok_or("its key is cut")?;
        let value = nullable_bytes(&mut body).ok_or("its value is cut")?;
        if !body.rest.is_empty() {
            return Err("bytes follow its value");
        }
        Ok(Self { offset, attributes: head.attributes, timestamp: head.timestamp, key, value })
    }
}

/// Bytes behind an i32, negative for null.
fn nullable_bytes<'a>(cursor: &mut Cursor<'a>) -> Option<Option<&'a [u8]>> {
    let length = i32::from_be_bytes(cursor.array()?);
    match usize::try_from(length) {
        Ok(length) => cursor.take(length).map(Some),
        Err(_) => Some(None),
    }
}
