//! Records into a batch: each is encoded once, straight into the buffer that will be sent.
use bytes::BytesMut;

use crate::compression::{Codec, CompressionError, CompressionScratch};
use crate::record::crc::{Shift, crc32c, crc32c_append};
use crate::record::header::{Attributes, BATCH_OVERHEAD};
use crate::record::sealed::SealedBatch;
use crate::record::varint::{self, Packed};
use crate::types::UnixMillis;

/// What a record takes at most beyond its key, value and headers: varints of 5, 10 and 5 bytes, and the attributes.
const MAX_RECORD_OVERHEAD: usize = 21;

/// So many bytes are summed up at a time: few enough to be in the nearest cache still, enough for the sum's fast path.
const SUM_STEP_BYTES: usize = 4 << 10;

/// Of a record, which has none.
const ATTRIBUTES: [u8; 1] = [0];

/// How many headers a record has that has none.
const NO_HEADER_COUNT: [u8; 1] = [0];

/// No headers, for records that have none.
pub const NO_HEADERS: [(&str, Option<&[u8]>); 0] = [];

/// The limits of a [`BatchWriter`] and the kind of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterOptions {
    /// How large the batch may become before compression, with its header. The first record always goes in.
    pub max_bytes: usize,
    /// Whether the batch holds a control record, which only brokers write.
    pub control: bool,
    /// Whether the batch will go out as it is written. Its checksum is then kept up while it grows, over bytes that are
    /// still in the nearest cache, instead of once over all of it by whoever seals it.
    pub uncompressed: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { max_bytes: i32::MAX as usize, control: false, uncompressed: false }
    }
}

impl WriterOptions {
    /// A batch of one control record.
    pub fn control() -> Self {
        Self { control: true, ..Self::default() }
    }

    /// A batch of user records of at most `max_bytes`.
    pub fn max_bytes(max_bytes: usize) -> Self {
        Self { max_bytes, ..Self::default() }
    }

    /// The same for a batch that will not be compressed.
    #[must_use]
    pub fn uncompressed(self, uncompressed: bool) -> Self {
        Self { uncompressed, ..self }
    }
}

/// A record did not go into the batch, which is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch has no room for it; an empty one would have.
    #[error("the batch is full")]
    Full,
    /// No batch can hold it.
    #[error("a record of {size_bytes} bytes is larger than Kafka's format allows")]
    TooLarge {
        /// The record's size.
        size_bytes: usize,
    },
    /// The timestamp is further from that of the batch's first record than the format can say.
    #[error("timestamp {timestamp} is too far from the batch's first, {base_timestamp}")]
    Timestamp {
        /// The record's timestamp.
        timestamp: UnixMillis,
        /// That of the batch's first record.
        base_timestamp: UnixMillis,
    },
}

/// A batch could not be compressed. It is sealed all the same, as it was written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the batch could not be compressed")]
pub struct SealError {
    /// Why not.
    pub source: CompressionError,
    /// The batch without compression: to be sent so, or to take the records out of.
    pub uncompressed: Box<SealedBatch>,
}

/// Appends records to a batch, magic 2.
///
/// Headers are anything that gives (key, value) pairs and can be gone through twice, in order, duplicates and nulls
/// included: `headers.iter().map(|h| (&h.key, h.value.as_deref()))`, or [`NO_HEADERS`].
///
/// ```
/// use bytes::BytesMut;
/// use courant_protocol::compression::{Codec, CompressionScratch};
/// use courant_protocol::record::{BatchWriter, Batches, NO_HEADERS, ReadOptions, Stamp, WriterOptions};
/// use courant_protocol::types::{Offset, UnixMillis};
///
/// let mut writer = BatchWriter::new(BytesMut::with_capacity(16 << 10), WriterOptions::default());
/// writer.append(UnixMillis(1_700_000_000_000), Some(b"42"), Some(b"open"), NO_HEADERS)?;
/// writer.append(UnixMillis(1_700_000_000_005), Some(b"42"), None, [("reason", Some(&b"paid"[..]))])?;
///
/// let mut scratch = CompressionScratch::new();
/// let batch = writer.seal(Codec::None, None, &mut scratch)?;
/// let bytes = batch.to_bytes(&Stamp::default());
///
/// let batch = Batches::new(bytes, ReadOptions::default()).next().ok_or("no batch")??;
/// let records = batch.records(&mut scratch)?;
/// let offsets: Vec<Offset> = records.iter().map(|record| Ok(record?.offset)).collect::<Result<_, _>>()
///     .map_err(|error: courant_protocol::record::RecordError| error)?;
/// assert_eq!(offsets, [Offset(0), Offset(1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BatchWriter {
    body: BytesMut,
    options: WriterOptions,
    count: u32,
    base_timestamp: UnixMillis,
    max_timestamp: UnixMillis,
    /// How much of the body is summed up already, and what that came to.
    summed: usize,
    crc: u32,
}

