//! A grouped stream in windows of time, ready to be aggregated.
use std::sync::Arc;

use super::{KGroupedStream, KTable, OldValues, Store, TableView, ValueGetter};
use crate::codecs::{BoxedCodec, Codecs};
use crate::operator::{ProcessError, Run, WindowStore};
use crate::topology::{Graph, Make, TopologyProblem, Wiring};
use crate::windows::{TimeWindows, WindowCodec, Windowed};

/// A grouped stream whose aggregates are per window of time.
#[must_use = "windows do nothing until they are aggregated"]
pub struct TimeWindowedKStream<K, V> {
    pub(crate) grouped: KGroupedStream<K, V>,
    pub(crate) windows: TimeWindows,
}

impl<K: Send + 'static, V: Send + 'static> TimeWindowedKStream<K, V> {
    /// An aggregation into a window store, and the table that it gives. `make` is handed the name of the store.
    pub(crate) fn into_table<A: Send + 'static>(
        self,
        prefix: &str,
        burns_a_number: bool,
        store: Store<K, A>,
        make: impl FnOnce(String, Codecs<K, A>, Arc<OldValues>) -> Make,
    ) -> KTable<Windowed<K>, A> {
        let Self { grouped, windows } = self;
        let mut graph = grouped.graph.lock();
        if burns_a_number && store.burns_a_number() {
            graph.names.store(prefix);
        }
        let store_name = store.resolve_name(&mut graph, prefix);
        let name = graph.names.processor(prefix);
        if let Some(reason) = windows.problem() {
            graph.problem(TopologyProblem::Window { node: name.clone(), reason });
        }
        let (spec, needed_ms) = store.window(store_name.clone(), &windows);
        if let (Some(needed_ms), crate::topology::StoreKind::Window { retention_ms, .. }) =
            (needed_ms, spec.kind)
        {
            graph.problem(TopologyProblem::Retention { store: store_name.clone(), retention_ms, needed_ms });
        }
        drop(graph);
        let old = OldValues::kept();
        let make = make(store_name.clone(), store.codecs.clone(), Arc::clone(&old));
        let (graph, node, sources) = grouped.aggregated(name, make, spec);
        let key = BoxedCodec::new(WindowCodec::of_millis(store.codecs.key.clone(), windows.size_ms()));
        let view = Arc::new(WindowView { store: store_name, codecs: store.codecs.clone() });
        KTable { graph, node, sources, key: Some(key), value: Some(store.codecs.value), view, old }
    }
}

/// The view of a table that is in a window store.
struct WindowView<K, V> {
    store: String,
    codecs: Codecs<K, V>,
}

impl<K: Send + 'static, V: Send + 'static> TableView<Windowed<K>, V> for WindowView<K, V> {
    fn stores(&self) -> Vec<String> {
        vec![self.store.clone()]
    }

    fn materialize(&self, _: &mut Graph) {}

    fn getter(&self, wiring: &Wiring<'_>) -> Result<Box<dyn ValueGetter<Windowed<K>, V>>, ProcessError> {
        Ok(Box::new(WindowStore::new(wiring, &self.store, self.codecs.clone())?))
    }
}

impl<K: Send + 'static, V: Send + 'static> ValueGetter<Windowed<K>, V> for WindowStore<K, V> {
    fn get(
        &mut self,
        windowed: &Windowed<K>,
        run: &mut Run<'_>,
        offset: i64,
    ) -> Result<Option<(V, i64)>, ProcessError> {
        let Some(key) = self.key(&windowed.key, run, offset)? else { return Ok(None) };
        self.value(&key, windowed.window.start_ms, run, offset)
    }
}
