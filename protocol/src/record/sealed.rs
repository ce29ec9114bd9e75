//! A batch that takes no more records: its body for good, its header anew for each attempt to send it.
use bytes::{Bytes, BytesMut};

use crate::compression::{Codec, CompressionScratch};
use crate::record::batch::{Batch, BatchRecords};
use crate::record::batch_writer::{AppendError, BatchWriter, WriterOptions};
use crate::record::crc::{Shift, crc32c};
use crate::record::error::RecordError;
use crate::record::header::{Attributes, BATCH_OVERHEAD, BatchHeader, CRC_FROM};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};
use crate::wire::Records;

/// What is stamped on a batch when it is sent: where it belongs, and who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The offset of the first record; producers write 0, and the broker its log's end.
    pub base_offset: Offset,
    /// The epoch of the leader; producers write -1.
    pub partition_leader_epoch: LeaderEpoch,
    /// The idempotent producer's id.
    pub producer_id: ProducerId,
    /// The idempotent producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The sequence of the first record.
    pub base_sequence: Sequence,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
}

impl Default for Stamp {
    /// A batch that nobody can tell from another: no producer id, no sequence.
    fn default() -> Self {
        Self {
            base_offset: Offset(0),
            partition_leader_epoch: LeaderEpoch::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            transactional: false,
        }
    }
}

impl Stamp {
    /// The stamp of an idempotent producer (KIP-98).
    pub fn idempotent(
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        base_sequence: Sequence,
    ) -> Self {
        Self { producer_id, producer_epoch, base_sequence, ..Self::default() }
    }

    /// The same stamp inside a transaction.
    #[must_use]
    pub fn transactional(self, transactional: bool) -> Self {
        Self { transactional, ..self }
    }

    /// The same stamp at a place in a log.
    #[must_use]
    pub fn at(self, base_offset: Offset, partition_leader_epoch: LeaderEpoch) -> Self {
        Self { base_offset, partition_leader_epoch, ..self }
    }
}

/// A batch that takes no more records.
///
/// It owns its body (one [`Bytes`]) and the body's CRC. Cloning shares the body.
#[derive(Debug)]
pub struct SealedBatch {
    pub(super) body: Bytes,
    pub(super) body_crc: u32,
    pub(super) body_shift: Shift,
    pub(super) attributes: Attributes,
    pub(super) count: u32,
    pub(super) base_timestamp: UnixMillis,
    pub(super) max_timestamp: UnixMillis,
    pub(super) uncompressed_bytes: usize,
    pub(super) spare: Option<BytesMut>,
}

impl Clone for SealedBatch {
    fn clone(&self) -> Self {
        Self { body: self.body.clone(), spare: None, ..*self }
    }
}

impl SealedBatch {
    /// The 61 bytes in front of the body, stamped, with the CRC over both.
    ///
    /// The body is not touched: its CRC is combined with that of the header.
    pub fn header(&self, stamp: &Stamp) -> [u8; BATCH_OVERHEAD] {
        let mut header = self.stamped(stamp);
        let summed = header.encode();
        let head_crc = crc32c(summed.get(CRC_FROM..).unwrap_or_default());
        header.crc = self.body_shift.combine(head_crc, self.body_crc);
        header.encode()
    }

    fn stamped(&self, stamp: &Stamp) -> BatchHeader {
        let transactional = if stamp.transactional { Attributes::TRANSACTIONAL } else { 0 };
        let last_delta = i64::from(self.count.saturating_sub(1));
        BatchHeader {
            base_offset: stamp.base_offset,
            last_offset: Offset(stamp.base_offset.0.saturating_add(last_delta)),
            leader_epoch: stamp.partition_leader_epoch,
            magic: 2,
            attributes: Attributes(self.attributes.0 | transactional),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.producer_id,
            producer_epoch: stamp.producer_epoch,
            base_sequence: stamp.base_sequence,
            count: i32::try_from(self.count).unwrap_or(i32::MAX),
            size_bytes: self.len(),
            crc: 0,
        }
    }

    /// Header and body as two segments, for a vectored write; the body is shared.
    pub fn records(&self, stamp: &Stamp) -> Records {
        [Bytes::copy_from_slice(&self.header(stamp)), self.body.clone()].into_iter().collect()
    }

