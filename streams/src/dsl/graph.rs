//! The graph that all handles of a builder write to.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::operator::{Duplicate, Edge, ProcessError, Push};
use crate::record::Record;
use crate::topology::{Graph, GraphId, Make, TopologyProblem, Wiring};

/// A graph, shared by the handles that a builder gave out.
#[derive(Clone, Default)]
pub(crate) struct SharedGraph(Arc<Mutex<Graph>>);

impl SharedGraph {
    /// The graph. A handle is used by one call at a time, so nobody waits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Graph> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a node's records as doubled: its handle is cloned.
    pub(crate) fn duplicate<K: Clone + 'static, V: Clone + 'static>(&self, node: GraphId) {
        let duplicate: Duplicate<K, V> = <[Record<K, V>]>::to_vec;
        self.lock().set_duplicate(node, Arc::new(duplicate));
    }

    /// Whether another handle is of the same builder; if not, that is a problem of the topology.
    pub(crate) fn is_same(&self, other: &Self, node: &str) -> bool {
        let same = Arc::ptr_eq(&self.0, &other.0);
        if !same {
            self.lock().problem(TopologyProblem::ForeignStream { node: node.to_owned() });
        }
        same
    }
}

/// What makes an operator, with its types erased.
pub(crate) fn operator<K, V, O>(
    make: impl Fn(&mut Wiring<'_>) -> Result<O, ProcessError> + Send + Sync + 'static,
) -> Make
where
    K: 'static,
    V: 'static,
    O: Push<K, V> + 'static,
{
    Make::Operator(Arc::new(move |wiring| Ok(Box::new(Edge::to(make(wiring)?)))))
}

/// The sources from which a stream comes.
pub(crate) type Sources = BTreeSet<GraphId>;
