//! `repartition`: records pass a topic of the application's own, which brings them to the partitions of their keys.
//!
//! What changes keys makes later groupings and joins repartition by themselves; this operator does it where the user wants,
//! with as many partitions as the user wants.
//!
//! ```
//! use courant_streams::codec::Utf8;
//! use courant_streams::{Repartitioned, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines.repartition(Repartitioned::named("wide").partitions(12), (Utf8, Utf8)).to("spread", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, spread) = (driver.input("lines", (Utf8, Utf8)), driver.output("spread", (Utf8, Utf8)));
//! driver.send(&lines, "k", "to be", 0)?;
//! assert_eq!(driver.drain(&spread)?.len(), 1);
//! assert_eq!(driver.cluster().partition_count("test-wide-repartition"), Some(12));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use courant_client::codec::Codec;

use super::sink::sink;
use super::{Edge, ProcessError, Push, Run, stream_source};
use crate::codecs::Codecs;
use crate::dsl::{KStream, Repartitioned, operator};
use crate::record::Record;
use crate::topology::{Graph, GraphKind, GraphRepartition, Make, TopologyProblem, is_generated};

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Sends the records through a repartition topic. Records without a key are left out.
    pub fn repartition(
        self,
        repartitioned: impl Into<Repartitioned>,
        codecs: (impl Codec<K>, impl Codec<V>),
    ) -> Self {
        let (Repartitioned { name, partitions }, codecs) = (repartitioned.into(), Codecs::new(codecs));
        let mut graph = self.graph.lock();
        let name = name.unwrap_or_else(|| graph.names.processor("KSTREAM-REPARTITION-"));
        graph.check_name(&name);
        let (name, kind) = nodes(&mut graph, &name, partitions, Some(codecs.clone()));
        let node = graph.add(name, kind, &[self.node]);
        drop(graph);
        KStream {
            node,
            sources: [node].into(),
            repartition_required: false,
            key: Some(codecs.key),
            value: Some(codecs.value),
            graph: self.graph,
        }
    }

    /// The repartition before a join, if the keys were changed (`KStreamImpl.repartitionForJoin`).
    pub(crate) fn repartitioned_for_join(self, name: Option<&str>) -> Self {
        if !self.repartition_required {
            return self;
        }
        let mut graph = self.graph.lock();
        let own = graph.name(self.node);
        let prefix = name.unwrap_or(&own).to_owned();
        let (source, kind) = nodes(&mut graph, &prefix, None, self.codecs());
        let node = match graph.join_repartition(self.node) {
            Some(earlier) if prefix == own => earlier,
            _ => graph.add(source, kind, &[self.node]),
        };
        graph.set_join_repartition(self.node, node);
        if let Some(duplicate) = graph.duplicate(self.node) {
            graph.set_duplicate(node, duplicate);
        }
        drop(graph);
        KStream { node, sources: [node].into(), repartition_required: false, ..self }
    }
}

/// A repartition's place in the graph, not yet added: the name of its source, and what it is made of.
///
/// Three numbers are taken, whatever the nodes are called (`KStreamImpl.createRepartitionedSource`).
pub(crate) fn nodes<K: Send + 'static, V: Send + 'static>(
    graph: &mut Graph,
    prefix: &str,
    partitions: Option<i32>,
    codecs: Option<Codecs<K, V>>,
) -> (String, GraphKind) {
    let topic = match prefix.ends_with(SUFFIX) {
        true => prefix.to_owned(),
        false => format!("{prefix}{SUFFIX}"),
    };
    let numbered =
        ["KSTREAM-SINK-", "KSTREAM-FILTER-", "KSTREAM-SOURCE-"].map(|kind| graph.names.processor(kind));
    let [sink_name, filter_name, source_name] = match is_generated(prefix) {
        true => numbered,
        false => ["sink", "filter", "source"].map(|kind| format!("{topic}-{kind}")),
    };
    if let Some(partitions) = partitions.filter(|partitions| *partitions < 1) {
        graph.problem(TopologyProblem::Partitions { topic: topic.clone(), partitions });
    }
    let (sink, source) = match codecs {
        Some(codecs) => (sink(codecs.clone(), false), stream_source(codecs)),
        None => {
            graph.problem(TopologyProblem::MissingCodecs { topic: topic.clone() });
            (key_filter::<K, V>(false), key_filter::<K, V>(false))
        }
    };
    let (filter, relaxed) = (key_filter::<K, V>(true), key_filter::<K, V>(false));
    let repartition =
        GraphRepartition { topic, partitions, filter_name, sink_name, filter, relaxed, sink, source };
    (source_name, GraphKind::Repartition(Box::new(repartition)))
}

/// Leaves records without a key out, or none: a left join takes them (KIP-962).
fn key_filter<K: Send + 'static, V: Send + 'static>(needs_key: bool) -> Make {
    operator(move |wiring| Ok(KeyFilter::<K, V> { needs_key, next: wiring.output()? }))
}

struct KeyFilter<K, V> {
    needs_key: bool,
    next: Edge<K, V>,
}

impl<K: Send, V: Send> Push<K, V> for KeyFilter<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        if self.needs_key {
            batch.retain(|record| record.key.is_some());
        }
        self.next.push(batch, run)
    }
}

const SUFFIX: &str = "-repartition";