    /// The whole batch in one piece, copied.
    pub fn to_bytes(&self, stamp: &Stamp) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.len());
        bytes.extend_from_slice(&self.header(stamp));
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }

    /// The records, compressed as they are sent.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The size on the wire, header included.
    pub fn len(&self) -> usize {
        BATCH_OVERHEAD + self.body.len()
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The size before compression, header included.
    pub fn uncompressed_bytes(&self) -> usize {
        self.uncompressed_bytes
    }

    /// How many records there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The timestamp of the first record.
    pub fn base_timestamp(&self) -> UnixMillis {
        self.base_timestamp
    }

    /// The largest timestamp.
    pub fn max_timestamp(&self) -> UnixMillis {
        self.max_timestamp
    }

    /// The codec in use: [`Codec::None`] where compression would have made the batch larger.
    pub fn codec(&self) -> Codec {
        self.attributes.codec().unwrap_or_default()
    }

    /// The buffer that the records were written to, once, if they were compressed into another.
    pub fn take_spare_buffer(&mut self) -> Option<BytesMut> {
        self.spare.take()
    }

    /// The body's own buffer, emptied, for the next batch; `None` while somebody else still holds the body.
    pub fn into_buffer(self) -> Option<BytesMut> {
        self.body.try_into_mut().ok().map(|mut buffer| {
            buffer.clear();
            buffer
        })
    }

    /// The records as they were appended, for a batch that nobody took.
    ///
    /// # Errors
    /// [`RecordError`], if the batch cannot be read back; that cannot happen to one that a [`BatchWriter`] made.
    pub fn read_back(&self, scratch: &mut CompressionScratch) -> Result<BatchRecords, RecordError> {
        let stamp = Stamp::default();
        Batch::new(self.stamped(&stamp), self.to_bytes(&stamp), usize::MAX).records(scratch)
    }

    /// The same records in another codec, at its own default level: for a broker that does not know the batch's.
    ///
    /// # Errors
    /// [`RecordError`], if the batch cannot be read back, or this build lacks the codec.
    pub fn recompress(&self, codec: Codec, scratch: &mut CompressionScratch) -> Result<Self, RecordError> {
        let records = self.read_back(scratch)?;
        let mut options = WriterOptions::max_bytes(usize::MAX);
        options.control = self.attributes.is_control();
        let mut writer = BatchWriter::new(BytesMut::with_capacity(self.uncompressed_bytes), options);
        for record in &records {
            append_view(&mut writer, &record?).map_err(|_| unreadable())?;
        }
        seal(writer, codec, None, scratch)
    }

    /// Splits the batch into batches of at most `max_bytes` each before compression, a record alone excepted: what
    /// a producer does when a broker says `MESSAGE_TOO_LARGE` (KIP-126).
    ///
    /// The records keep their order, so the n-th of all parts is the n-th of this batch.
    ///
    /// # Errors
    /// [`RecordError`], if the batch cannot be read back; that cannot happen to one that a [`BatchWriter`] made.
    pub fn split(
        &self,
        max_bytes: usize,
        level: Option<i32>,
        scratch: &mut CompressionScratch,
    ) -> Result<Vec<Self>, RecordError> {
        let records = self.read_back(scratch)?;
        let options = WriterOptions { max_bytes, control: self.attributes.is_control(), uncompressed: false };
        let fresh =
            || BatchWriter::new(BytesMut::with_capacity(max_bytes.min(self.uncompressed_bytes)), options);
        let mut writer = fresh();
        let mut parts = Vec::new();
        for record in &records {
            let record = record?;
            let full = append_view(&mut writer, &record);
            if full == Err(AppendError::Full) {
                let part = std::mem::replace(&mut writer, fresh());
                parts.push(seal(part, self.codec(), level, scratch)?);
                append_view(&mut writer, &record).map_err(|_| unreadable())?;
            } else {
                full.map_err(|_| unreadable())?;
            }
        }
        parts.push(seal(writer, self.codec(), level, scratch)?);
        Ok(parts)
    }
}

fn seal(
    writer: BatchWriter,
    codec: Codec,
    level: Option<i32>,
    scratch: &mut CompressionScratch,
) -> Result<SealedBatch, RecordError> {
    let sealed = writer.seal(codec, level, scratch);
    sealed.map_err(|failed| RecordError::Compression { base_offset: Offset(0), source: failed.source })
}

fn append_view(writer: &mut BatchWriter, record: &crate::record::RecordView<'_>) -> Result<u32, AppendError> {
    let headers = record.headers().map(|header| (header.key, header.value));
    writer.append(record.timestamp, record.key, record.value, headers)
}

/// A record that was in a batch fits into an empty one.
fn unreadable() -> RecordError {
    RecordError::Record {
        base_offset: Offset(0),
        index: 0,
        reason: "it does not fit into a batch of its own",
    }
}
