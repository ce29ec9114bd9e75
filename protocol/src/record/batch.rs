//! One batch that was read: its header, its checksum, its records.
use std::iter::FusedIterator;

use bytes::Bytes;

use crate::compression::{Codec, CompressionScratch, HeaderChecksum};
use crate::record::crc::crc32c;
use crate::record::error::RecordError;
use crate::record::header::{BATCH_OVERHEAD, BatchHeader, CRC_FROM, SMALLEST_RECORD};
use crate::record::legacy::{self, Relative};
use crate::record::varint::Cursor;
use crate::record::view::{Headers, RecordView};
use crate::types::{Offset, UnixMillis};

/// A batch as it lies in the bytes that it was read from, still compressed.
#[derive(Clone, Debug)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
    max_decompressed_bytes: usize,
}

impl Batch {
    pub(super) fn new(header: BatchHeader, bytes: Bytes, max_decompressed_bytes: usize) -> Self {
        Self { header, bytes, max_decompressed_bytes }
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch, header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Compares the checksum: CRC-32C in magic 2, CRC-32 in the older ones. [`crate::record::Batches`] has done so
    /// unless its options say otherwise.
    ///
    /// # Errors
    /// [`RecordError::Crc`].
    pub fn check_crc(&self) -> Result<(), RecordError> {
        let computed = match self.header.magic {
            2 => crc32c(self.bytes.get(CRC_FROM..).unwrap_or_default()),
            _ => crc_fast::crc32_iso_hdlc(self.bytes.get(legacy::CRC_FROM..).unwrap_or_default()),
        };
        if computed == self.header.crc {
            return Ok(());
        }
        Err(RecordError::Crc { base_offset: self.header.base_offset, stored: self.header.crc, computed })
    }

    /// Opens the batch: decompresses it, bounded, and gives what its records can be read from.
    ///
    /// A batch that is not compressed is shared, not copied.
    ///
    /// # Errors
    /// [`RecordError::Compression`], and [`RecordError::Count`] when the records cannot be as many as claimed.
    pub fn records(&self, scratch: &mut CompressionScratch) -> Result<BatchRecords, RecordError> {
        if self.header.magic < 2 {
            return legacy::open(self, scratch);
        }
        let payload = self.bytes.slice(BATCH_OVERHEAD.min(self.bytes.len())..);
        let body = self.decompress(payload, scratch)?;
        // No count is believed: a record takes seven bytes at least.
        if usize::try_from(self.header.count).unwrap_or_default() > body.len() / SMALLEST_RECORD {
            return Err(self.count_error("there is no room for so many"));
        }
        Ok(BatchRecords { header: self.header, body, format: Format::V2 })
    }

    /// `payload` decompressed by the batch's codec.
    pub(super) fn decompress(
        &self,
        payload: Bytes,
        scratch: &mut CompressionScratch,
    ) -> Result<Bytes, RecordError> {
        let base_offset = self.header.base_offset;
        let failed = |source| RecordError::Compression { base_offset, source };
        let codec = self.header.attributes.codec().map_err(failed)?;
        if codec == Codec::None {
            return Ok(payload);
        }
        let checksum = if self.header.magic == 0 { HeaderChecksum::Ignored } else { HeaderChecksum::Checked };
        scratch.decompress_to_bytes(codec, &payload, self.max_decompressed_bytes, checksum).map_err(failed)
    }

    fn count_error(&self, reason: &'static str) -> RecordError {
        RecordError::Count { base_offset: self.header.base_offset, claimed: self.header.count, reason }
    }
}

/// How the records of an opened batch lie in its body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    /// Magic 2.
    V2,
    /// Magic 0 and 1: messages in a row.
    Legacy(Relative),
}

/// The records of a batch, decompressed; a record is read when the iterator comes to it.
///
/// ```
/// # use courant_protocol::compression::{Codec, CompressionScratch};
/// # use courant_protocol::record::{BatchWriter, Batches, NO_HEADERS, ReadOptions, Stamp, WriterOptions};
/// # let mut scratch = CompressionScratch::new();
/// # let mut writer = BatchWriter::new(bytes::BytesMut::new(), WriterOptions::default());
/// # writer.append(7.into(), Some(b"k"), Some(b"v"), NO_HEADERS)?;
/// # let bytes = writer.seal(Codec::None, None, &mut scratch)?.to_bytes(&Stamp::default());
/// for batch in Batches::new(bytes, ReadOptions::default()) {
///     let records = batch?.records(&mut scratch)?;
///     for record in &records {
///         let record = record?;
///         assert_eq!((record.key, record.value), (Some(&b"k"[..]), Some(&b"v"[..])));
///         let kept = records.span(&record); // borrows and copies nothing
///         assert_eq!(records.view(&kept).value, record.value);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchRecords {
    pub(super) header: BatchHeader,
    pub(super) body: Bytes,
    pub(super) format: Format,
}

