//! A topology as a picture, in Mermaid's notation, which GitHub and many editors draw.
use std::collections::BTreeSet;
use std::fmt::Write;

use super::node::Node;
use super::split::groups;

/// The whole picture: topics as barrels, stores as cylinders, sub-topologies as boxes.
pub(super) fn mermaid(nodes: &[Node]) -> String {
    let mut text = String::from("flowchart TD\n");
    let topics = nodes.iter().flat_map(|node| {
        let read = node.source.iter().flat_map(|source| source.topics.iter());
        read.chain(node.sink.iter().map(|sink| &sink.name))
    });
    let topics: BTreeSet<&String> = topics.collect();
    for topic in topics {
        let _ = writeln!(text, "  {}([\"{topic}\"])", topic_id(topic));
    }
    for (id, members) in groups(nodes).into_iter().enumerate() {
        let _ = writeln!(text, "  subgraph sub{id} [\"Sub-topology {id}\"]");
        let inside = || members.iter().filter_map(|at| Some((*at, nodes.get(*at)?)));
        for (at, node) in inside() {
            let _ = writeln!(text, "    n{at}[\"{}\"]", node.name);
        }
        for store in inside().flat_map(|(_, node)| &node.stores).collect::<BTreeSet<_>>() {
            let _ = writeln!(text, "    {}[(\"{store}\")]", store_id(store));
        }
        text.push_str("  end\n");
        for (at, node) in inside() {
            edges(&mut text, at, node);
        }
    }
    text
}

fn edges(text: &mut String, at: usize, node: &Node) {
    for topic in node.source.iter().flat_map(|source| &source.topics) {
        let _ = writeln!(text, "  {} --> n{at}", topic_id(topic));
    }
    for parent in &node.parents {
        let _ = writeln!(text, "  n{parent} --> n{at}");
    }
    for store in &node.stores {
        let _ = writeln!(text, "  n{at} <-.-> {}", store_id(store));
    }
    if let Some(sink) = &node.sink {
        let _ = writeln!(text, "  n{at} --> {}", topic_id(&sink.name));
    }
}

/// Names hold dots and dashes, which Mermaid's ids may not; both kinds of names keep apart.
fn topic_id(topic: &str) -> String {
    format!("t_{}", id(topic))
}

fn store_id(store: &str) -> String {
    format!("s_{}", id(store))
}

fn id(name: &str) -> String {
    let escape = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("_{:x}", c as u32) };
    name.chars().map(escape).collect()
}
