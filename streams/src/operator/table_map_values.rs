//! `map_values` of a table: a table of new values under the same keys.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
//! names.map_values(|_, name| name.len() as i64).to_stream().to("lengths", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (names, lengths) = (driver.input("names", (Utf8, Utf8)), driver.output("lengths", (Utf8, I64Be)));
//! driver.send(&names, "42", "Ada", 0)?;
//! assert_eq!(driver.drain_latest(&lengths)?, [("42".to_owned(), 3)].into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, KeyValueStore, ProcessError, Push, Run};
use crate::codecs::Codecs;
use crate::dsl::{KTable, OldValues, Store, StoreView, TableView, ValueGetter, operator};
use crate::record::{Change, Record};
use crate::topology::{Graph, GraphKind, Make, StoreUse, Wiring};

impl<K: Send + 'static, V: Send + 'static> KTable<K, V> {
    /// The table of the values that the mapper makes. A deletion stays one.
    pub fn map_values<V2: Send + 'static>(
        self,
        mapper: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
    ) -> KTable<K, V2> {
        derived(self, "KTABLE-MAPVALUES-", None, Arc::new(move |key, value| Some(mapper(key, value))), false)
    }

    /// The same as [`KTable::map_values`], kept in a store of its own if that has a name.
    pub fn map_values_into<V2: Send + 'static>(
        self,
        store: Store<K, V2>,
        mapper: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
    ) -> KTable<K, V2> {
        derived(
            self,
            "KTABLE-MAPVALUES-",
            Some(store),
            Arc::new(move |key, value| Some(mapper(key, value))),
            false,
        )
    }
}

/// What a derived table has for a value; `None` for nothing.
pub(super) type Derive<K, V, V2> = dyn Fn(&K, V) -> Option<V2> + Send + Sync;

/// A table whose values are made of another's, and looked up by way of the other unless it has a store of its own.
pub(super) fn derived<K: Send + 'static, V: Send + 'static, V2: Send + 'static>(
    table: KTable<K, V>,
    prefix: &str,
    store: Option<Store<K, V2>>,
    derive: Arc<Derive<K, V, V2>>,
    is_filter: bool,
) -> KTable<K, V2> {
    let mut graph = table.graph.lock();
    let asked = is_filter && table.old.ask(&graph);
    // A `Materialized` without a name keeps nothing, and yet takes a number.
    if store.as_ref().is_some_and(|store| store.name.is_none()) {
        graph.names.store(prefix);
    }
    let codecs = store.as_ref().map(|store| store.codecs.clone());
    let kept = store.and_then(|store| {
        let name = store.name.clone()?;
        graph.check_name(&name);
        Some((store.key_value(name.clone()), name, store.codecs))
    });
    let name = graph.names.processor(prefix);
    let old = match kept {
        Some(_) => OldValues::kept(),
        None => OldValues::of(&table.old),
    };
    if asked {
        old.ask(&graph);
    }
    let own = kept.as_ref().map(|(_, name, codecs)| (name.clone(), codecs.clone()));
    let make = derive_table(Arc::clone(&derive), own, Arc::clone(&old), is_filter);
    let stores = kept.iter().map(|(spec, ..)| StoreUse::Own(spec.clone())).collect();
    let node = graph.add(name, GraphKind::Processor { make, stores }, &[table.node]);
    drop(graph);
    let KTable { graph, sources, key, view: parent, .. } = table;
    let view = match kept {
        Some((_, name, codecs)) => StoreView::boxed(name, codecs),
        None => Arc::new(DerivedView { parent, derive }),
    };
    let (own_key, value) = codecs.map(|codecs| (codecs.key, codecs.value)).unzip();
    KTable { graph, node, sources, key: own_key.or(key), value, view, old }
}

