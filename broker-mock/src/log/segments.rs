//! Segments: runs of batches that retention drops as a whole, the last of which is still written to.
use courant_protocol::types::{Offset, UnixMillis};

use super::partition_log::PartitionLog;
use super::stored_batch::StoredBatch;

/// When a segment is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentLimits {
    /// `segment.bytes`.
    pub(crate) bytes: usize,
    /// `segment.ms`, by the records' own times.
    pub(crate) span_ms: i64,
}

/// The segment that is written to.
#[derive(Clone, Debug)]
pub(super) struct ActiveSegment {
    pub(super) number: u64,
    size: usize,
    /// The largest time of its first batch.
    first_time: UnixMillis,
}

/// A segment as retention sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) size: usize,
    pub(super) largest_time: UnixMillis,
    pub(super) next_offset: Offset,
}

impl ActiveSegment {
    pub(super) fn first() -> Self {
        Self { number: 0, size: 0, first_time: UnixMillis::NONE }
    }

    /// The segment that takes a batch: a new one, if the limits say so.
    pub(super) fn take(&mut self, batch: &StoredBatch, limits: Option<SegmentLimits>) -> u64 {
        let time = batch.header.max_timestamp;
        let is_over = |limits: SegmentLimits| {
            let span = time.0.saturating_sub(self.first_time.0);
            self.size + batch.len() > limits.bytes
                || (self.first_time.is_some() && time.is_some() && span > limits.span_ms)
        };
        if self.size > 0 && limits.is_some_and(is_over) {
            *self = Self { number: self.number + 1, size: 0, first_time: UnixMillis::NONE };
        }
        if self.size == 0 {
            self.first_time = time;
        }
        self.size += batch.len();
        self.number
    }
}

impl PartitionLog {
    /// The segments, the oldest first.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for batch in self.batches() {
            let (size, time) = (batch.len(), batch.header.max_timestamp);
            let next_offset = batch.header.next_offset();
            match segments.last_mut().filter(|last| last.number == batch.segment) {
                Some(last) => {
                    last.size += size;
                    last.largest_time = last.largest_time.max(time);
                    last.next_offset = next_offset;
                }
                None => {
                    let (number, largest_time) = (batch.segment, time);
                    segments.push(Segment { number, size, largest_time, next_offset });
                }
            }
        }
        segments
    }

    /// Counts the segment that is written to anew, after batches have gone.
    pub(super) fn recount_active(&mut self) {
        let number = self.active.number;
        let mut left = self.batches().iter().filter(|batch| batch.segment == number).peekable();
        let first_time = left.peek().map_or(UnixMillis::NONE, |batch| batch.header.max_timestamp);
        let size = left.map(StoredBatch::len).sum();
        self.active = ActiveSegment { number, size, first_time };
    }
}
