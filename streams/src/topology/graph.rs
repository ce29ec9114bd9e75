//! What a program called for, in the order of its calls; Kafka Streams' graph before it is turned into nodes.
use std::collections::{BTreeMap, BTreeSet};

use super::error::TopologyProblem;
use super::names::{self, Names};
use super::spec::{OffsetReset, StoreSpec};
use super::wiring::{AnyDuplicate, Make};
use crate::timestamp::TimestampExtractor;

/// A place in the graph.
pub(crate) type GraphId = usize;

/// What a builder has collected so far.
#[derive(Default)]
pub(crate) struct Graph {
    /// The counter of generated names.
    pub(crate) names: Names,
    /// What was called for.
    pub(super) nodes: Vec<GraphNode>,
    /// Sources whose topics must have equally many partitions.
    pub(super) copartitioned: Vec<BTreeSet<GraphId>>,
    /// What is wrong, found while it was called for.
    pub(super) problems: Vec<TopologyProblem>,
    /// The repartition of a stream that was made for its latest join; later joins use it as well.
    join_repartitions: BTreeMap<GraphId, GraphId>,
    /// The order in which nodes are written; a node that is added again is written later.
    priority: usize,
}

/// One thing that was called for.
pub(crate) struct GraphNode {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: GraphKind,
    /// What stands before it.
    pub(crate) parents: Vec<GraphId>,
    /// What stands behind it.
    pub(crate) children: Vec<GraphId>,
    /// How its records are doubled, once its handle was cloned.
    pub(crate) duplicate: Option<AnyDuplicate>,
    /// Whether it is a left join, which takes records without a key (KIP-962).
    pub(crate) relaxes_null_keys: bool,
    /// When it is written.
    pub(super) priority: usize,
}

/// What a node of the graph is.
pub(crate) enum GraphKind {
    /// Topics read as a stream.
    Source(GraphSource),
    /// A topic read as a table: a source, and a processor that may keep a store.
    TableSource(Box<GraphTableSource>),
    /// An operator.
    Processor {
        /// Makes it.
        make: Make,
        /// The stores that it uses: its own, and others'.
        stores: Vec<StoreUse>,
    },
    /// A topic written to.
    Sink {
        /// Its name.
        topic: String,
        /// Writes to it.
        make: Make,
    },
    /// A topic of the application's own, which brings records to the partitions of their keys.
    Repartition(Box<GraphRepartition>),
}

/// Topics read as a stream.
pub(crate) struct GraphSource {
    /// The topics' names.
    pub(crate) topics: Vec<String>,
    /// Where reading begins.
    pub(crate) reset: Option<OffsetReset>,
    /// Where the event time comes from.
    pub(crate) timestamp: TimestampExtractor,
    /// Decodes the records.
    pub(crate) make: Make,
}

/// A topic read as a table.
pub(crate) struct GraphTableSource {
    /// The source's own name.
    pub(crate) source_name: String,
    /// What is read.
    pub(crate) source: GraphSource,
    /// Keeps the table.
    pub(crate) make: Make,
    /// The store.
    pub(crate) store: StoreSpec,
    /// Whether anybody needs the store.
    pub(crate) materialized: bool,
}

/// A repartition topic: a filter and a sink before it, a source behind it.
pub(crate) struct GraphRepartition {
    /// The topic's name, without the application's prefix.
    pub(crate) topic: String,
    /// How many partitions the user wants.
    pub(crate) partitions: Option<i32>,
    /// The filter's name.
    pub(crate) filter_name: String,
    /// The sink's name; the source has the node's name.
    pub(crate) sink_name: String,
    /// The filter that leaves records without a key out.
    pub(crate) filter: Make,
    /// The filter that does not, before a left join.
    pub(crate) relaxed: Make,
    /// Writes to the topic.
    pub(crate) sink: Make,
    /// Reads from it.
    pub(crate) source: Make,
}

