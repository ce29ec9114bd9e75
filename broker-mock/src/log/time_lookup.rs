//! Offsets for times (ListOffsets): the first record at or after a time, and the record with the largest time.
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};

use super::partition_log::PartitionLog;
use super::stored_batch::StoredBatch;

/// An offset that a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: Offset,
    pub(crate) timestamp: UnixMillis,
    pub(crate) leader_epoch: LeaderEpoch,
}

impl Found {
    /// What is answered where no record fits.
    pub(crate) const NOTHING: Self =
        Self { offset: Offset::NONE, timestamp: UnixMillis::NONE, leader_epoch: LeaderEpoch::NONE };
}

impl PartitionLog {
    /// The first record whose time is `target` or later.
    pub(crate) fn first_at_or_after(&self, target: UnixMillis) -> Found {
        // Times may go back from batch to batch, so the search runs over the largest time so far.
        let from = self.batches().partition_point(|batch| batch.largest_timestamp_so_far < target);
        for batch in self.batches().range(from..).filter(|batch| batch.header.max_timestamp >= target) {
            if let Some(found) = self.first_in(batch, |timestamp| timestamp >= target) {
                return found;
            }
        }
        Found::NOTHING
    }

    /// The first record with the largest time of the log (KIP-734).
    pub(crate) fn largest_timestamp(&self) -> Found {
        let mut largest: Option<&StoredBatch> = None;
        for batch in self.batches() {
            if largest.is_none_or(|largest| batch.header.max_timestamp > largest.header.max_timestamp) {
                largest = Some(batch);
            }
        }
        let found = largest.and_then(|batch| {
            let time = batch.header.max_timestamp;
            self.first_in(batch, |timestamp| timestamp == time)
        });
        found.unwrap_or(Found::NOTHING)
    }

    /// The first record of a batch whose time fits. A batch that cannot be read gives its first offset: it was
    /// put there by hand, and a lookup must not fail for it.
    fn first_in(&self, batch: &StoredBatch, fits: impl Fn(UnixMillis) -> bool) -> Option<Found> {
        let leader_epoch = batch.header.leader_epoch;
        let mut scratch = CompressionScratch::new();
        let opened = Batches::new(batch.to_bytes(), ReadOptions::default())
            .next()
            .and_then(Result::ok)
            .and_then(|batch| batch.records(&mut scratch).ok());
        let Some(records) = opened else {
            let (offset, timestamp) = (batch.header.base_offset, batch.header.max_timestamp);
            return fits(timestamp).then_some(Found { offset, timestamp, leader_epoch });
        };
        records.iter().map_while(Result::ok).find_map(|record| {
            let wanted = record.offset >= self.log_start() && fits(record.timestamp);
            wanted.then_some(Found { offset: record.offset, timestamp: record.timestamp, leader_epoch })
        })
    }
}
