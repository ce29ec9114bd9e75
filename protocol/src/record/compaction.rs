//! What the log cleaner makes of a batch: the same batch with some of its records gone.
//!
//! Base and last offset stay, and so do the producer's fields, because followers and producers go by them. Where
//! tombstones are left, the batch is given the time from which they may go (KIP-534), in the place of its base
//! timestamp.
use bytes::{Bytes, BytesMut};

use crate::compression::{Codec, CompressionScratch};
use crate::record::batch::Batch;
use crate::record::crc::{crc32c, crc32c_append};
use crate::record::error::RecordError;
use crate::record::header::{Attributes, BATCH_OVERHEAD, BatchHeader, CRC_FROM};
use crate::record::varint;
use crate::record::view::RecordView;
use crate::types::UnixMillis;

/// The lowest three bits of the attributes.
const CODEC: i16 = 0b111;

impl Batch {
    /// The batch with those of its records that `keep` wants; without any, its header alone, which still says which
    /// offsets and sequences it stood for.
    ///
    /// `delete_horizon` is when tombstones that are left may go; a horizon that the batch has already stays.
    ///
    /// # Errors
    /// [`RecordError`] when the batch cannot be read, or is of an older format than magic 2.
    pub fn compacted(
        &self,
        mut keep: impl FnMut(&RecordView<'_>) -> bool,
        delete_horizon: Option<UnixMillis>,
        scratch: &mut CompressionScratch,
    ) -> Result<Bytes, RecordError> {
        let mut header = *self.header();
        if header.magic < 2 {
            return Err(RecordError::Magic { base_offset: header.base_offset, magic: header.magic });
        }
        let records = self.records(scratch)?;
        let mut kept = Vec::new();
        for record in &records {
            let record = record?;
            if keep(&record) {
                kept.push(record);
            }
        }
        let horizon = header.delete_horizon().or(delete_horizon);
        let body = match kept.first() {
            None => {
                header.attributes.0 &= !(CODEC | Attributes::DELETE_HORIZON);
                header.base_timestamp = UnixMillis::NONE;
                Bytes::new()
            }
            Some(first) => {
                header.base_timestamp = horizon.unwrap_or(first.timestamp);
                if horizon.is_some() {
                    header.attributes.0 |= Attributes::DELETE_HORIZON;
                }
                if !header.attributes.is_log_append_time() {
                    let newest = kept.iter().map(|record| record.timestamp).max();
                    header.max_timestamp = newest.unwrap_or(header.max_timestamp);
                }
                compress(&header, body(&header, &kept), scratch)?
            }
        };
        header.count = i32::try_from(kept.len()).unwrap_or(i32::MAX);
        Ok(whole(header, &body))
    }
}

/// The records with their offsets and times relative to the header's.
fn body(header: &BatchHeader, records: &[RecordView<'_>]) -> BytesMut {
    let mut body = BytesMut::new();
    for record in records {
        // Under LogAppendTime the header's time counts and Java writes no other.
        let time = record.timestamp.0.wrapping_sub(header.base_timestamp.0);
        let offset = record.offset.0.wrapping_sub(header.base_offset.0);
        let headers = record.headers();
        let count = i64::try_from(headers.len()).unwrap_or(i64::MAX);
        let headers_size: usize = headers
            .map(|header| varint::size_of_bytes(Some(header.key)) + varint::size_of_bytes(header.value))
            .sum();
        let size = 1
            + varint::size(time)
            + varint::size(offset)
            + varint::size_of_bytes(record.key)
            + varint::size_of_bytes(record.value)
            + varint::size(count)
            + headers_size;
        varint::append(&mut body, i64::try_from(size).unwrap_or(i64::MAX));
        // The attributes.
        body.extend_from_slice(&[0]);
        varint::append(&mut body, time);
        varint::append(&mut body, offset);
        varint::append_bytes(&mut body, record.key);
        varint::append_bytes(&mut body, record.value);
        varint::append(&mut body, count);
        for header in record.headers() {
            varint::append_bytes(&mut body, Some(header.key));
            varint::append_bytes(&mut body, header.value);
        }
    }
    body
}

/// Compressed as the batch was.
fn compress(
    header: &BatchHeader,
    body: BytesMut,
    scratch: &mut CompressionScratch,
) -> Result<Bytes, RecordError> {
    let failed = |source| RecordError::Compression { base_offset: header.base_offset, source };
    let codec = header.attributes.codec().map_err(failed)?;
    if codec == Codec::None {
        return Ok(body.freeze());
    }
    let mut output = Vec::new();
    scratch.compress(codec, None, &body, &mut output).map_err(failed)?;
    Ok(output.into())
}

fn whole(mut header: BatchHeader, body: &[u8]) -> Bytes {
    header.size_bytes = BATCH_OVERHEAD + body.len();
    header.crc = 0;
    let unsummed = header.encode();
    let summed = unsummed.get(CRC_FROM..).unwrap_or_default();
    header.crc = crc32c_append(crc32c(summed), body);
    let mut bytes = BytesMut::with_capacity(header.size_bytes);
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(body);
    bytes.freeze()
}
