//! What a task has written since its last commit.
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::engine::{Engine, EngineError, Space, WriteBatch};
use super::keyed::Keyed;

/// Uncommitted writes over an engine. Dropping it undoes them.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    writes: BTreeMap<Space, Keyed<Option<Bytes>>>,
    /// Spaces whose committed content is to go; what is written into one afterwards stays.
    emptied: BTreeSet<Space>,
    bytes: usize,
}

impl Overlay {
    /// The value of a key, uncommitted or committed.
    pub(crate) fn get(
        &self,
        engine: &dyn Engine,
        space: Space,
        key: &[u8],
    ) -> Result<Option<Bytes>, EngineError> {
        match self.writes.get(&space).and_then(|writes| writes.get(key)) {
            Some(written) => Ok(written.clone()),
            None if self.emptied.contains(&space) => Ok(None),
            None => engine.get(space, key),
        }
    }

    /// Sets or deletes a value.
    pub(crate) fn put(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        let key_bytes = key.len();
        self.bytes += entry_bytes(key_bytes, value.as_ref());
        if let Some(before) = self.writes.entry(space).or_default().insert(key, value) {
            self.bytes -= entry_bytes(key_bytes, before.as_ref());
        }
    }

    /// Empties a space.
    pub(crate) fn empty(&mut self, space: Space) {
        let gone = self.writes.remove(&space).unwrap_or_default();
        self.bytes -= gone.values().map(|(key, value)| entry_bytes(key.len(), value.as_ref())).sum::<usize>();
        self.emptied.insert(space);
    }

    /// The entries from one key to another, both included, in the order of the keys.
    pub(crate) fn range(
        &self,
        engine: &dyn Engine,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        let mut merged = BTreeMap::new();
        if !self.emptied.contains(&space) {
            for entry in engine.range(space, from, to) {
                let (key, value) = entry?;
                merged.insert(key, value);
            }
        }
        for (key, value) in self.writes.get(&space).into_iter().flat_map(|writes| writes.range(from, to)) {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Ok(merged.into_iter().collect())
    }

    /// The spaces of a store that may hold something, in order.
    pub(crate) fn spaces(&self, engine: &dyn Engine, store: usize) -> Vec<Space> {
        let committed = engine.spaces(store).into_iter().filter(|space| !self.emptied.contains(space));
        let written = self.writes.keys().filter(|space| space.store == store).copied();
        committed.chain(written).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How much memory the writes take, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the writes out as one batch for the engine, with the changelog offsets that belong to them.
    pub(crate) fn take(&mut self, offsets: Vec<(usize, i64)>) -> WriteBatch {
        let emptied = std::mem::take(&mut self.emptied).into_iter().collect();
        let writes = std::mem::take(&mut self.writes)
            .into_iter()
            .flat_map(|(space, writes)| writes.into_entries().map(move |(key, value)| (space, key, value)));
        self.bytes = 0;
        WriteBatch { writes: writes.collect(), emptied, offsets }
    }
}

/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 96;

/// What a write takes.
fn entry_bytes(key_bytes: usize, value: Option<&Bytes>) -> usize {
    key_bytes + value.map_or(0, Bytes::len) + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_over_or_emptied_takes_no_memory() {
        let space = |segment| Space { store: 0, segment };
        let mut overlay = Overlay::default();
        overlay.put(space(0), Bytes::from_static(b"key"), Some(Bytes::from_static(b"a")));
        let once = overlay.bytes();
        for _ in 0..100 {
            overlay.put(space(0), Bytes::from_static(b"key"), Some(Bytes::from_static(b"b")));
        }
        assert_eq!(overlay.bytes(), once);
        overlay.put(space(1), Bytes::from_static(b"another"), None);
        overlay.empty(space(1));
        assert_eq!(overlay.bytes(), once);
        overlay.take(Vec::new());
        assert_eq!(overlay.bytes(), 0);
    }
}
