//! A table: every record is the new value of its key.
use std::sync::Arc;

use super::{OldValues, SharedGraph, Sources};
use crate::codecs::{BoxedCodec, Codecs};
use crate::operator::{KeyValueStore, ProcessError, Run};
use crate::record::Change;
use crate::topology::{Graph, GraphId, Wiring};

/// A table with keys of `K` and values of `V`: every record is the new value of its key, or its deletion.
#[must_use = "a table that nothing is done with is read for nothing"]
pub struct KTable<K, V> {
    pub(crate) graph: SharedGraph,
    pub(crate) node: GraphId,
    pub(crate) sources: Sources,
    pub(crate) key: Option<BoxedCodec<K>>,
    pub(crate) value: Option<BoxedCodec<V>>,
    pub(crate) view: Arc<dyn TableView<K, V>>,
    pub(crate) old: Arc<OldValues>,
}

/// Two want the table's updates; they will be cloned. A join that looks values up takes a reference instead.
impl<K: Clone + 'static, V: Clone + 'static> Clone for KTable<K, V> {
    fn clone(&self) -> Self {
        self.graph.duplicate::<K, Change<V>>(self.node);
        Self {
            graph: self.graph.clone(),
            node: self.node,
            sources: self.sources.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            view: Arc::clone(&self.view),
            old: Arc::clone(&self.old),
        }
    }
}

impl<K: Send + 'static, V: Send + 'static> KTable<K, V> {
    /// Names the operator that made this table, in the topology's text; else it has a number. Its number is still taken.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.graph.lock().rename(self.node, name.into());
        self
    }
}

/// Where values of a table can be looked up.
pub(crate) trait TableView<K, V>: Send + Sync {
    /// The stores that are asked.
    fn stores(&self) -> Vec<String>;
    /// Sees to it that there is a store to ask.
    fn materialize(&self, graph: &mut Graph);
    /// Looks values up, in one task.
    fn getter(&self, wiring: &Wiring<'_>) -> Result<Box<dyn ValueGetter<K, V>>, ProcessError>;
}

/// Looks values of a table up, in one task.
pub(crate) trait ValueGetter<K, V>: Send {
    /// The value of a key and its time.
    fn get(&mut self, key: &K, run: &mut Run<'_>, offset: i64) -> Result<Option<(V, i64)>, ProcessError>;
}

/// The view of a table that is in a store.
pub(crate) struct StoreView<K, V> {
    store: String,
    codecs: Codecs<K, V>,
}

impl<K: Send + 'static, V: Send + 'static> StoreView<K, V> {
    /// The view of a store.
    pub(crate) fn boxed(store: String, codecs: Codecs<K, V>) -> Arc<dyn TableView<K, V>> {
        Arc::new(Self { store, codecs })
    }
}

impl<K: Send + 'static, V: Send + 'static> TableView<K, V> for StoreView<K, V> {
    fn stores(&self) -> Vec<String> {
        vec![self.store.clone()]
    }

    fn materialize(&self, _: &mut Graph) {}

    fn getter(&self, wiring: &Wiring<'_>) -> Result<Box<dyn ValueGetter<K, V>>, ProcessError> {
        Ok(Box::new(KeyValueStore::new(wiring, &self.store, self.codecs.clone())?))
    }
}

impl<K: Send + 'static, V: Send + 'static> ValueGetter<K, V> for KeyValueStore<K, V> {
    fn get(&mut self, key: &K, run: &mut Run<'_>, offset: i64) -> Result<Option<(V, i64)>, ProcessError> {
        let Some(key) = self.key(key, run, offset)? else { return Ok(None) };
        self.value(&key, run, offset)
    }
}

/// The view of a table source, which is kept in a store from the moment on that somebody looks values up.
struct SourceView<K, V> {
    node: GraphId,
    view: Arc<dyn TableView<K, V>>,
}

/// See [`SourceView`].
pub(super) fn materialized_later<K: Send + 'static, V: Send + 'static>(
    node: GraphId,
    view: Arc<dyn TableView<K, V>>,
) -> Arc<dyn TableView<K, V>> {
    Arc::new(SourceView { node, view })
}

impl<K, V> TableView<K, V> for SourceView<K, V> {
    fn stores(&self) -> Vec<String> {
        self.view.stores()
    }

    fn materialize(&self, graph: &mut Graph) {
        graph.materialize(self.node);
    }

    fn getter(&self, wiring: &Wiring<'_>) -> Result<Box<dyn ValueGetter<K, V>>, ProcessError> {
        self.view.getter(wiring)
    }
}
