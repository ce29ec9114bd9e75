//! The engine in memory.
use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::engine::{Engine, EngineError, Entries, Space, WriteBatch};

/// Sorted maps; what they hold is gone with the process and comes back from the changelog.
#[derive(Debug, Default)]
pub(crate) struct MemoryEngine {
    spaces: BTreeMap<Space, BTreeMap<Bytes, Bytes>>,
    offsets: BTreeMap<usize, i64>,
}

impl Engine for MemoryEngine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.spaces.get(&space).and_then(|entries| entries.get(key)).cloned())
    }

    fn range<'a>(&'a self, space: Space, from: &[u8], to: Option<&[u8]>) -> Entries<'a> {
        let to = to.map_or(Bound::Unbounded, Bound::Included);
        let Some(entries) = self.spaces.get(&space).filter(|_| is_ordered(from, to)) else {
            return Box::new(std::iter::empty());
        };
        let entries = entries.range::<[u8], _>((Bound::Included(from), to));
        Box::new(entries.map(|(key, value)| Ok((key.clone(), value.clone()))))
    }

    fn apply(&mut self, batch: WriteBatch) -> Result<(), EngineError> {
        for space in batch.emptied {
            self.spaces.remove(&space);
        }
        for (space, key, value) in batch.writes {
            let entries = self.spaces.entry(space).or_default();
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        self.offsets.extend(batch.offsets);
        Ok(())
    }

    fn offset(&self, store: usize) -> Option<i64> {
        self.offsets.get(&store).copied()
    }

    fn offsets(&self) -> Vec<(usize, i64)> {
        self.offsets.iter().map(|(store, offset)| (*store, *offset)).collect()
    }

    fn spaces(&self, store: usize) -> Vec<Space> {
        let of_store = Space { store, segment: i64::MIN }..=Space { store, segment: i64::MAX };
        self.spaces
            .range(of_store)
            .filter(|(_, entries)| !entries.is_empty())
            .map(|(space, _)| *space)
            .collect()
    }

    fn wipe(&mut self, store: usize) -> Result<(), EngineError> {
        self.spaces.retain(|space, _| space.store != store);
        self.offsets.remove(&store);
        Ok(())
    }
}

/// A sorted map refuses a range whose ends are the wrong way round; here it is an empty one.
pub(super) fn is_ordered(from: &[u8], to: Bound<&[u8]>) -> bool {
    match to {
        Bound::Included(to) => from <= to,
        _ => true,
    }
}