fn derive_table<K: Send + 'static, V: Send + 'static, V2: Send + 'static>(
    derive: Arc<Derive<K, V, V2>>,
    kept: Option<(String, Codecs<K, V2>)>,
    old: Arc<OldValues>,
    is_filter: bool,
) -> Make {
    operator(move |wiring| {
        let store = kept.as_ref().map(|(name, codecs)| KeyValueStore::new(wiring, name, codecs.clone()));
        let (derive, store, next) = (Arc::clone(&derive), store.transpose()?, wiring.output()?);
        Ok(DeriveTable { derive, store, sends_old: old.wanted(), is_filter, out: Vec::new(), next })
    })
}

struct DeriveTable<K, V, V2> {
    derive: Arc<Derive<K, V, V2>>,
    store: Option<KeyValueStore<K, V2>>,
    sends_old: bool,
    is_filter: bool,
    out: Vec<Record<K, Change<V2>>>,
    next: Edge<K, Change<V2>>,
}

impl<K: Send + 'static, V: Send, V2: Send + 'static> Push<K, Change<V>> for DeriveTable<K, V, V2> {
    fn push(&mut self, batch: &mut Vec<Record<K, Change<V>>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            let updated = self.update(record, run);
            self.out.extend(run.settle(updated)?.flatten());
        }
        self.next.push(&mut self.out, run)
    }
}

impl<K: 'static, V, V2: 'static> DeriveTable<K, V, V2> {
    fn update(
        &mut self,
        mut record: Record<K, Change<V>>,
        run: &mut Run<'_>,
    ) -> Result<Option<Record<K, Change<V2>>>, ProcessError> {
        let (offset, timestamp) = (record.offset, record.timestamp);
        let Some(key) = record.key.take() else {
            run.dropped(offset, Dropped::NullKey);
            return Ok(None);
        };
        let Change { new, old } = record.value.take().unwrap_or(Change { new: None, old: None });
        let mut new = new.and_then(|new| (self.derive)(&key, new));
        let mut old = old.filter(|_| self.sends_old).and_then(|old| (self.derive)(&key, old));
        let mut place = None;
        if let Some(store) = &mut self.store {
            let Some(bytes) = store.key(&key, run, offset)? else { return Ok(None) };
            if self.sends_old {
                old = store.value(&bytes, run, offset)?.map(|(value, _)| value);
            }
            place = Some((store, bytes));
        }
        // What never passed the filter need not be deleted behind it.
        if self.is_filter && self.sends_old && old.is_none() && new.is_none() {
            return Ok(None);
        }
        if let Some((store, bytes)) = place
            && !store.put(&bytes, new.as_ref(), timestamp, run, offset)?
        {
            new = None;
        }
        Ok(Some(record.with(Some(key), Some(Change { new, old }))))
    }
}

/// The view of a derived table without a store.
struct DerivedView<K, V, V2> {
    parent: Arc<dyn TableView<K, V>>,
    derive: Arc<Derive<K, V, V2>>,
}

impl<K: 'static, V: 'static, V2: 'static> TableView<K, V2> for DerivedView<K, V, V2> {
    fn stores(&self) -> Vec<String> {
        self.parent.stores()
    }

    fn materialize(&self, graph: &mut Graph) {
        self.parent.materialize(graph);
    }

    fn getter(&self, wiring: &Wiring<'_>) -> Result<Box<dyn ValueGetter<K, V2>>, ProcessError> {
        Ok(Box::new(DerivedGetter { parent: self.parent.getter(wiring)?, derive: Arc::clone(&self.derive) }))
    }
}

struct DerivedGetter<K, V, V2> {
    parent: Box<dyn ValueGetter<K, V>>,
    derive: Arc<Derive<K, V, V2>>,
}

impl<K, V, V2> ValueGetter<K, V2> for DerivedGetter<K, V, V2> {
    fn get(&mut self, key: &K, run: &mut Run<'_>, offset: i64) -> Result<Option<(V2, i64)>, ProcessError> {
        let found = self.parent.get(key, run, offset)?;
        Ok(found.and_then(|(value, timestamp)| Some(((self.derive)(key, value)?, timestamp))))
    }
}
