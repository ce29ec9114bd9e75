//! Which nodes run together in one task.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::node::Node;
use super::spec::{SinkTopic, SourceIndex, SourceTopic, StoreSpec};
use super::sub_topology::SubTopology;

/// Groups nodes that pass records to each other or use the same store, numbered in the order of their first nodes
/// (`InternalTopologyBuilder.makeNodeGroups`).
pub(super) fn split(
    nodes: &Arc<[Node]>,
    stores: &[StoreSpec],
    copartitioned: &[BTreeSet<usize>],
) -> Vec<SubTopology> {
    let groups = groups(nodes);
    groups
        .into_iter()
        .enumerate()
        .map(|(id, members)| sub_topology(id, members, nodes, stores, copartitioned))
        .collect()
}

/// The members of each group, in the order of the nodes.
pub(super) fn groups(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..nodes.len()).collect();
    let mut users: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        node.parents.iter().for_each(|parent| unite(&mut leader, at, *parent));
        for store in &node.stores {
            let first = *users.entry(store).or_insert(at);
            unite(&mut leader, at, first);
        }
    }
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for at in 0..nodes.len() {
        let own = leader_of(&leader, at);
        match groups.iter_mut().find(|(leader, _)| *leader == own) {
            Some((_, members)) => members.push(at),
            None => groups.push((own, vec![at])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

fn leader_of(leader: &[usize], mut at: usize) -> usize {
    while let Some(&above) = leader.get(at)
        && above != at
    {
        at = above;
    }
    at
}

fn unite(leader: &mut [usize], one: usize, other: usize) {
    let (one, other) = (leader_of(leader, one), leader_of(leader, other));
    if let Some(above) = leader.get_mut(one) {
        *above = other;
    }
}

fn sub_topology(
    id: usize,
    members: Vec<usize>,
    nodes: &Arc<[Node]>,
    stores: &[StoreSpec],
    copartitioned: &[BTreeSet<usize>],
) -> SubTopology {
    let (mut sources, mut read_by, mut sinks) = (Vec::new(), Vec::new(), Vec::<SinkTopic>::new());
    let mut count = 0;
    let inside = || members.iter().filter_map(|at| Some((*at, nodes.get(*at)?)));
    for (at, node) in inside() {
        if let Some(source) = &node.source {
            for topic in &source.topics {
                sources.push(SourceTopic {
                    name: topic.clone(),
                    internal: source.internal,
                    partitions: source.partitions,
                    source: SourceIndex(count),
                    reset: source.reset,
                    timestamp: source.timestamp.clone(),
                });
                read_by.push(at);
            }
            count += 1;
        }
        sinks.extend(node.sink.iter().filter(|sink| !sinks.contains(sink)).cloned().collect::<Vec<_>>());
    }
    let uses = |store: &&StoreSpec| inside().any(|(_, node)| node.stores.contains(&store.name));
    let stores = stores.iter().filter(uses).cloned().collect();
    let copartition_groups = copartitioned
        .iter()
        .map(|group| {
            (0..sources.len())
                .filter(|at| read_by.get(*at).is_some_and(|node| group.contains(node)))
                .collect()
        })
        .filter(|group: &Vec<usize>| group.len() > 1)
        .collect();
    let nodes = Arc::clone(nodes);
    SubTopology { id, sources, sinks, stores, copartition_groups, nodes, members }
}
