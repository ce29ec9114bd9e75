//! A stream: every record is an event.
use courant_client::codec::Codec;

use super::{SharedGraph, Sources};
use crate::codecs::{BoxedCodec, Codecs};
use crate::topology::{GraphId, GraphKind, Make};

/// A stream of records with keys of `K` and values of `V`: every record is an event.
///
/// Each operator takes the stream and gives the next one. A stream that two want is cloned.
#[must_use = "a stream that nothing is done with is read for nothing"]
pub struct KStream<K, V> {
    pub(crate) graph: SharedGraph,
    pub(crate) node: GraphId,
    pub(crate) sources: Sources,
    pub(crate) repartition_required: bool,
    pub(crate) key: Option<BoxedCodec<K>>,
    pub(crate) value: Option<BoxedCodec<V>>,
}

/// Two want the stream; its records will be cloned.
impl<K: Clone + 'static, V: Clone + 'static> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        self.graph.duplicate::<K, V>(self.node);
        Self {
            graph: self.graph.clone(),
            node: self.node,
            sources: self.sources.clone(),
            repartition_required: self.repartition_required,
            key: self.key.clone(),
            value: self.value.clone(),
        }
    }
}

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Names the operator that made this stream, in the topology's text; else it has a number. Its number is still taken.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.graph.lock().rename(self.node, name.into());
        self
    }

    /// Says how keys and values are written if a grouping or a join needs a repartition topic. After an operator that
    /// changes their types, nobody else knows.
    pub fn with_codecs(mut self, codecs: (impl Codec<K>, impl Codec<V>)) -> Self {
        let Codecs { key, value } = Codecs::new(codecs);
        (self.key, self.value) = (Some(key), Some(value));
        self
    }

    /// The codecs, if both are known.
    pub(crate) fn codecs(&self) -> Option<Codecs<K, V>> {
        Some(Codecs { key: self.key.clone()?, value: self.value.clone()? })
    }

    /// An operator without stores behind this stream.
    pub(crate) fn then<K2, V2>(self, prefix: &str, make: Make) -> KStream<K2, V2> {
        let kind = GraphKind::Processor { make, stores: Vec::new() };
        let mut graph = self.graph.lock();
        let name = graph.names.processor(prefix);
        let node = graph.add(name, kind, &[self.node]);
        drop(graph);
        let Self { graph, sources, repartition_required, .. } = self;
        KStream { graph, node, sources, repartition_required, key: None, value: None }
    }

    /// The same with the codecs that stay, because the operator changes neither keys nor values.
    pub(crate) fn then_same(self, prefix: &str, make: Make) -> Self {
        let (key, value) = (self.key.clone(), self.value.clone());
        KStream { key, value, ..self.then(prefix, make) }
    }

    /// The same behind an operator that changes values only.
    pub(crate) fn then_values<V2>(self, prefix: &str, make: Make) -> KStream<K, V2> {
        let key = self.key.clone();
        KStream { key, ..self.then(prefix, make) }
    }

    /// The same behind an operator that changes keys: what groups or joins from here on needs a repartition.
    pub(crate) fn then_keys<K2, V2>(self, prefix: &str, make: Make) -> KStream<K2, V2> {
        KStream { repartition_required: true, ..self.then(prefix, make) }
    }
}
