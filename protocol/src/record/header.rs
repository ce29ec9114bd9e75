//! The header of a batch: parsing, writing, and the two patches that a broker makes.
use crate::compression::{Codec, CompressionError};
use crate::record::RecordError;
use crate::record::crc::crc32c;
use crate::record::varint::Cursor;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};

/// The size of a batch's header, magic 2.
pub const BATCH_OVERHEAD: usize = 61;

/// The base offset and the length field, which the length does not count.
pub(super) const LOG_OVERHEAD: usize = 12;

/// Where the bytes begin that the CRC covers.
pub(super) const CRC_FROM: usize = 21;

/// The smallest record: six varints of one byte and the attributes.
pub(super) const SMALLEST_RECORD: usize = 7;

/// The attributes of a batch: its codec and five flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub i16);

impl Attributes {
    pub(super) const LOG_APPEND_TIME: i16 = 1 << 3;
    pub(super) const TRANSACTIONAL: i16 = 1 << 4;
    pub(super) const CONTROL: i16 = 1 << 5;
    pub(super) const DELETE_HORIZON: i16 = 1 << 6;

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`CompressionError::Unknown`] for the numbers 5 to 7.
    pub const fn codec(self) -> Result<Codec, CompressionError> {
        Codec::from_id(self.0 & 0b111)
    }

    /// Whether the broker set every record's timestamp to the batch's maximum (KIP-32).
    pub const fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record, which no user sees.
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time when the log cleaner may drop the batch's tombstones.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}

/// The header of a batch.
///
/// Magic 0 and 1 have no batches: there a plain message, or a compressed wrapper, is one. They lack the producer's
/// fields; of a wrapper only [`BatchHeader::last_offset`] is known before it is decompressed, so `base_offset`
/// equals it and `count` is -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchHeader {
    /// The offset of the first record that the batch was written with; compaction may have removed that record.
    pub base_offset: Offset,
    /// The offset of the last record that the batch was written with: the next batch begins behind it, however
    /// many records compaction has left.
    pub last_offset: Offset,
    /// The epoch of the leader that wrote the batch into its log.
    pub leader_epoch: LeaderEpoch,
    /// The format: 0, 1 or 2.
    pub magic: i8,
    /// Codec and flags.
    pub attributes: Attributes,
    /// What the records' timestamps are relative to; also the delete horizon, where the attributes say so.
    pub base_timestamp: UnixMillis,
    /// The largest timestamp of the batch, or the time of its arrival.
    pub max_timestamp: UnixMillis,
    /// The idempotent producer that wrote it.
    pub producer_id: ProducerId,
    /// That producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The sequence of the first record.
    pub base_sequence: Sequence,
    /// How many records there are; -1 where only decompression tells.
    pub count: i32,
    /// The size of the whole batch with its header.
    pub size_bytes: usize,
    /// The checksum that the batch carries.
    pub crc: u32,
}

