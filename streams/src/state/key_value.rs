//! A key-value store as operators see it: bytes, with the time of each value.
use bytes::Bytes;

use super::changelog::{split_timestamp, with_timestamp};
use super::engine::{EngineError, Space};
use super::stores::Stores;
use crate::operator::ValueAndTimestamp;
use crate::task::RecordCollector;

/// A key-value store of a task, borrowed for as long as an operator works on it.
pub(crate) struct KeyValue<'a> {
    pub(crate) stores: &'a mut Stores,
    pub(crate) collector: &'a mut RecordCollector,
    pub(crate) store: usize,
}

impl KeyValue<'_> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<ValueAndTimestamp>, EngineError> {
        let stored = self.stores.overlay.get(&*self.stores.engine, self.space(), key)?;
        Ok(stored.and_then(split_timestamp))
    }

    /// Sets the value of a key.
    pub(crate) fn put(&mut self, key: Bytes, value: Bytes, timestamp: i64) {
        let stored = with_timestamp(&value, timestamp);
        self.write(key.clone(), Some(stored));
        self.collector.log(self.stores, self.store, key, Some(value), timestamp);
    }

    /// Deletes a key; `timestamp` is that of the record at hand, which the changelog's tombstone carries.
    pub(crate) fn delete(&mut self, key: Bytes, timestamp: i64) {
        self.write(key.clone(), None);
        self.collector.log(self.stores, self.store, key, None, timestamp);
    }

    fn write(&mut self, key: Bytes, stored: Option<Bytes>) {
        let space = self.space();
        self.stores.overlay.put(space, key, stored);
    }

    fn space(&self) -> Space {
        Space { store: self.store, segment: 0 }
    }
}
