//! A record that outlives the iterator it came from.
use std::ops::Range;

use bytes::Bytes;

use crate::record::batch::place;
use crate::record::view::{Headers, RecordView};
use crate::types::{Offset, UnixMillis};

/// A record that shares its batch's body: one reference count and a few offsets, no copy.
///
/// The whole body stays in memory as long as one record of it does.
#[derive(Clone, Debug)]
pub struct OwnedRecord {
    offset: Offset,
    timestamp: UnixMillis,
    body: Bytes,
    key: Option<Range<u32>>,
    value: Option<Range<u32>>,
    headers: Range<u32>,
    header_count: u32,
}

impl OwnedRecord {
    pub(super) fn new(body: &Bytes, record: &RecordView<'_>) -> Self {
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.and_then(|key| narrow(body, key)),
            value: record.value.and_then(|value| narrow(body, value)),
            headers: narrow(body, record.headers.bytes()).unwrap_or_default(),
            header_count: u32::try_from(record.headers.len()).unwrap_or_default(),
            body: body.clone(),
        }
    }

    /// The record's place in its partition.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// When it was made or appended; [`UnixMillis::NONE`] in magic 0.
    pub fn timestamp(&self) -> UnixMillis {
        self.timestamp
    }

    /// The key; `None` is null.
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_ref().map(|range| self.part(range))
    }

    /// The value; `None` is null.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_ref().map(|range| self.part(range))
    }

    /// The key as [`Bytes`] that share the body.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.key().map(|key| self.body.slice_ref(key))
    }

    /// The value as [`Bytes`] that share the body.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.value().map(|value| self.body.slice_ref(value))
    }

    /// The headers in the order they were written, duplicates included.
    pub fn headers(&self) -> Headers<'_> {
        Headers::checked(self.header_count, self.part(&self.headers))
    }

    fn part(&self, range: &Range<u32>) -> &[u8] {
        self.body.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// Where `part` lies in `body`, whose size fits 32 bits as every batch's does.
fn narrow(body: &[u8], part: &[u8]) -> Option<Range<u32>> {
    if part.is_empty() {
        return Some(0..0);
    }
    let range = place(body, part)?;
    Some(u32::try_from(range.start).ok()?..u32::try_from(range.end).ok()?)
}
