//! The nodes that run together in one task.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::Node;
use super::spec::{SinkIndex, SinkTopic, SourceTopic, StoreIndex, StoreSpec};
use super::wiring::{Make, TaskGraph, Wiring};
use crate::operator::{AnyEdge, ProcessError};

/// A part of a topology whose nodes run together in one task, because records pass between them without a topic, or because
/// they share a store. There is one task for each partition of its sources.
pub(crate) struct SubTopology {
    /// Its number, the first half of a task's id.
    pub(crate) id: usize,
    /// What it reads.
    pub(crate) sources: Vec<SourceTopic>,
    /// What it writes.
    pub(crate) sinks: Vec<SinkTopic>,
    /// What it keeps.
    pub(crate) stores: Vec<StoreSpec>,
    /// The sources that must have equally many partitions, as indexes into `sources`.
    pub(crate) copartition_groups: Vec<Vec<usize>>,
    /// All nodes of the topology, parents first.
    pub(super) nodes: Arc<[Node]>,
    /// Which of them are in here.
    pub(super) members: Vec<usize>,
}

impl SubTopology {
    /// The operators of one task.
    ///
    /// # Errors
    /// A fault of the library: an edge whose types do not fit.
    pub(crate) fn wire(&self, application_id: &str) -> Result<TaskGraph, ProcessError> {
        let stores: BTreeMap<String, StoreIndex> =
            self.stores.iter().enumerate().map(|(at, store)| (store.name.clone(), StoreIndex(at))).collect();
        let mut edges: BTreeMap<usize, Box<dyn AnyEdge>> = BTreeMap::new();
        let mut sources = Vec::new();
        for &at in self.members.iter().rev() {
            let Some(node) = self.nodes.get(at) else { continue };
            let mut readers = Vec::new();
            for port in &node.ports {
                let mut children = Vec::new();
                for child in &port.children {
                    children.extend(self.edge_to(*child, &mut edges));
                }
                let sink = node.sink.as_ref().and_then(|sink| {
                    let index = self.sinks.iter().position(|known| known.name == sink.name)?;
                    Some((SinkIndex(index), sink.name.as_str(), sink.internal))
                });
                let (node, duplicate) = (node.name.as_str(), port.duplicate.as_ref());
                let mut wiring = Wiring { node, children, duplicate, stores: &stores, sink, application_id };
                match &port.make {
                    Make::Operator(make) => drop(edges.insert(at, make(&mut wiring)?)),
                    Make::Source(make) => readers.push(make(&mut wiring)?),
                }
            }
            if node.source.is_some() {
                sources.push(readers);
            }
        }
        sources.reverse();
        Ok(TaskGraph { sources, linear: self.is_linear() })
    }

    /// The edge to a node: the only one, or one more.
    fn edge_to(
        &self,
        child: usize,
        edges: &mut BTreeMap<usize, Box<dyn AnyEdge>>,
    ) -> Option<Box<dyn AnyEdge>> {
        if self.nodes.get(child)?.parents.len() > 1 {
            return edges.get_mut(&child).map(|edge| edge.share());
        }
        edges.remove(&child)
    }

    /// Whether nobody can tell batches from single records.
    fn is_linear(&self) -> bool {
        let nodes = || self.members.iter().filter_map(|at| self.nodes.get(*at));
        let forks =
            nodes().any(|node| node.ports.len() > 1 || node.ports.iter().any(|port| port.children.len() > 1));
        let uses = |store: &StoreSpec| nodes().filter(|node| node.stores.contains(&store.name)).count();
        !forks && self.stores.iter().all(|store| uses(store) <= 1)
    }
}
