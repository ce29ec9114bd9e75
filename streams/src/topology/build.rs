//! From what a program called for to Kafka's nodes, and what is wrong with them.
//!
//! Nodes are written in the order of `InternalStreamsBuilder.buildAndOptimizeTopology`, because sub-topologies get their
//! numbers, and so tasks their ids, from the order of their first nodes.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use super::checked::Topology;
use super::error::{TopologyError, TopologyProblem};
use super::graph::{
    Graph, GraphId, GraphKind, GraphNode, GraphRepartition, GraphSource, GraphTableSource, StoreUse,
};
use super::node::{Node, NodeSource, Port};
use super::spec::{SinkTopic, StoreSpec};
use super::split::split;
use super::wiring::{AnyDuplicate, Make};

/// Checks a graph and turns it into a topology.
pub(crate) fn build(graph: &Graph) -> Result<Topology, TopologyError> {
    let mut build = Build::of(graph);
    build.merge_sources();
    build.write_all();
    build.check();
    let Build { nodes, stores, problems, outputs, .. } = build;
    if !problems.is_empty() {
        return Err(TopologyError::new(problems));
    }
    let copartitioned: Vec<BTreeSet<usize>> = graph
        .copartitioned
        .iter()
        .map(|group| {
            group
                .iter()
                .filter_map(|id| outputs.get(id))
                .map(|output| source_of(&nodes, output.node))
                .collect()
        })
        .collect();
    let nodes: Arc<[Node]> = nodes.into();
    let sub_topologies = split(&nodes, &stores, &copartitioned);
    Ok(Topology::new(nodes, sub_topologies))
}

/// A table's processor stands behind its source, which alone reads a topic.
fn source_of(nodes: &[Node], at: usize) -> usize {
    match nodes.get(at) {
        Some(Node { source: None, parents, .. }) => parents.first().copied().unwrap_or(at),
        _ => at,
    }
}

/// Where the records of something in the graph come out.
#[derive(Clone, Copy)]
struct Output {
    node: usize,
    port: usize,
}

struct Build<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    stores: Vec<StoreSpec>,
    problems: Vec<TopologyProblem>,
    /// Streams of the same topics are one source: the later ones, and the first.
    merged: BTreeMap<GraphId, GraphId>,
    outputs: BTreeMap<GraphId, Output>,
}

impl<'a> Build<'a> {
    fn of(graph: &'a Graph) -> Self {
        let problems = graph.problems.clone();
        let (nodes, stores) = (Vec::new(), Vec::new());
        Self { graph, nodes, stores, problems, merged: BTreeMap::new(), outputs: BTreeMap::new() }
    }

