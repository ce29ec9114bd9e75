//! A map that finds a key by its hash and walks its keys in order.
//!
//! A record of an aggregation reads its key and writes it, and mostly the key is there already: that costs a look-up each,
//! and no walk down a tree of keys whose first bytes are all alike. Only a key that comes or goes touches the order.
use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use hashbrown::HashMap;

/// Values under keys; what is walked comes in the order of the keys, never in that of their hashes.
#[derive(Debug)]
pub(super) struct Keyed<V> {
    values: HashMap<Bytes, V>,
    order: BTreeSet<Bytes>,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<V> Keyed<V> {
    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&V> {
        self.values.get(key)
    }

    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets the value of a key, and gives back the one before.
    pub(super) fn insert(&mut self, key: Bytes, value: V) -> Option<V> {
        if let Some(there) = self.values.get_mut(&key) {
            return Some(std::mem::replace(there, value));
        }
        self.order.insert(key.clone());
        self.values.insert(key, value)
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<V> {
        let value = self.values.remove(key)?;
        self.order.remove(key);
        Some(value)
    }

    /// The entries from one key to another, both included; without the second, to the end.
    pub(super) fn range<'a>(
        &'a self,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = (&'a Bytes, &'a V)> + use<'a, V> {
        // A sorted set refuses a range whose ends are the wrong way round; here it is an empty one.
        let is_ordered = to.is_none_or(|to| from <= to);
        let to = to.map_or(Bound::Unbounded, Bound::Included);
        let keys = is_ordered.then(|| self.order.range::<[u8], _>((Bound::Included(from), to)));
        keys.into_iter().flatten().filter_map(|key| Some((key, self.values.get(key)?)))
    }
}

impl<V> Keyed<V> {
    /// Everything, in the order of the keys.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (Bytes, V)> {
        let Self { mut values, order } = self;
        order.into_iter().filter_map(move |key| {
            let value = values.remove(&key)?;
            Some((key, value))
        })
    }

    /// All values, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.values.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    /// One step on a map of few keys, so that steps meet each other.
    fn step() -> impl Strategy<Value = (Vec<u8>, Option<u32>)> {
        (proptest::collection::vec(0_u8..3, 0..3), any::<Option<u32>>())
    }

    proptest! {
        #[test]
        fn it_answers_like_a_sorted_map(steps in proptest::collection::vec(step(), 0..40), from in step(), to in step()) {
            let (mut keyed, mut sorted) = (Keyed::default(), BTreeMap::new());
            for (key, value) in steps {
                let key = Bytes::from(key);
                let before = match value {
                    Some(value) => (keyed.insert(key.clone(), value), sorted.insert(key.clone(), value)),
                    None => (keyed.remove(&key), sorted.remove(&key)),
                };
                prop_assert_eq!(before.0, before.1);
                prop_assert_eq!(keyed.get(&key), sorted.get(&key));
                prop_assert_eq!(keyed.is_empty(), sorted.is_empty());
            }
            let (from, to) = (Bytes::from(from.0), to.1.map(|_| Bytes::from(to.0)));
            let within = |key: &Bytes| *key >= from && to.as_ref().is_none_or(|to| key <= to);
            let expected: Vec<_> = sorted.iter().filter(|(key, _)| within(key)).collect();
            prop_assert_eq!(keyed.range(&from, to.as_deref()).collect::<Vec<_>>(), expected);
            prop_assert_eq!(keyed.into_entries().collect::<Vec<_>>(), sorted.into_iter().collect::<Vec<_>>());
        }
    }
}
