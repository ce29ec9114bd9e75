//! A whole topology, checked and ready to run.
use std::fmt;
use std::sync::Arc;

use super::describe::describe;
use super::mermaid::mermaid;
use super::node::Node;
use super::sub_topology::SubTopology;

/// What a program processes: made by a [`StreamsBuilder`](crate::StreamsBuilder), checked, and ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Topology(Arc<Inner>);

struct Inner {
    nodes: Arc<[Node]>,
    sub_topologies: Vec<SubTopology>,
}

impl Topology {
    /// A topology of nodes that were checked, and their sub-topologies.
    pub(super) fn new(nodes: Arc<[Node]>, sub_topologies: Vec<SubTopology>) -> Self {
        Self(Arc::new(Inner { nodes, sub_topologies }))
    }

    /// The topology as text, byte for byte as Java's `Topology.describe().toString()` has it.
    pub fn describe(&self) -> String {
        describe(&self.0.nodes)
    }

    /// The topology as a picture in Mermaid's notation.
    pub fn to_mermaid(&self) -> String {
        mermaid(&self.0.nodes)
    }

    /// The parts that run in tasks of their own, in the order of their ids.
    pub(crate) fn sub_topologies(&self) -> &[SubTopology] {
        &self.0.sub_topologies
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topology({} nodes, {} sub-topologies)", self.0.nodes.len(), self.0.sub_topologies.len())
    }
}