    /// Streams of the same topics become one source (`mergeDuplicateSourceNodes`).
    fn merge_sources(&mut self) {
        let mut first: BTreeMap<BTreeSet<&String>, GraphId> = BTreeMap::new();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if let GraphKind::Source(source) = &node.kind {
                let main = *first.entry(source.topics.iter().collect()).or_insert(id);
                if main != id {
                    self.merged.insert(id, main);
                }
            }
        }
    }

    /// Writes every node, parents first, the earlier called for first.
    fn write_all(&mut self) {
        let graph = self.graph;
        let mut next: BinaryHeap<Reverse<(usize, GraphId)>> = BinaryHeap::new();
        let roots = graph.nodes.iter().enumerate().filter(|(_, node)| node.parents.is_empty());
        next.extend(roots.map(|(id, node)| Reverse((node.priority, id))));
        while let Some(Reverse((_, id))) = next.pop() {
            let Some(node) = graph.nodes.get(id) else { continue };
            let ready = node.parents.iter().all(|parent| self.outputs.contains_key(parent));
            if !ready || self.outputs.contains_key(&id) {
                continue;
            }
            self.write(id, node);
            let children =
                node.children.iter().filter_map(|child| Some((graph.nodes.get(*child)?.priority, *child)));
            next.extend(children.map(Reverse));
        }
    }

    fn write(&mut self, id: GraphId, node: &GraphNode) {
        let output = match &node.kind {
            GraphKind::Source(source) => self.write_source(id, node, source),
            GraphKind::TableSource(table) => self.write_table_source(node, table),
            GraphKind::Processor { make, stores } => self.write_processor(node, make, stores),
            GraphKind::Sink { topic, make } => {
                let at = self.push(&node.name, port(make, None), self.parents(node));
                self.set_sink(at, topic, false);
                Output { node: at, port: 0 }
            }
            GraphKind::Repartition(repartition) => self.write_repartition(id, node, repartition),
        };
        self.outputs.insert(id, output);
    }

    fn write_source(&mut self, id: GraphId, node: &GraphNode, source: &GraphSource) -> Output {
        let port = port(&source.make, node.duplicate.clone());
        let main = self.merged.get(&id).and_then(|main| self.outputs.get(main)).copied();
        if let Some(main) = main
            && let Some(first) = self.nodes.get_mut(main.node)
        {
            first.ports.push(port);
            return Output { node: main.node, port: first.ports.len() - 1 };
        }
        let at = self.push(&node.name, port, Vec::new());
        self.set_source(at, source, false, None);
        Output { node: at, port: 0 }
    }

    fn write_table_source(&mut self, node: &GraphNode, table: &GraphTableSource) -> Output {
        let source = self.push(&table.source_name, port(&table.source.make, None), Vec::new());
        self.set_source(source, &table.source, false, None);
        let behind = vec![Output { node: source, port: 0 }];
        let at = self.push(&node.name, port(&table.make, node.duplicate.clone()), behind);
        if table.materialized {
            self.own_store(at, &table.store);
        }
        Output { node: at, port: 0 }
    }

    fn write_processor(&mut self, node: &GraphNode, make: &Make, stores: &[StoreUse]) -> Output {
        let at = self.push(&node.name, port(make, node.duplicate.clone()), self.parents(node));
        for store in stores {
            match store {
                StoreUse::Own(spec) => self.own_store(at, spec),
                StoreUse::Of(name) => self.use_store(at, name),
            }
        }
        Output { node: at, port: 0 }
    }

    fn write_repartition(&mut self, id: GraphId, node: &GraphNode, repartition: &GraphRepartition) -> Output {
        let filter = if self.relaxes_below(id) { &repartition.relaxed } else { &repartition.filter };
        let filter = self.push(&repartition.filter_name, port(filter, None), self.parents(node));
        let behind = vec![Output { node: filter, port: 0 }];
        let sink = self.push(&repartition.sink_name, port(&repartition.sink, None), behind);
        self.set_sink(sink, &repartition.topic, true);
        let source = self.push(&node.name, port(&repartition.source, node.duplicate.clone()), Vec::new());
        let read = NodeSource {
            topics: vec![repartition.topic.clone()],
            internal: true,
            partitions: repartition.partitions,
            reset: None,
            timestamp: Default::default(),
        };
        if let Some(node) = self.nodes.get_mut(source) {
            node.source = Some(read);
        }
        Output { node: source, port: 0 }
    }

    /// Whether a left join stands somewhere behind: it takes records without a key, so they must get there (KIP-962).
    fn relaxes_below(&self, id: GraphId) -> bool {
        let Some(node) = self.graph.nodes.get(id) else { return false };
        node.children.iter().any(|child| {
            self.graph.nodes.get(*child).is_some_and(|child| child.relaxes_null_keys)
                || self.relaxes_below(*child)
        })
    }

    fn parents(&self, node: &GraphNode) -> Vec<Output> {
        node.parents.iter().filter_map(|parent| self.outputs.get(parent).copied()).collect()
    }

    /// Adds a node behind others.
    fn push(&mut self, name: &str, port: Port, parents: Vec<Output>) -> usize {
        let at = self.nodes.len();
        if self.nodes.iter().any(|node| node.name == name) {
            self.problem(TopologyProblem::DuplicateName { name: name.to_owned() });
        }
        for parent in &parents {
            if let Some(port) =
                self.nodes.get_mut(parent.node).and_then(|node| node.ports.get_mut(parent.port))
            {
                port.children.push(at);
            }
        }
        let mut before: Vec<usize> = Vec::new();
        for parent in parents {
            if !before.contains(&parent.node) {
                before.push(parent.node);
            }
        }
        let name = name.to_owned();
        self.nodes.push(Node {
            name,
            source: None,
            sink: None,
            stores: Vec::new(),
            parents: before,
            ports: vec![port],
        });
        at
    }

    fn set_source(&mut self, at: usize, source: &GraphSource, internal: bool, partitions: Option<i32>) {
        if let Some(node) = self.nodes.get_mut(at) {
            let (topics, timestamp) = (source.topics.clone(), source.timestamp.clone());
            node.source = Some(NodeSource { topics, internal, partitions, reset: source.reset, timestamp });
        }
    }

    fn set_sink(&mut self, at: usize, topic: &str, internal: bool) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.sink = Some(SinkTopic { name: topic.to_owned(), internal });
        }
    }

    fn own_store(&mut self, at: usize, spec: &StoreSpec) {
        if self.stores.iter().any(|store| store.name == spec.name) {
            self.problem(TopologyProblem::DuplicateName { name: spec.name.clone() });
        } else {
            self.stores.push(spec.clone());
        }
        self.use_store(at, &spec.name);
    }

    fn use_store(&mut self, at: usize, name: &str) {
        if let Some(node) = self.nodes.get_mut(at)
            && !node.stores.iter().any(|store| store == name)
        {
            node.stores.push(name.to_owned());
        }
    }

    fn problem(&mut self, problem: TopologyProblem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// What can be seen only when all nodes are there.
    fn check(&mut self) {
        let mut found = Vec::new();
        let mut readers: BTreeMap<&str, &Node> = BTreeMap::new();
        for node in &self.nodes {
            let Some(source) = &node.source else { continue };
            if source.topics.is_empty() {
                found.push(TopologyProblem::NoTopics { source: node.name.clone() });
            }
            for topic in &source.topics {
                if let Some(first) = readers.insert(topic, node) {
                    let sources = [first.name.clone(), node.name.clone()];
                    found.push(TopologyProblem::OverlappingSources { topic: topic.clone(), sources });
                }
            }
        }
        if self.nodes.iter().all(|node| node.source.is_none()) {
            found.push(TopologyProblem::Empty);
        }
        found.extend(self.copartition_problems());
        found.into_iter().for_each(|problem| self.problem(problem));
    }

    /// Repartition topics that are joined and whose users want different counts; a count may also be taken from a topic
    /// that is there, which is checked when the application starts.
    fn copartition_problems(&self) -> Vec<TopologyProblem> {
        let wanted = |id: &GraphId| {
            let node = self.nodes.get(self.outputs.get(id)?.node)?.source.as_ref()?;
            Some((node.topics.first()?.clone(), node.partitions?))
        };
        let groups =
            self.graph.copartitioned.iter().map(|group| group.iter().filter_map(wanted).collect::<Vec<_>>());
        groups
            .filter(|group| group.windows(2).any(|pair| matches!(pair, [one, other] if one.1 != other.1)))
            .map(|topics| TopologyProblem::Copartition { topics })
            .collect()
    }
}

fn port(make: &Make, duplicate: Option<AnyDuplicate>) -> Port {
    Port { make: make.clone(), duplicate, children: Vec::new() }
}
