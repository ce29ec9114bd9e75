//! A topology as text, byte for byte as Kafka prints a `TopologyDescription`.
//!
//! Nodes stand in the order of how much hangs on them, then of their names. Kafka sorts while it is still counting, in an
//! order that Java's hash tables give, and so do we: the text is compared with, and kept beside, what Java printed.
use std::cmp::Ordering;

use super::java_set::{hash_order, print};
use super::node::Node;
use super::split::groups;

/// The whole text.
pub(super) fn describe(nodes: &[Node]) -> String {
    let mut text = String::from("Topologies:\n ");
    for (id, members) in groups(nodes).into_iter().enumerate() {
        text.push_str(&format!("  Sub-topology: {id}\n"));
        let described = Described::of(nodes, members);
        for at in described.sorted() {
            text.push_str(&format!("    {}\n", described.line(at)));
        }
        text.push('\n');
    }
    text
}

/// The nodes of a sub-topology with what Kafka knows of them.
struct Described<'a> {
    nodes: &'a [Node],
    /// In the order in which Java's hash table hands them out.
    members: Vec<usize>,
    /// How many nodes hang on a node, itself included; one that is reached by two ways counts twice.
    sizes: Vec<usize>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
}

impl<'a> Described<'a> {
    fn of(nodes: &'a [Node], members: Vec<usize>) -> Self {
        let name = |at: &usize| nodes.get(*at).map_or("", |node| node.name.as_str());
        let members = hash_order(members, name);
        let empty = || vec![Vec::new(); nodes.len()];
        let mut described =
            Self { nodes, members, sizes: vec![1; nodes.len()], before: empty(), after: empty() };
        for at in described.members.clone() {
            for parent in nodes.get(at).map(|node| node.parents.clone()).unwrap_or_default() {
                let (before, after) = (described.before[at].clone(), described.after[parent].clone());
                described.before[at] = described.inserted(before, parent);
                described.after[parent] = described.inserted(after, at);
                described.grow(parent, described.sizes[at]);
            }
        }
        described
    }

    /// What hangs on a node has grown, and so it has on all before it.
    fn grow(&mut self, at: usize, by: usize) {
        self.sizes[at] += by;
        for parent in self.before[at].clone() {
            self.grow(parent, by);
        }
    }

    /// Bigger first, then by name.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        let name = |at: usize| self.nodes.get(at).map(|node| &node.name);
        self.sizes[other].cmp(&self.sizes[one]).then_with(|| name(one).cmp(&name(other)))
    }

    /// A sorted set with one more node, by what is known of the sizes at this moment.
    fn inserted(&self, mut sorted: Vec<usize>, node: usize) -> Vec<usize> {
        if !sorted.contains(&node) {
            let place = sorted.iter().position(|known| self.compare(node, *known).is_lt());
            sorted.insert(place.unwrap_or(sorted.len()), node);
        }
        sorted
    }

    /// All nodes in the order of the text.
    fn sorted(&self) -> Vec<usize> {
        let mut sorted = self.members.clone();
        sorted.sort_by(|one, other| self.compare(*one, *other));
        sorted
    }

    fn line(&self, at: usize) -> String {
        let Some(node) = self.nodes.get(at) else { return String::new() };
        let (before, after) = (self.names(&self.before[at]), self.names(&self.after[at]));
        match (&node.source, &node.sink) {
            (Some(source), _) => {
                format!("Source: {} (topics: {})\n      --> {after}", node.name, print(&source.topics))
            }
            (None, Some(sink)) => format!("Sink: {} (topic: {})\n      <-- {before}", node.name, sink.name),
            (None, None) => {
                let stores = print(&node.stores);
                format!("Processor: {} (stores: {stores})\n      --> {after}\n      <-- {before}", node.name)
            }
        }
    }

    fn names(&self, nodes: &[usize]) -> String {
        if nodes.is_empty() {
            return "none".to_owned();
        }
        let names = nodes.iter().filter_map(|at| self.nodes.get(*at)).map(|node| node.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}
