//! The engine in memory.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::engine::{Engine, EngineError, Entries, Space, WriteBatch};
use super::keyed::Keyed;

/// Maps in memory; what they hold is gone with the process and comes back from the changelog.
#[derive(Debug, Default)]
pub(crate) struct MemoryEngine {
    spaces: BTreeMap<Space, Keyed<Bytes>>,
    offsets: BTreeMap<usize, i64>,
}

impl Engine for MemoryEngine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.spaces.get(&space).and_then(|entries| entries.get(key)).cloned())
    }

    fn range<'a>(&'a self, space: Space, from: &[u8], to: Option<&[u8]>) -> Entries<'a> {
        match self.spaces.get(&space) {
            Some(entries) => {
                Box::new(entries.range(from, to).map(|(key, value)| Ok((key.clone(), value.clone()))))
            }
            None => Box::new(std::iter::empty()),
        }
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