/// A store that a node uses.
#[derive(Clone)]
pub(crate) enum StoreUse {
    /// Its own.
    Own(StoreSpec),
    /// A table's, by name.
    Of(String),
}

impl Graph {
    /// The place of the node that is added next.
    pub(crate) fn next_id(&self) -> GraphId {
        self.nodes.len()
    }

    /// Adds a node behind others; without any, it is a source.
    pub(crate) fn add(&mut self, name: String, kind: GraphKind, parents: &[GraphId]) -> GraphId {
        let id = self.nodes.len();
        self.nodes.push(GraphNode {
            name,
            kind,
            parents: Vec::new(),
            children: Vec::new(),
            duplicate: None,
            relaxes_null_keys: false,
            priority: 0,
        });
        self.connect(id, parents);
        id
    }

    /// Puts a node behind others, once more if need be: it is then written later (`addGraphNode`).
    pub(crate) fn connect(&mut self, id: GraphId, parents: &[GraphId]) {
        for parent in parents {
            if let Some(parent) = self.nodes.get_mut(*parent)
                && !parent.children.contains(&id)
            {
                parent.children.push(id);
            }
        }
        self.priority += 1;
        let priority = self.priority;
        if let Some(node) = self.nodes.get_mut(id) {
            node.priority = priority;
            for parent in parents {
                if !node.parents.contains(parent) {
                    node.parents.push(*parent);
                }
            }
        }
    }

    /// A node, which is there if it was added.
    pub(crate) fn node_mut(&mut self, id: GraphId) -> Option<&mut GraphNode> {
        self.nodes.get_mut(id)
    }

    /// A node's name.
    pub(crate) fn name(&self, id: GraphId) -> String {
        self.nodes.get(id).map(|node| node.name.clone()).unwrap_or_default()
    }

    /// Gives a node the name that its user wants.
    pub(crate) fn rename(&mut self, id: GraphId, name: String) {
        self.check_name(&name);
        if let Some(node) = self.nodes.get_mut(id) {
            node.name = name;
        }
    }

    /// Notes a name that cannot be one.
    pub(crate) fn check_name(&mut self, name: &str) {
        if let Some(reason) = names::problem(name) {
            self.problem(TopologyProblem::Name { name: name.to_owned(), reason });
        }
    }

    /// Says how a node's records are doubled: its handle is cloned.
    pub(crate) fn set_duplicate(&mut self, id: GraphId, duplicate: AnyDuplicate) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.duplicate = Some(duplicate);
        }
    }

    /// How a node's records are doubled, if that is known.
    pub(crate) fn duplicate(&self, id: GraphId) -> Option<AnyDuplicate> {
        self.nodes.get(id).and_then(|node| node.duplicate.clone())
    }

    /// A table's store is needed, although it was not named.
    pub(crate) fn materialize(&mut self, id: GraphId) {
        if let Some(GraphNode { kind: GraphKind::TableSource(table), .. }) = self.nodes.get_mut(id) {
            table.materialized = true;
        }
    }

    /// Whether a table source is kept in a store.
    pub(crate) fn is_materialized(&self, id: GraphId) -> bool {
        let kind = self.nodes.get(id).map(|node| &node.kind);
        matches!(kind, Some(GraphKind::TableSource(table)) if table.materialized)
    }

    /// The topics behind these sources must have equally many partitions.
    pub(crate) fn copartition(&mut self, sources: BTreeSet<GraphId>) {
        self.copartitioned.push(sources);
    }

    /// Notes what is wrong.
    pub(crate) fn problem(&mut self, problem: TopologyProblem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The repartition that an earlier join of the same stream made.
    pub(crate) fn join_repartition(&self, stream: GraphId) -> Option<GraphId> {
        self.join_repartitions.get(&stream).copied()
    }

    /// A join of a stream made a repartition.
    pub(crate) fn set_join_repartition(&mut self, stream: GraphId, repartition: GraphId) {
        self.join_repartitions.insert(stream, repartition);
    }
}
