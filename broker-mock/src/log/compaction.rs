//! Compaction: of the records of a key only the last is kept, and of a deleted key in the end nothing.
//!
//! As Kafka's log cleaner does it: offsets stay, batches are written anew without the records that go, a tombstone
//! stays for `delete.retention.ms` after the compaction that saw it first (KIP-534), records of aborted transactions
//! go. A batch that has lost all its records goes, unless its producer has written nothing since. Control batches
//! stay here for ever (Kafka drops them `delete.retention.ms` after the last record of their transaction).
use std::collections::BTreeMap;

use bytes::Bytes;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batch, BatchHeader, BatchRecords, Batches, ReadOptions, RecordView};
use courant_protocol::types::{Offset, UnixMillis};

use super::partition_log::PartitionLog;
use super::stored_batch::StoredBatch;

/// How a topic is compacted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    pub(crate) now: UnixMillis,
    /// `delete.retention.ms`.
    pub(crate) delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub(crate) min_lag_ms: i64,
    /// Whether the segment that is written to is compacted too.
    pub(crate) with_active: bool,
}

/// The offset of the last record of each key.
type LastOffsets = BTreeMap<Bytes, Offset>;

impl PartitionLog {
    /// Compacts what may be compacted.
    pub(crate) fn compact(&mut self, by: &Compaction) {
        let end = self.compactable(by);
        let mut scratch = CompressionScratch::new();
        let last = self.last_offsets(end, &mut scratch);
        let mut compacted = Vec::with_capacity(self.batches().len());
        for (index, batch) in self.batches().iter().enumerate() {
            if index >= end {
                compacted.push(batch.clone());
            } else if let Some(left) = self.left_of(batch, by, &last, &mut scratch) {
                compacted.push(left);
            }
        }
        let cleaned_to = self.batches().get(end).map_or(self.log_end(), |batch| batch.header.base_offset);
        self.replace_batches(compacted, cleaned_to);
    }

    /// Whether there is so much new in closed segments, or something so old, that the log cleaner takes the log on.
    pub(crate) fn is_dirty(&self, now: UnixMillis, least_ratio: f64, max_lag_ms: i64) -> bool {
        let closed = self.batches().iter().filter(|batch| batch.segment < self.active.number);
        let (mut total, mut dirty, mut oldest) = (0_u32, 0_u32, None);
        for batch in closed {
            let size = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            total = total.saturating_add(size);
            if batch.header.base_offset >= self.cleaned_to {
                dirty = dirty.saturating_add(size);
                oldest = oldest.or(Some(batch.header.max_timestamp));
            }
        }
        let waits_too_long = oldest.is_some_and(|time: UnixMillis| now.0.saturating_sub(time.0) > max_lag_ms);
        dirty > 0 && (waits_too_long || f64::from(dirty) / f64::from(total) > least_ratio)
    }

    /// How many batches from the front may be compacted: none of an open transaction, none that is too young.
    fn compactable(&self, by: &Compaction) -> usize {
        let stable = self.last_stable_offset();
        let youngest = by.now.0.saturating_sub(by.min_lag_ms);
        let may = |batch: &&StoredBatch| {
            batch.header.last_offset < stable
                && (by.min_lag_ms <= 0 || batch.header.max_timestamp.0 <= youngest)
                && (by.with_active || batch.segment < self.active.number)
        };
        self.batches().iter().take_while(may).count()
    }

    fn last_offsets(&self, end: usize, scratch: &mut CompressionScratch) -> LastOffsets {
        let mut last = LastOffsets::new();
        for batch in self.batches().range(..end) {
            if batch.header.attributes.is_control() || self.is_aborted(&batch.header) {
                continue;
            }
            let Some((_, records)) = opened(batch, scratch) else { continue };
            for record in records.iter().map_while(Result::ok) {
                if let Some(key) = record.key {
                    last.insert(Bytes::copy_from_slice(key), record.offset);
                }
            }
        }
        last
    }

    /// What is left of a batch; `None` if nothing is. What cannot be read, or is of an older format, stays.
    fn left_of(
        &self,
        stored: &StoredBatch,
        by: &Compaction,
        last: &LastOffsets,
        scratch: &mut CompressionScratch,
    ) -> Option<StoredBatch> {
        let header = &stored.header;
        if header.magic < 2 || header.attributes.is_control() {
            return Some(stored.clone());
        }
        let Some((batch, records)) = opened(stored, scratch) else { return Some(stored.clone()) };
        let is_aborted = self.is_aborted(header);
        let horizon = header.delete_horizon();
        let tombstones_go = horizon.is_some_and(|horizon| by.now >= horizon);
        let keep = |record: &RecordView<'_>| {
            let is_last =
                record.key.is_some_and(|key| last.get(key).is_none_or(|last| record.offset >= *last));
            !is_aborted && is_last && (record.value.is_some() || !tombstones_go)
        };
        let (mut all, mut kept, mut tombstones) = (0, 0, 0);
        for record in records.iter().map_while(Result::ok) {
            all += 1;
            if keep(&record) {
                kept += 1;
                tombstones += usize::from(record.value.is_none());
            }
        }
        let new_horizon = (tombstones > 0 && horizon.is_none())
            .then(|| UnixMillis(by.now.0.saturating_add(by.delete_retention_ms)));
        if kept == all && new_horizon.is_none() {
            return Some(stored.clone());
        }
        if kept == 0 && !self.is_last_of_producer(header) {
            return None;
        }
        let bytes = batch.compacted(keep, new_horizon, scratch).ok()?;
        let header = BatchHeader::parse(&bytes).ok()?;
        let mut left = StoredBatch::verbatim(header, bytes);
        left.segment = stored.segment;
        Some(left)
    }

    fn is_aborted(&self, header: &BatchHeader) -> bool {
        header.attributes.is_transactional()
            && self
                .aborted_between(header.base_offset, header.next_offset(), self.log_end())
                .any(|transaction| transaction.producer_id == header.producer_id)
    }
}

fn opened(stored: &StoredBatch, scratch: &mut CompressionScratch) -> Option<(Batch, BatchRecords)> {
    let options = ReadOptions::default().check_crcs(false);
    let batch = Batches::new(stored.to_bytes(), options).next()?.ok()?;
    let records = batch.records(scratch).ok()?;
    Some((batch, records))
}
