//! The batches of a Fetch response, a Produce request or a log segment, one after the other.
use bytes::Bytes;

use crate::record::batch::Batch;
use crate::record::error::RecordError;
use crate::record::header::{BatchHeader, LOG_OVERHEAD};

/// How batches are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Whether a batch's checksum is compared (`check.crcs`).
    pub check_crcs: bool,
    /// What a compressed batch may decompress to.
    pub max_decompressed_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { check_crcs: true, max_decompressed_bytes: 256 << 20 }
    }
}

impl ReadOptions {
    /// The same options with or without the check of checksums.
    #[must_use]
    pub fn check_crcs(self, check_crcs: bool) -> Self {
        Self { check_crcs, ..self }
    }

    /// The same options with another limit of what a batch may decompress to.
    #[must_use]
    pub fn max_decompressed_bytes(self, max_decompressed_bytes: usize) -> Self {
        Self { max_decompressed_bytes, ..self }
    }
}

/// Goes through the batches of `bytes`; each is a slice of them.
///
/// A broker cuts the last batch of a Fetch response where its size limit lies. That is no error: the batches end
/// before it, and [`Batches::tail_incomplete`] tells. After a wrong checksum the next batch can still be had; after
/// any other error the batches end.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
    options: ReadOptions,
    cut_batch_bytes: Option<usize>,
    /// From the batch on whose header cannot be.
    unreadable: Bytes,
}

impl Batches {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: impl Into<Bytes>, options: ReadOptions) -> Self {
        Self { rest: bytes.into(), options, cut_batch_bytes: None, unreadable: Bytes::new() }
    }

    /// Whether the bytes ended inside a batch; it is known once the batches have ended.
    pub fn tail_incomplete(&self) -> bool {
        self.cut_batch_bytes.is_some()
    }

    /// How large the batch is that the bytes ended in, as far as they tell: a fetch has to allow that much.
    pub fn incomplete_batch_bytes(&self) -> Option<usize> {
        self.cut_batch_bytes
    }

    /// How many bytes were not gone through yet.
    pub fn remaining_bytes(&self) -> usize {
        self.rest.len()
    }

    /// What the batches ended at with an error: a batch whose header cannot be, and everything behind it. Empty if they
    /// did not end so.
    pub fn unreadable(&self) -> &Bytes {
        &self.unreadable
    }

    fn stop(&mut self) {
        self.rest.clear();
    }

    /// The size of the next batch, as its length field says; `None` when it is not all there.
    fn next_size(&mut self) -> Option<Result<usize, RecordError>> {
        let length = self.rest.get(8..LOG_OVERHEAD).and_then(|field| field.try_into().ok());
        let Some(length) = length.map(i32::from_be_bytes) else {
            self.cut_batch_bytes = Some(LOG_OVERHEAD);
            return None;
        };
        let base_offset = self.rest.first_chunk().map(|field| i64::from_be_bytes(*field)).unwrap_or_default();
        // Even the smallest message of magic 0 has 14 bytes behind the length.
        let Some(size) = usize::try_from(length).ok().filter(|length| *length >= 14) else {
            return Some(Err(RecordError::Length { base_offset: base_offset.into(), length }));
        };
        let size = size.saturating_add(LOG_OVERHEAD);
        if self.rest.len() < size {
            self.cut_batch_bytes = Some(size);
            return None;
        }
        Some(Ok(size))
    }

    fn read(&mut self, size: usize) -> Result<Batch, RecordError> {
        let header = BatchHeader::parse(self.rest.get(..size).unwrap_or_default())?;
        let batch = Batch::new(header, self.rest.split_to(size), self.options.max_decompressed_bytes);
        if self.options.check_crcs {
            batch.check_crc()?;
        }
        Ok(batch)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(size) = self.next_size() else {
            self.stop();
            return None;
        };
        let batch = size.and_then(|size| self.read(size));
        if !matches!(batch, Ok(_) | Err(RecordError::Crc { .. })) {
            self.unreadable = std::mem::take(&mut self.rest);
        }
        Some(batch)
    }
}
