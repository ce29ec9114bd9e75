//! A window store as operators see it: bytes under a key and the start of a window.
use bytes::Bytes;

use super::changelog::{split_timestamp, split_window_key, window_key, with_timestamp};
use super::engine::EngineError;
use super::stores::Stores;
use crate::operator::ValueAndTimestamp;
use crate::task::RecordCollector;

/// A window store of a task, borrowed for as long as an operator works on it.
///
/// What lies further back than the store's retention is neither found nor kept (`AbstractRocksDBSegmentedBytesStore`).
pub(crate) struct Window<'a> {
    pub(crate) stores: &'a mut Stores,
    pub(crate) collector: &'a mut RecordCollector,
    pub(crate) store: usize,
}

impl Window<'_> {
    /// The value of a key in the window that begins at `start`.
    pub(crate) fn fetch_one(&self, key: &[u8], start: i64) -> Result<Option<ValueAndTimestamp>, EngineError> {
        if start < self.stores.oldest_start(self.store) {
            return Ok(None);
        }
        let space = self.stores.segment_of(self.store, start);
        let stored = self.stores.overlay.get(&*self.stores.engine, space, &window_key(key, start, 0))?;
        Ok(stored.and_then(split_timestamp))
    }

    /// The values of a key in windows that begin from `from` to `to`, both included, the oldest first.
    pub(crate) fn fetch(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, ValueAndTimestamp)>, EngineError> {
        let from = from.max(self.stores.oldest_start(self.store)).max(0);
        let (first, last) = (window_key(key, from, 0), window_key(key, to.max(0), i32::MAX));
        let mut found = Vec::new();
        for (whole, value) in self.entries(from, to, &first, Some(&last))? {
            // Longer keys may lie between the ends of the range as well.
            if let Some((_, start)) = split_window_key(&whole).filter(|(found, _)| **found == *key) {
                found.push((start, value));
            }
        }
        Ok(found)
    }

    /// Every key and window that can be seen, segment by segment, then by the order of bytes.
    pub(crate) fn all(&self) -> Result<Vec<(Bytes, i64, ValueAndTimestamp)>, EngineError> {
        let oldest = self.stores.oldest_start(self.store);
        let entries = self.entries(oldest, i64::MAX, &[], None)?.into_iter();
        let split = entries.filter_map(|(whole, value)| {
            let (key, start) = split_window_key(&whole)?;
            (start >= oldest).then_some((key, start, value))
        });
        Ok(split.collect())
    }

    /// Sets the value of a key in the window that begins at `start`.
    pub(crate) fn put(&mut self, key: &[u8], start: i64, value: Bytes, timestamp: i64) {
        let (whole, stored) = (window_key(key, start, 0), with_timestamp(&value, timestamp));
        self.stores.put_window(self.store, whole.clone(), start, Some(stored));
        self.collector.log(self.stores, self.store, whole, Some(value), timestamp);
    }

    /// Deletes a key in a window; `timestamp` is that of the record at hand, which the changelog's tombstone carries.
    pub(crate) fn delete(&mut self, key: &[u8], start: i64, timestamp: i64) {
        let whole = window_key(key, start, 0);
        self.stores.put_window(self.store, whole.clone(), start, None);
        self.collector.log(self.stores, self.store, whole, None, timestamp);
    }

    fn entries(
        &self,
        from: i64,
        to: i64,
        first: &[u8],
        last: Option<&[u8]>,
    ) -> Result<Vec<(Bytes, ValueAndTimestamp)>, EngineError> {
        let (oldest, newest) =
            (self.stores.segment_of(self.store, from), self.stores.segment_of(self.store, to));
        let mut found = Vec::new();
        for space in self.stores.overlay.spaces(&*self.stores.engine, self.store) {
            if (oldest..=newest).contains(&space) {
                let entries = self.stores.overlay.range(&*self.stores.engine, space, first, last)?;
                found.extend(
                    entries.into_iter().filter_map(|(key, stored)| Some((key, split_timestamp(stored)?))),
                );
            }
        }
        Ok(found)
    }
}