impl BatchRecords {
    /// The batch's header; of a compressed batch of magic 0 or 1 with its real base offset and count.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes that the records lie in, decompressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Goes through the records in order.
    #[inline]
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter {
            cursor: Cursor::new(&self.body),
            header: &self.header,
            format: self.format,
            index: 0,
            ended: false,
        }
    }

    /// Goes on where an iterator of the same batch stood; a mark of another batch gives errors or other records.
    #[inline]
    pub fn iter_from(&self, mark: RecordMark) -> RecordIter<'_> {
        RecordIter {
            cursor: Cursor::new(self.body.get(mark.position..).unwrap_or_default()),
            header: &self.header,
            format: self.format,
            index: mark.index,
            ended: false,
        }
    }

    /// Reads all records once, so that nothing is handed out of a batch that is malformed further on.
    ///
    /// # Errors
    /// [`RecordError::Record`] and [`RecordError::Count`].
    pub fn validate(&self) -> Result<(), RecordError> {
        self.iter().try_for_each(|record| record.map(drop))
    }

    /// A part of the body (a key, a value) as [`Bytes`] that share it; bytes from elsewhere are copied.
    pub fn share(&self, part: &[u8]) -> Bytes {
        match place(&self.body, part) {
            Some(range) => self.body.slice(range),
            None => Bytes::copy_from_slice(part),
        }
    }
}

impl<'a> IntoIterator for &'a BatchRecords {
    type Item = Result<RecordView<'a>, RecordError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// Where `part` lies in `body`; `None` when it does not.
pub(super) fn place(body: &[u8], part: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let range = start..start.checked_add(part.len())?;
    body.get(range.clone()).map(|_| range)
}

/// Goes through the records of a batch; an error ends it.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    cursor: Cursor<'a>,
    header: &'a BatchHeader,
    format: Format,
    index: u32,
    ended: bool,
}

/// A place between two records of a batch, to come back to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordMark {
    position: usize,
    index: u32,
}

impl<'a> RecordIter<'a> {
    /// Where the next record stands in `records`, which this iterator came from.
    #[inline]
    pub fn mark(&self, records: &BatchRecords) -> RecordMark {
        RecordMark { position: records.body.len().saturating_sub(self.cursor.rest.len()), index: self.index }
    }

    #[inline]
    fn next_v2(&mut self) -> Option<Result<RecordView<'a>, RecordError>> {
        if i64::from(self.index) >= i64::from(self.header.count) {
            return self.end();
        }
        let Some(mut body) = self.record_bytes() else {
            return self.fail("its length is wrong");
        };
        let Some(_attributes) = body.byte() else {
            return self.fail("its attributes are cut");
        };
        let Some(timestamp) = body.varint64().and_then(|delta| self.timestamp(delta)) else {
            return self.fail("its timestamp is cut or too large");
        };
        let Some(offset) = body.varint32().and_then(|delta| self.offset(delta)) else {
            return self.fail("its offset is cut or outside the batch");
        };
        let Some(key) = body.nullable_bytes() else {
            return self.fail("its key is cut");
        };
        let Some(value) = body.nullable_bytes() else {
            return self.fail("its value is cut");
        };
        let headers = if *body.rest == [0] {
            Headers::EMPTY
        } else {
            match Headers::read(body) {
                Ok(headers) => headers,
                Err(reason) => return self.fail(reason),
            }
        };
        self.index += 1;
        Some(Ok(RecordView { offset, timestamp, key, value, headers }))
    }

    #[inline]
    fn record_bytes(&mut self) -> Option<Cursor<'a>> {
        let length = usize::try_from(self.cursor.varint32()?).ok()?;
        self.cursor.take(length).map(Cursor::new)
    }

    #[inline]
    fn timestamp(&self, delta: i64) -> Option<UnixMillis> {
        // KIP-32: with LogAppendTime the deltas mean nothing.
        if self.header.attributes.is_log_append_time() {
            return Some(self.header.max_timestamp);
        }
        self.header.base_timestamp.0.checked_add(delta).map(UnixMillis)
    }

    #[inline]
    fn offset(&self, delta: i32) -> Option<Offset> {
        let offset = self.header.base_offset.0.checked_add(i64::from(delta))?;
        (delta >= 0 && offset <= self.header.last_offset.0).then_some(Offset(offset))
    }

    #[cold]
    fn end(&mut self) -> Option<Result<RecordView<'a>, RecordError>> {
        self.ended = true;
        if self.cursor.rest.is_empty() {
            return None;
        }
        let reason = "bytes follow the last one";
        Some(Err(RecordError::Count {
            base_offset: self.header.base_offset,
            claimed: self.header.count,
            reason,
        }))
    }

    #[cold]
    fn fail(&mut self, reason: &'static str) -> Option<Result<RecordView<'a>, RecordError>> {
        self.ended = true;
        Some(Err(RecordError::Record { base_offset: self.header.base_offset, index: self.index, reason }))
    }

    fn next_legacy(&mut self, relative: Relative) -> Option<Result<RecordView<'a>, RecordError>> {
        if self.cursor.rest.is_empty() {
            return None;
        }
        match relative.record(&mut self.cursor) {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(reason) => self.fail(reason),
        }
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordView<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.format {
            Format::V2 => self.next_v2(),
            Format::Legacy(relative) => self.next_legacy(relative),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.cursor.rest.len() / SMALLEST_RECORD + 1))
    }
}

impl FusedIterator for RecordIter<'_> {}
