//! Builds the operators of one task and ties them together.
//!
//! Every node has a function that makes its operator. It is asked once per task, children first, and finds the types of
//! its edges again: an edge whose types do not fit is a fault of this library, because the stream handles have the types.
use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::sync::Arc;

use courant_protocol::types::TopicPartition;

use super::spec::{SinkIndex, StoreIndex, changelog_topic, internal_topic};
use crate::operator::{AnyEdge, Context, Duplicate, Edge, ProcessError, Run};
use crate::record::RawRecord;

/// What a node's operator is made by.
pub(crate) enum Make {
    /// A node with operators or sinks before it.
    Operator(MakeOperator),
    /// A source, which takes bytes.
    Source(MakeSource),
}

/// Makes an operator, and hands out the edge that leads to it.
pub(crate) type MakeOperator =
    Arc<dyn Fn(&mut Wiring<'_>) -> Result<Box<dyn AnyEdge>, ProcessError> + Send + Sync>;
/// Makes a source.
pub(crate) type MakeSource =
    Arc<dyn Fn(&mut Wiring<'_>) -> Result<Box<dyn Source>, ProcessError> + Send + Sync>;

impl Clone for Make {
    fn clone(&self) -> Self {
        match self {
            Self::Operator(make) => Self::Operator(Arc::clone(make)),
            Self::Source(make) => Self::Source(Arc::clone(make)),
        }
    }
}

/// Takes the bytes of a source topic.
pub(crate) trait Source: Send {
    /// Decodes the records and pushes them into the operators, one after the other.
    fn process(&mut self, records: &[RawRecord], run: &mut Run<'_>) -> Result<(), ProcessError>;
}

/// How a node's records are doubled for its children, with the types erased: a [`Duplicate`].
pub(crate) type AnyDuplicate = Arc<dyn Any + Send + Sync>;

/// What a node may ask for while its operator is made.
pub(crate) struct Wiring<'a> {
    /// The node's name.
    pub(super) node: &'a str,
    /// The edges to its children, in their order.
    pub(super) children: Vec<Box<dyn AnyEdge>>,
    /// How its records are doubled, if its handle was ever cloned.
    pub(super) duplicate: Option<&'a AnyDuplicate>,
    /// The stores of the sub-topology.
    pub(super) stores: &'a BTreeMap<String, StoreIndex>,
    /// The sink that the node is, if it is one.
    pub(super) sink: Option<(SinkIndex, &'a str, bool)>,
    /// Whose internal topics they are.
    pub(super) application_id: &'a str,
}

impl Wiring<'_> {
    /// The node's name.
    pub(crate) fn node(&self) -> &str {
        self.node
    }

    /// The edge to whatever stands behind the node.
    pub(crate) fn output<K: 'static, V: 'static>(&mut self) -> Result<Edge<K, V>, ProcessError> {
        let mut edges = self.outputs()?;
        match edges.len() {
            0 => Ok(Edge::Nowhere),
            1 => edges.pop().ok_or_else(|| ProcessError::internal("an edge is lost")),
            _ => {
                let duplicate = self.duplicate.and_then(|any| any.downcast_ref::<Duplicate<K, V>>());
                let duplicate = duplicate.ok_or_else(|| {
                    ProcessError::internal(format!("{} has several children and cannot be cloned", self.node))
                })?;
                Ok(Edge::Each(edges, *duplicate))
            }
        }
    }

    /// The edge to each child, in their order.
    pub(crate) fn outputs<K: 'static, V: 'static>(&mut self) -> Result<Vec<Edge<K, V>>, ProcessError> {
        let children = std::mem::take(&mut self.children).into_iter();
        children.map(|child| typed(self.node, child)).collect()
    }

    /// A store of the sub-topology.
    pub(crate) fn store(&self, name: &str) -> Result<StoreIndex, ProcessError> {
        let found = self.stores.get(name).copied();
        found.ok_or_else(|| ProcessError::internal(format!("{} has no store {name}", self.node)))
    }

    /// Whether the sub-topology has a store.
    pub(crate) fn has_store(&self, name: &str) -> bool {
        self.stores.contains_key(name)
    }

    /// The changelog topic of a store, which is the topic that its codecs are told.
    pub(crate) fn changelog(&self, store: &str) -> String {
        changelog_topic(self.application_id, store)
    }

    /// The sink that the node is, and its topic's name on the cluster.
    pub(crate) fn sink(&self) -> Result<(SinkIndex, String), ProcessError> {
        let (index, name, internal) =
            self.sink.ok_or_else(|| ProcessError::internal(format!("{} is no sink", self.node)))?;
        Ok((index, if internal { internal_topic(self.application_id, name) } else { name.to_owned() }))
    }
}

/// Finds an edge's types again.
fn typed<K: 'static, V: 'static>(node: &str, edge: Box<dyn AnyEdge>) -> Result<Edge<K, V>, ProcessError> {
    match edge.into_any().downcast::<Edge<K, V>>() {
        Ok(edge) => Ok(*edge),
        Err(_) => {
            let (key, value) = (type_name::<K>(), type_name::<V>());
            Err(ProcessError::internal(format!("what stands behind {node} does not take ({key}, {value})")))
        }
    }
}

/// The operators of one task, tied together.
pub(crate) struct TaskGraph {
    /// For each source node, all who read it: one, unless two streams were made from the same topic.
    pub(super) sources: Vec<Vec<Box<dyn Source>>>,
    /// Whether every batch may pass as a whole: no node has two children and no store two users, so that nobody can tell
    /// whether one record passed all operators before the next.
    pub(super) linear: bool,
}

impl TaskGraph {
    /// Processes records of one partition, in their order.
    pub(crate) fn process(
        &mut self,
        source: super::SourceIndex,
        partition: &TopicPartition,
        records: &[RawRecord],
        context: &mut dyn Context,
    ) -> Result<(), ProcessError> {
        let readers = self.sources.get_mut(source.0);
        let readers = readers.ok_or_else(|| ProcessError::internal("there is no such source"))?;
        let mut run = Run { origin: partition, context };
        let step = if self.linear { records.len().max(1) } else { 1 };
        for records in records.chunks(step) {
            for reader in readers.iter_mut() {
                reader.process(records, &mut run)?;
            }
        }
        Ok(())
    }
}
