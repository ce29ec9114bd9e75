//! Where a topology begins.
use std::sync::Arc;

use courant_client::codec::Codec;

use super::table::{StoreView, materialized_later};
use super::{Consumed, KStream, KTable, OldValues, SharedGraph, Store};
use crate::codecs::Codecs;
use crate::operator::{stream_source, table_source};
use crate::topology::{GraphKind, GraphSource, GraphTableSource, Topology, TopologyError, build};

/// Collects streams and tables, and checks and builds what was done with them.
///
/// Names that are not given are numbered in the order of the calls, as Java's `StreamsBuilder` numbers them, so that a
/// program written with the same calls uses the same internal topics.
///
/// ```
/// use courant_streams::codec::{I64Be, Utf8};
/// use courant_streams::{Store, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, String>("lines", (Utf8, Utf8))
///     .flat_map_values(|_, line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
///     .group_by("by-word", (Utf8, Utf8), |_, word| word.clone())
///     .count(Store::named("counts", (Utf8, I64Be)))
///     .to_stream()
///     .to("word-counts", (Utf8, I64Be));
/// let topology = builder.build()?;
/// assert!(topology.describe().contains("Sink: by-word-repartition-sink (topic: by-word-repartition)"));
/// # Ok::<(), courant_streams::TopologyError>(())
/// ```
#[derive(Default)]
pub struct StreamsBuilder {
    graph: SharedGraph,
}

impl StreamsBuilder {
    /// A builder without streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads topics as a stream: every record is an event.
    ///
    /// Two streams of the same topics are one source.
    pub fn stream<K, V>(
        &self,
        topics: impl Into<Consumed>,
        codecs: (impl Codec<K>, impl Codec<V>),
    ) -> KStream<K, V>
    where
        K: Send + 'static,
        V: Send + 'static,
    {
        let (consumed, codecs) = (topics.into(), Codecs::new(codecs));
        let mut graph = self.graph.lock();
        let numbered = graph.names.processor("KSTREAM-SOURCE-");
        let name = given(&mut graph, consumed.name.clone(), numbered);
        let make = stream_source(codecs.clone());
        let source = GraphSource {
            topics: consumed.topics,
            reset: consumed.reset,
            timestamp: consumed.timestamp,
            make,
        };
        let node = graph.add(name, GraphKind::Source(source), &[]);
        drop(graph);
        KStream {
            graph: self.graph.clone(),
            node,
            sources: [node].into(),
            repartition_required: false,
            key: Some(codecs.key),
            value: Some(codecs.value),
        }
    }

    /// Reads a topic as a table: every record is the new value of its key, or its deletion.
    ///
    /// A table that was given a name is kept in a store; one that was not is kept only if somebody needs to look up values.
    pub fn table<K, V>(&self, topic: impl Into<Consumed>, store: Store<K, V>) -> KTable<K, V>
    where
        K: Send + 'static,
        V: Send + 'static,
    {
        let consumed = topic.into();
        let topic = consumed.topics.first().cloned().unwrap_or_default();
        let mut graph = self.graph.lock();
        let materialized = store.name.is_some();
        let store_name = store.resolve_name(&mut graph, &format!("{topic}-"));
        let numbered = graph.names.processor("KSTREAM-SOURCE-");
        let suffixed = consumed.name.as_ref().map(|name| format!("{name}-source"));
        let source_name = given(&mut graph, suffixed, numbered);
        let numbered = graph.names.processor("KTABLE-SOURCE-");
        let name = given(&mut graph, consumed.name.clone(), numbered);
        let source = GraphSource {
            topics: vec![topic],
            reset: consumed.reset,
            timestamp: consumed.timestamp,
            make: stream_source(store.codecs.clone()),
        };
        let old = OldValues::of_source(graph.next_id());
        let kind = GraphKind::TableSource(Box::new(GraphTableSource {
            source_name,
            source,
            make: table_source(store_name.clone(), store.codecs.clone(), Arc::clone(&old)),
            store: store.key_value(store_name.clone()),
            materialized,
        }));
        let node = graph.add(name, kind, &[]);
        drop(graph);
        let view = StoreView::boxed(store_name, store.codecs.clone());
        KTable {
            graph: self.graph.clone(),
            node,
            sources: [node].into(),
            key: Some(store.codecs.key),
            value: Some(store.codecs.value),
            view: materialized_later(node, view),
            old,
        }
    }

    /// Checks everything and builds the topology.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn build(&self) -> Result<Topology, TopologyError> {
        build(&self.graph.lock())
    }
}

/// The name that was given, or the numbered one.
fn given(graph: &mut crate::topology::Graph, name: Option<String>, numbered: String) -> String {
    match name {
        Some(name) => {
            graph.check_name(&name);
            name
        }
        None => numbered,
    }
}
