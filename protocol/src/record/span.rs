//! A record that outlives the iterator it came from.
use std::ops::Range;

use crate::record::batch::{BatchRecords, place};
use crate::record::view::{Headers, RecordView};
use crate::types::{Offset, UnixMillis};

/// Where a record lies in its batch: a few offsets, no bytes and no reference count.
///
/// [`BatchRecords::span`] makes one of a borrowed record, and [`BatchRecords::view`] of the same batch gives that record
/// again.
#[derive(Clone, Debug)]
pub struct RecordSpan {
    offset: Offset,
    timestamp: UnixMillis,
    key: Option<Range<u32>>,
    value: Option<Range<u32>>,
    headers: Range<u32>,
    header_count: u32,
}

impl RecordSpan {
    /// The record's place in its partition.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// When it was made or appended; [`UnixMillis::NONE`] in magic 0.
    pub fn timestamp(&self) -> UnixMillis {
        self.timestamp
    }
}

impl BatchRecords {
    /// Where one of its records lies, to be kept beside the batch.
    #[inline]
    pub fn span(&self, record: &RecordView<'_>) -> RecordSpan {
        let body = self.body();
        RecordSpan {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.and_then(|key| narrow(body, key)),
            value: record.value.and_then(|value| narrow(body, value)),
            headers: narrow(body, record.headers.bytes()).unwrap_or_default(),
            header_count: u32::try_from(record.headers.len()).unwrap_or_default(),
        }
    }

    /// The record that lies there; the span of another batch gives another record, or an empty one.
    #[inline]
    pub fn view(&self, span: &RecordSpan) -> RecordView<'_> {
        let part = |range: &Range<u32>| {
            self.body().get(range.start as usize..range.end as usize).unwrap_or_default()
        };
        RecordView {
            offset: span.offset,
            timestamp: span.timestamp,
            key: span.key.as_ref().map(part),
            value: span.value.as_ref().map(part),
            headers: Headers::checked(span.header_count, part(&span.headers)),
        }
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
