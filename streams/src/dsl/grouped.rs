//! A stream that is grouped by its keys, ready to be aggregated.
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::{KTable, OldValues, SharedGraph, Sources, Store, StoreView, TimeWindowedKStream};
use crate::codecs::Codecs;
use crate::operator::repartition;
use crate::topology::{Graph, GraphId, GraphKind, Make, StoreSpec, StoreUse};
use crate::windows::TimeWindows;

/// The name of a grouping, which becomes that of its repartition topic. A name alone will do.
#[derive(Clone, Debug, Default)]
pub struct Grouped {
    pub(crate) name: Option<String>,
}

impl Grouped {
    /// A grouping whose repartition topic, if it needs one, is `<application id>-<name>-repartition`.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()) }
    }

    /// A grouping whose repartition topic, if it needs one, is called after its store.
    pub fn numbered() -> Self {
        Self::default()
    }
}

impl From<&str> for Grouped {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// A stream grouped by its keys. If its keys were changed, its records pass a repartition topic first.
#[must_use = "a grouping does nothing until it is aggregated"]
pub struct KGroupedStream<K, V> {
    pub(crate) graph: SharedGraph,
    pub(crate) node: GraphId,
    pub(crate) sources: Sources,
    pub(crate) repartition_required: bool,
    pub(crate) name: Option<String>,
    pub(crate) codecs: Option<Codecs<K, V>>,
    /// The repartition of a named grouping, which all its aggregations share.
    pub(crate) repartition: Arc<Mutex<Option<GraphId>>>,
    pub(crate) types: PhantomData<fn(K, V)>,
}

/// Two aggregations want the grouping; its records will be cloned.
impl<K: Clone + 'static, V: Clone + 'static> Clone for KGroupedStream<K, V> {
    fn clone(&self) -> Self {
        self.graph.duplicate::<K, V>(self.node);
        Self {
            graph: self.graph.clone(),
            node: self.node,
            sources: self.sources.clone(),
            repartition_required: self.repartition_required,
            name: self.name.clone(),
            codecs: self.codecs.clone(),
            repartition: Arc::clone(&self.repartition),
            types: PhantomData,
        }
    }
}

impl<K: Send + 'static, V: Send + 'static> KGroupedStream<K, V> {
    /// Aggregates per window of time.
    pub fn windowed_by(self, windows: TimeWindows) -> TimeWindowedKStream<K, V> {
        TimeWindowedKStream { grouped: self, windows }
    }

    /// Puts an aggregation behind the grouping, with its repartition if it needs one; the node, and the sources behind it.
    pub(crate) fn aggregated(
        self,
        name: String,
        make: Make,
        store: StoreSpec,
    ) -> (SharedGraph, GraphId, Sources) {
        let mut graph = self.graph.lock();
        let (mut parent, mut sources) = (self.node, self.sources.clone());
        if self.repartition_required {
            parent = self.repartitioned(&mut graph, &store.name);
            sources = [parent].into();
        }
        let kind = GraphKind::Processor { make, stores: vec![StoreUse::Own(store)] };
        let node = graph.add(name, kind, &[parent]);
        drop(graph);
        (self.graph, node, sources)
    }

    /// The repartition before an aggregation (`GroupedStreamAggregateBuilder.build`).
    fn repartitioned(&self, graph: &mut Graph, store: &str) -> GraphId {
        let prefix = self.name.clone().unwrap_or_else(|| store.to_owned());
        let kind = repartition::nodes(graph, &prefix, None, self.codecs.clone());
        let mut known = self.repartition.lock().unwrap_or_else(PoisonError::into_inner);
        let id = match *known {
            Some(id) if self.name.is_some() => {
                graph.connect(id, &[self.node]);
                id
            }
            _ => graph.add(kind.0, kind.1, &[self.node]),
        };
        *known = Some(id);
        if let Some(duplicate) = graph.duplicate(self.node) {
            graph.set_duplicate(id, duplicate);
        }
        id
    }

    /// An aggregation into a key-value store, and the table that it gives. `make` is handed the name of the store.
    pub(crate) fn into_table<A: Send + 'static>(
        self,
        prefix: &str,
        burns_a_number: bool,
        store: Store<K, A>,
        make: impl FnOnce(String, Codecs<K, A>, Arc<OldValues>) -> Make,
    ) -> KTable<K, A> {
        let mut graph = self.graph.lock();
        if burns_a_number && store.burns_a_number() {
            graph.names.store(prefix);
        }
        let store_name = store.resolve_name(&mut graph, prefix);
        let name = graph.names.processor(prefix);
        drop(graph);
        let old = OldValues::kept();
        let make = make(store_name.clone(), store.codecs.clone(), Arc::clone(&old));
        let spec = store.key_value(store_name.clone());
        let (graph, node, sources) = self.aggregated(name, make, spec);
        let view = StoreView::boxed(store_name, store.codecs.clone());
        KTable {
            graph,
            node,
            sources,
            key: Some(store.codecs.key),
            value: Some(store.codecs.value),
            view,
            old,
        }
    }
}
