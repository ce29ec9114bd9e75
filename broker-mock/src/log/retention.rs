//! Retention: whole segments go when all their records are too old, or when the log is too large without them.
use courant_protocol::types::{Offset, UnixMillis};

use super::partition_log::PartitionLog;
use super::segments::Segment;

/// What a topic keeps; below 0 is without limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// `retention.ms`, by the records' own times.
    pub(crate) ms: i64,
    /// `retention.bytes`.
    pub(crate) bytes: i64,
}

impl PartitionLog {
    /// Drops what need not be kept and all replicas in sync have; gives the log's new start if it has moved.
    pub(crate) fn retain(&mut self, now: UnixMillis, retention: Retention) -> Option<Offset> {
        let segments = self.segments();
        let is_old = |time: UnixMillis| {
            retention.ms >= 0 && time.is_some() && now.0.saturating_sub(time.0) > retention.ms
        };
        let old = segments.iter().take_while(|segment| is_old(segment.largest_time)).count();
        let (gone, left) = segments.split_at_checked(old)?;
        let size: usize = left.iter().map(|segment| segment.size).sum();
        let excess = match usize::try_from(retention.bytes) {
            Ok(most) => size.saturating_sub(most),
            Err(_) => 0,
        };
        let mut dropped = 0;
        let surplus = left.iter().take_while(|segment| {
            dropped += segment.size;
            dropped <= excess
        });
        let high_watermark = self.high_watermark();
        let is_replicated = |segment: &&Segment| segment.next_offset <= high_watermark;
        let chosen = gone.len() + surplus.count();
        let start = segments.iter().take(chosen).take_while(is_replicated).last()?.next_offset;
        let before = self.log_start();
        let moved = self.delete_before(start);
        (moved > before).then_some(moved)
    }
}
