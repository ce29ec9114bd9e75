//! The stores of a task: their layout, their uncommitted writes, and the engine under them.
use bytes::Bytes;
use courant_protocol::types::TopicName;

use super::changelog::{split_timestamp, split_window_key, with_timestamp};
use super::engine::{Engine, EngineError, Space, WriteBatch};
use super::overlay::Overlay;
use crate::operator::ValueAndTimestamp;

/// What a store is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreLayout {
    /// Its name.
    pub(crate) name: String,
    /// How its keys are laid out.
    pub(crate) shape: StoreShape,
    /// The topic that has its changes; `None` for a store that is lost with its task.
    pub(crate) changelog: Option<TopicName>,
}

/// How the keys of a store are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreShape {
    /// One value for each key.
    KeyValue,
    /// One value for each key and window start, kept for a time.
    Window {
        /// How far behind the newest window start an entry may lie and still be seen.
        retention_ms: i64,
    },
}

impl StoreShape {
    /// How long a stretch of time one space of a window store holds (`Stores.persistentWindowStore`).
    pub(super) fn segment_ms(self) -> i64 {
        match self {
            Self::KeyValue => i64::MAX,
            Self::Window { retention_ms } => (retention_ms / 2).max(LEAST_SEGMENT_MS),
        }
    }
}

/// An entry as it is read: key, start of the window if there is one, value.
pub(crate) type StoredEntry = (Bytes, Option<i64>, ValueAndTimestamp);

/// The stores of one task.
pub(crate) struct Stores {
    stores: Vec<Store>,
    pub(super) overlay: Overlay,
    pub(super) engine: Box<dyn Engine>,
}

struct Store {
    layout: StoreLayout,
    /// The newest window start that was ever put (Kafka Streams' `observedStreamTime` of a store).
    newest_start: i64,
    /// The changelog offset behind the last record that is known to be there.
    logged: Option<i64>,
}

impl Stores {
    /// Stores over an engine, which may hold what an earlier task committed.
    pub(crate) fn new(layouts: Vec<StoreLayout>, engine: Box<dyn Engine>) -> Self {
        let stores = layouts.into_iter().enumerate().map(|(index, layout)| {
            let newest_start = match layout.shape {
                StoreShape::KeyValue => NEVER,
                StoreShape::Window { .. } => newest_start(&*engine, index),
            };
            Store { newest_start, logged: engine.offset(index), layout }
        });
        Self { stores: stores.collect(), overlay: Overlay::default(), engine }
    }

    /// What a store is like.
    pub(crate) fn layout(&self, store: usize) -> Option<&StoreLayout> {
        self.stores.get(store).map(|store| &store.layout)
    }

    /// All layouts, in order.
    pub(crate) fn layouts(&self) -> impl Iterator<Item = &StoreLayout> {
        self.stores.iter().map(|store| &store.layout)
    }

    /// Where the restore of a store begins; `None` for the changelog's beginning.
    pub(crate) fn restore_from(&self, store: usize) -> Option<i64> {
        self.engine.offset(store)
    }

