//! A window store as operators see it: bytes under a key and the start of a window.
use bytes::Bytes;

use super::changelog::{split_timestamp, window_key, with_timestamp};
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
}