impl BatchHeader {
    /// Reads the header of the batch that `bytes` begins with; the batch itself may be cut.
    ///
    /// # Errors
    /// [`RecordError`] when the header is cut, or a field of it cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let cut = || RecordError::Incomplete { size: bytes.len() };
        let mut cursor = Cursor::new(bytes);
        let base_offset = Offset(i64::from_be_bytes(cursor.array().ok_or_else(cut)?));
        let length = i32::from_be_bytes(cursor.array().ok_or_else(cut)?);
        let wrong_length = || RecordError::Length { base_offset, length };
        let size_bytes = usize::try_from(length).map_err(|_| wrong_length())?.saturating_add(LOG_OVERHEAD);
        let magic = bytes.get(16).copied().ok_or_else(cut)?.cast_signed();
        match magic {
            0 | 1 => crate::record::legacy::header(base_offset, magic, size_bytes, cursor),
            2 if size_bytes < BATCH_OVERHEAD => Err(wrong_length()),
            2 => Self::parse_v2(base_offset, size_bytes, cursor).ok_or_else(cut)?,
            magic => Err(RecordError::Magic { base_offset, magic }),
        }
    }

    /// `None` when the bytes are cut.
    fn parse_v2(
        base_offset: Offset,
        size_bytes: usize,
        mut cursor: Cursor<'_>,
    ) -> Option<Result<Self, RecordError>> {
        let leader_epoch = LeaderEpoch(i32::from_be_bytes(cursor.array()?));
        let magic = cursor.byte()?.cast_signed();
        let crc = u32::from_be_bytes(cursor.array()?);
        let attributes = Attributes(i16::from_be_bytes(cursor.array()?));
        let last_offset_delta = i32::from_be_bytes(cursor.array()?);
        let base_timestamp = UnixMillis(i64::from_be_bytes(cursor.array()?));
        let max_timestamp = UnixMillis(i64::from_be_bytes(cursor.array()?));
        let producer_id = ProducerId(i64::from_be_bytes(cursor.array()?));
        let producer_epoch = ProducerEpoch(i16::from_be_bytes(cursor.array()?));
        let base_sequence = Sequence(i32::from_be_bytes(cursor.array()?));
        let count = i32::from_be_bytes(cursor.array()?);
        let wrong = |field, value| Some(Err(RecordError::Field { base_offset, field, value }));
        let last_offset = base_offset.0.checked_add(i64::from(last_offset_delta));
        let Some(last_offset) = last_offset.filter(|_| last_offset_delta >= 0 && base_offset.0 >= 0) else {
            return wrong("lastOffsetDelta", i64::from(last_offset_delta));
        };
        if count < 0 {
            return wrong("recordsCount", i64::from(count));
        }
        Some(Ok(Self {
            base_offset,
            last_offset: Offset(last_offset),
            leader_epoch,
            magic,
            attributes,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            count,
            size_bytes,
            crc,
        }))
    }

    /// The bytes of the header, magic 2, with its CRC as it stands.
    pub(super) fn encode(&self) -> [u8; BATCH_OVERHEAD] {
        let length = i32::try_from(self.size_bytes.saturating_sub(LOG_OVERHEAD)).unwrap_or(i32::MAX);
        let delta = i32::try_from(self.last_offset.0.wrapping_sub(self.base_offset.0)).unwrap_or(i32::MAX);
        let mut bytes = [0; BATCH_OVERHEAD];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, &self.base_offset.0.to_be_bytes());
        put(&mut rest, &length.to_be_bytes());
        put(&mut rest, &self.leader_epoch.0.to_be_bytes());
        put(&mut rest, &self.magic.to_be_bytes());
        put(&mut rest, &self.crc.to_be_bytes());
        put(&mut rest, &self.attributes.0.to_be_bytes());
        put(&mut rest, &delta.to_be_bytes());
        put(&mut rest, &self.base_timestamp.0.to_be_bytes());
        put(&mut rest, &self.max_timestamp.0.to_be_bytes());
        put(&mut rest, &self.producer_id.0.to_be_bytes());
        put(&mut rest, &self.producer_epoch.0.to_be_bytes());
        put(&mut rest, &self.base_sequence.0.to_be_bytes());
        put(&mut rest, &self.count.to_be_bytes());
        bytes
    }

    /// When the log cleaner may drop the batch's tombstones and markers (KIP-534).
    pub fn delete_horizon(&self) -> Option<UnixMillis> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// The sequence of the record at `offset`; [`Sequence::NONE`] where the batch has none.
    pub fn sequence_of(&self, offset: Offset) -> Sequence {
        match i32::try_from(offset.0.wrapping_sub(self.base_offset.0)) {
            Ok(delta) if self.base_sequence.is_some() => self.base_sequence.plus(delta),
            _ => Sequence::NONE,
        }
    }

    /// The sequence of the last record; [`Sequence::NONE`] where the batch has none.
    pub fn last_sequence(&self) -> Sequence {
        self.sequence_of(self.last_offset)
    }

    /// The offset behind the batch, where the next fetch goes on.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset.0.saturating_add(1))
    }
}

/// Writes `bytes` to the front of `rest`, which then begins behind them.
fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    if let Some((front, back)) = std::mem::take(rest).split_at_mut_checked(bytes.len()) {
        front.copy_from_slice(bytes);
        *rest = back;
    }
}

/// Gives a batch (magic 2) its place in a log: the CRC does not cover base offset and leader epoch.
///
/// Only the first 16 bytes are touched, so `batch` may be a header alone. Fewer bytes stay as they are.
pub fn patch_base_offset_and_epoch(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    if let Some(front) = batch.get_mut(..16) {
        let mut rest = front;
        put(&mut rest, &base_offset.0.to_be_bytes());
        let mut rest = rest.get_mut(4..).unwrap_or_default();
        put(&mut rest, &leader_epoch.0.to_be_bytes());
    }
}

/// Sets a whole batch (magic 2) to the time when it was appended (`message.timestamp.type=LogAppendTime`), and its
/// CRC to what that makes it.
///
/// Fewer bytes than a header stay as they are.
pub fn patch_log_append_time(batch: &mut [u8], now: UnixMillis) {
    if batch.len() < BATCH_OVERHEAD {
        return;
    }
    if let Some(low_attributes) = batch.get_mut(22) {
        *low_attributes |= Attributes::LOG_APPEND_TIME as u8;
    }
    if let Some(mut max_timestamp) = batch.get_mut(35..43) {
        put(&mut max_timestamp, &now.0.to_be_bytes());
    }
    let crc = crc32c(batch.get(CRC_FROM..).unwrap_or_default());
    if let Some(mut field) = batch.get_mut(17..CRC_FROM) {
        put(&mut field, &crc.to_be_bytes());
    }
}