    /// How much memory uncommitted writes take, roughly.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.overlay.bytes()
    }

    /// A changelog record was written at this offset.
    pub(crate) fn logged(&mut self, store: usize, offset: i64) {
        if let Some(store) = self.stores.get_mut(store) {
            store.logged = store.logged.max(Some(offset.saturating_add(1)));
        }
    }

    /// Everything in a store, committed or not: key, start of the window if it has windows, value.
    pub(crate) fn read(&self, index: usize) -> Result<Vec<StoredEntry>, EngineError> {
        let is_window =
            matches!(self.layout(index), Some(StoreLayout { shape: StoreShape::Window { .. }, .. }));
        let oldest = self.oldest_start(index);
        let mut found = Vec::new();
        for space in self.overlay.spaces(&*self.engine, index) {
            for (key, stored) in self.overlay.range(&*self.engine, space, &[], None)? {
                let Some(value) = split_timestamp(stored) else { continue };
                match split_window_key(&key).filter(|_| is_window) {
                    Some((key, start)) if start >= oldest => found.push((key, Some(start), value)),
                    Some(_) => {}
                    None => found.push((key, None, value)),
                }
            }
        }
        Ok(found)
    }

    /// Everything written is committed: it moves into the engine, with the changelog offsets that it goes up to.
    pub(crate) fn commit(&mut self) -> Result<(), EngineError> {
        let logged = self.stores.iter().enumerate();
        let offsets = logged.filter_map(|(index, store)| Some((index, store.logged?))).collect();
        self.engine.apply(self.overlay.take(offsets))
    }

    /// Takes changelog records of a store into the engine; `next` is the offset behind the last of them.
    ///
    /// A record whose key could not be one of the store's is passed over, as it cannot be asked for either.
    pub(crate) fn restore<'a>(
        &mut self,
        index: usize,
        records: impl Iterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>, i64)>,
        next: i64,
    ) -> Result<(), EngineError> {
        let Some(shape) = self.layout(index).map(|layout| layout.shape) else { return Ok(()) };
        let mut batch = WriteBatch { offsets: vec![(index, next)], ..WriteBatch::default() };
        for (key, value, timestamp) in records {
            let Some(key) = key.map(Bytes::copy_from_slice) else { continue };
            let value = value.map(|value| with_timestamp(value, timestamp));
            match shape {
                StoreShape::KeyValue => batch.writes.push((Space { store: index, segment: 0 }, key, value)),
                StoreShape::Window { .. } => {
                    let Some((_, start)) = split_window_key(&key) else { continue };
                    self.see_start(index, start);
                    batch.writes.push((self.segment_of(index, start), key, value));
                }
            }
        }
        batch.writes.retain(|(space, ..)| self.is_live(*space));
        let expired = self.engine.spaces(index).into_iter().filter(|space| !self.is_live(*space));
        batch.emptied = expired.collect();
        if let Some(store) = self.stores.get_mut(index) {
            store.logged = Some(next);
        }
        self.engine.apply(batch)
    }

    /// Forgets a store, because its changelog no longer has what the engine was built from.
    pub(crate) fn wipe(&mut self, index: usize) -> Result<(), EngineError> {
        if let Some(store) = self.stores.get_mut(index) {
            (store.newest_start, store.logged) = (NEVER, None);
        }
        self.engine.wipe(index)
    }

    /// The engine as it was last committed; what came after is dropped.
    pub(crate) fn into_engine(self) -> Box<dyn Engine> {
        self.engine
    }

    /// Notes a window start; what has become too old by it is dropped.
    pub(super) fn put_window(&mut self, index: usize, key: Bytes, start: i64, stored: Option<Bytes>) {
        if self.see_start(index, start) {
            let spaces = self.overlay.spaces(&*self.engine, index);
            spaces
                .into_iter()
                .filter(|space| !self.is_live(*space))
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|space| self.overlay.empty(space));
        }
        let space = self.segment_of(index, start);
        // A window that is too old to be seen is logged, yet not kept (`AbstractRocksDBSegmentedBytesStore.put`).
        if self.is_live(space) {
            self.overlay.put(space, key, stored);
        }
    }

    /// The oldest window start that can be seen.
    pub(super) fn oldest_start(&self, index: usize) -> i64 {
        match self.stores.get(index) {
            Some(Store {
                layout: StoreLayout { shape: StoreShape::Window { retention_ms }, .. },
                newest_start,
                ..
            }) => newest_start.saturating_sub(*retention_ms).saturating_add(1),
            _ => i64::MIN,
        }
    }

    /// The space that holds a window start.
    pub(super) fn segment_of(&self, index: usize, start: i64) -> Space {
        let length = self.layout(index).map_or(i64::MAX, |layout| layout.shape.segment_ms());
        Space { store: index, segment: start.div_euclid(length.max(1)) }
    }

    /// Whether windows of a space may still be seen.
    fn is_live(&self, space: Space) -> bool {
        match self.stores.get(space.store) {
            Some(Store {
                layout: StoreLayout { shape: StoreShape::Window { retention_ms }, .. },
                newest_start,
                ..
            }) => {
                let oldest = self.segment_of(space.store, newest_start.saturating_sub(*retention_ms));
                space.segment >= oldest.segment
            }
            _ => true,
        }
    }

    /// Whether a start is newer than all before.
    fn see_start(&mut self, index: usize, start: i64) -> bool {
        match self.stores.get_mut(index) {
            Some(store) if start > store.newest_start => {
                store.newest_start = start;
                true
            }
            _ => false,
        }
    }
}

/// The newest window start that an engine holds of a store.
fn newest_start(engine: &dyn Engine, store: usize) -> i64 {
    let Some(space) = engine.spaces(store).pop() else { return NEVER };
    let starts = engine.range(space, &[], None).flatten().filter_map(|(key, _)| split_window_key(&key));
    starts.map(|(_, start)| start).max().unwrap_or(NEVER)
}

/// Before every window.
const NEVER: i64 = -1;
/// Segments are not shorter than a minute.
const LEAST_SEGMENT_MS: i64 = 60_000;

#[cfg(test)]
mod tests;