impl BatchWriter {
    /// Starts an empty batch in `buffer`, whose content is dropped and whose room is used.
    pub fn new(mut buffer: BytesMut, options: WriterOptions) -> Self {
        buffer.clear();
        Self {
            body: buffer,
            options,
            count: 0,
            base_timestamp: UnixMillis::NONE,
            max_timestamp: UnixMillis::NONE,
            summed: 0,
            crc: 0,
        }
    }

    /// Appends a record and gives its place in the batch, from 0.
    ///
    /// # Errors
    /// [`AppendError`]; the batch is then as it was.
    #[inline]
    pub fn append<'h, K, H>(
        &mut self,
        timestamp: UnixMillis,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<u32, AppendError>
    where
        K: AsRef<[u8]>,
        H: IntoIterator<Item = (K, Option<&'h [u8]>)>,
        H::IntoIter: Clone,
    {
        let headers = headers.into_iter();
        let base_timestamp = if self.count == 0 { timestamp } else { self.base_timestamp };
        let timestamp_delta = timestamp
            .0
            .checked_sub(base_timestamp.0)
            .ok_or(AppendError::Timestamp { timestamp, base_timestamp })?;
        match Plain::new(timestamp_delta, self.count, key, value).filter(|_| headers.clone().next().is_none())
        {
            Some(plain) => self.append_plain(&plain, key, value)?,
            None => self.append_any(timestamp_delta, key, value, headers)?,
        }
        if self.options.uncompressed && self.body.len() - self.summed >= SUM_STEP_BYTES {
            self.sum_up();
        }

        let index = self.count;
        self.count += 1;
        self.base_timestamp = base_timestamp;
        self.max_timestamp = if index == 0 { timestamp } else { self.max_timestamp.max(timestamp) };
        Ok(index)
    }

    /// A record without headers of which every number is short.
    #[inline(always)]
    fn append_plain(
        &mut self,
        plain: &Plain,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), AppendError> {
        self.admit(plain.size)?;
        plain.start.append_to(&mut self.body);
        match key {
            None => plain.key_length.then(plain.value_length).append_to(&mut self.body),
            Some(key) => {
                plain.key_length.append_to(&mut self.body);
                self.body.extend_from_slice(key);
                plain.value_length.append_to(&mut self.body);
            }
        }
        if let Some(value) = value {
            self.body.extend_from_slice(value);
        }
        self.body.extend_from_slice(&NO_HEADER_COUNT);
        Ok(())
    }

    /// Any record.
    #[inline(never)]
    fn append_any<'h, K, H>(
        &mut self,
        timestamp_delta: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), AppendError>
    where
        K: AsRef<[u8]>,
        H: Iterator<Item = (K, Option<&'h [u8]>)> + Clone,
    {
        let (header_count, headers_size) = measure(headers.clone());
        let body_size = ATTRIBUTES.len()
            + varint::size(timestamp_delta)
            + varint::size(i64::from(self.count))
            + varint::size_of_bytes(key)
            + varint::size_of_bytes(value)
            + varint::size(header_count)
            + headers_size;
        // No slice is longer than `isize::MAX`.
        let body_length = body_size as i64;
        self.admit(varint::size(body_length) + body_size)?;
        varint::append(&mut self.body, body_length);
        self.body.extend_from_slice(&ATTRIBUTES);
        varint::append(&mut self.body, timestamp_delta);
        varint::append(&mut self.body, i64::from(self.count));
        varint::append_bytes(&mut self.body, key);
        varint::append_bytes(&mut self.body, value);
        varint::append(&mut self.body, header_count);
        for (key, value) in headers {
            varint::append_bytes(&mut self.body, Some(key.as_ref()));
            varint::append_bytes(&mut self.body, value);
        }
        Ok(())
    }

    /// Refuses a record of `size` bytes that the batch has no room for.
    #[inline]
    fn admit(&mut self, size: usize) -> Result<(), AppendError> {
        let len = self.len().saturating_add(size);
        if len > self.options.max_bytes && self.count > 0 {
            return Err(AppendError::Full);
        }
        if len > i32::MAX as usize {
            let alone = size.saturating_add(BATCH_OVERHEAD) > i32::MAX as usize;
            return Err(if alone { AppendError::TooLarge { size_bytes: size } } else { AppendError::Full });
        }
        self.body.reserve(size + Packed::SLACK);
        Ok(())
    }

    /// Sums up what was appended since the last time.
    fn sum_up(&mut self) {
        let fresh = self.body.get(self.summed..).unwrap_or_default();
        self.crc = crc32c_append(self.crc, fresh);
        self.summed = self.body.len();
    }

    /// How many bytes the batch would grow by at most if this record were appended.
    ///
    /// It is exact but for the two deltas, which it takes at their largest.
    pub fn would_take<'h, K, H>(&self, key: Option<&[u8]>, value: Option<&[u8]>, headers: H) -> usize
    where
        K: AsRef<[u8]>,
        H: IntoIterator<Item = (K, Option<&'h [u8]>)>,
    {
        let (header_count, headers_size) = measure(headers.into_iter());
        MAX_RECORD_OVERHEAD
            + varint::size_of_bytes(key)
            + varint::size_of_bytes(value)
            + varint::size(header_count)
            + headers_size
    }

    /// The size of the batch as it stands, with its header, before compression.
    #[inline]
    pub fn len(&self) -> usize {
        BATCH_OVERHEAD + self.body.len()
    }

    /// Whether nothing was appended yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many records there are.
    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The timestamp of the first record; [`UnixMillis::NONE`] without one.
    pub fn base_timestamp(&self) -> UnixMillis {
        self.base_timestamp
    }

    /// The largest timestamp; [`UnixMillis::NONE`] without a record.
    pub fn max_timestamp(&self) -> UnixMillis {
        self.max_timestamp
    }

    /// Gives up the batch and hands its buffer back, emptied.
    pub fn into_buffer(mut self) -> BytesMut {
        self.body.clear();
        self.body
    }

    /// Ends the batch: compresses it (`level` is `None` for the codec's default) and sums it up.
    ///
    /// A batch that compression would make larger stays as it is. When it was compressed, the buffer that the
    /// records were written to is handed back by [`SealedBatch::take_spare_buffer`].
    ///
    /// # Errors
    /// [`SealError`] when this build lacks the codec, or the codec the level ([`Codec::check`] tells so beforehand), or when
    /// the compressor fails; no record is lost, the batch comes back uncompressed.
    pub fn seal(
        mut self,
        codec: Codec,
        level: Option<i32>,
        scratch: &mut CompressionScratch,
    ) -> Result<SealedBatch, SealError> {
        let uncompressed_bytes = self.len();
        let mut codec = codec;
        let mut spare = None;
        let mut failure = None;
        let body = if codec == Codec::None || self.body.is_empty() {
            codec = Codec::None;
            self.sum_up();
            self.body.freeze()
        } else {
            let mut output = std::mem::take(&mut scratch.output);
            let compressed = scratch.compress(codec, level, &self.body, &mut output);
            let body = if compressed.is_ok() && output.len() < self.body.len() {
                let body = bytes::Bytes::copy_from_slice(&output);
                self.body.clear();
                spare = Some(self.body);
                self.crc = crc32c(&body);
                body
            } else {
                codec = Codec::None;
                self.sum_up();
                self.body.freeze()
            };
            scratch.keep(output);
            failure = compressed.err();
            body
        };
        let control = if self.options.control { Attributes::CONTROL } else { 0 };
        let batch = SealedBatch {
            body_crc: self.crc,
            body_shift: Shift::bytes(body.len()),
            body,
            attributes: Attributes(codec.id() | control),
            count: self.count,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            uncompressed_bytes,
            spare,
        };
        match failure {
            None => Ok(batch),
            Some(source) => Err(SealError { source, uncompressed: Box::new(batch) }),
        }
    }
}

/// The numbers of a record without headers, if each of them is short.
struct Plain {
    /// All of it, its own size included.
    size: usize,
    /// Size, attributes, time and place: seven bytes at most.
    start: Packed,
    key_length: Packed,
    value_length: Packed,
}

impl Plain {
    #[inline(always)]
    fn new(timestamp_delta: i64, place: u32, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Self> {
        let attributes = Packed::ZERO;
        let rest = attributes.then(Packed::varint(timestamp_delta)?).then(Packed::varint(i64::from(place))?);
        let (key_length, value_length) = (Packed::length_of(key)?, Packed::length_of(value)?);
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let body_size = rest.len() + key_length.len() + value_length.len() + bytes + NO_HEADER_COUNT.len();
        let size = Packed::varint(body_size as i64)?;
        Some(Self { size: size.len() + body_size, start: size.then(rest), key_length, value_length })
    }
}

/// How many headers there are, and their bytes without the count.
#[inline]
fn measure<'h, K: AsRef<[u8]>>(headers: impl Iterator<Item = (K, Option<&'h [u8]>)>) -> (i64, usize) {
    headers.fold((0, 0), |(count, size), (key, value)| {
        (count + 1, size + varint::size_of_bytes(Some(key.as_ref())) + varint::size_of_bytes(value))
    })
}

/// The size of a batch with this record alone, at most (Java's `AbstractRecords.estimateSizeInBytesUpperBound`):
/// what `max.request.size` is held against.
#[inline]
pub fn record_size_upper_bound<'h, K, H>(key: Option<&[u8]>, value: Option<&[u8]>, headers: H) -> usize
where
    K: AsRef<[u8]>,
    H: IntoIterator<Item = (K, Option<&'h [u8]>)>,
{
    let (header_count, headers_size) = measure(headers.into_iter());
    BATCH_OVERHEAD
        + MAX_RECORD_OVERHEAD
        + varint::size_of_bytes(key)
        + varint::size_of_bytes(value)
        + varint::size(header_count)
        + headers_size
}
