//! The cluster's state: brokers, topics, offsets, and the changes that administrators and failures make.
use std::borrow::Cow;
use std::collections::BTreeMap;

use courant_protocol::api::{ApiKey, VersionRange};
use courant_protocol::types::{NodeId, ProducerId, TopicId};
use courant_protocol::wire::Str;
use courant_runtime::Rng;

use super::broker::Broker;
use super::fetch_session::FetchSessions;
use super::topic::{Limits, Partition, Topic};
use super::upkeep::Upkeep;
use crate::config::{BrokerConfig, TopicConfig};
use crate::group::{Groups, Moment, Settings};

/// What a cluster is made from.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) brokers: i32,
    pub(crate) racks: Vec<String>,
    pub(crate) config: BrokerConfig,
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) seed: u64,
    pub(crate) request_log_limit: usize,
}

/// A partition in which something happened that a waiting fetch wants to know.
pub(crate) type Touched = (TopicId, i32);

/// Everything that the brokers share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) id: Str,
    pub(crate) config: BrokerConfig,
    pub(crate) brokers: BTreeMap<NodeId, Broker>,
    pub(crate) groups: Groups,
    pub(crate) users: BTreeMap<String, String>,
    /// Partitions that changed since the machine last looked.
    pub(crate) touched: Vec<Touched>,
    pub(super) topics: BTreeMap<Str, Topic>,
    pub(super) upkeep: Upkeep,
    names: BTreeMap<TopicId, Str>,
    caps: BTreeMap<i16, i16>,
    coordinators: BTreeMap<String, NodeId>,
    coordinators_moved: bool,
    rng: Rng,
    next_producer_id: i64,
    next_preferred: usize,
    /// Whether lists of aborted transactions are handed out in any order.
    pub(crate) shuffles_aborted: bool,
}

impl Cluster {
    pub(crate) fn new(spec: &Spec) -> Self {
        let mut rng = Rng::new(spec.seed, "broker-mock");
        let slots = spec.config.count("max.incremental.fetch.session.cache.slots");
        let broker = |id: i32| {
            let index = usize::try_from(id - 1).unwrap_or_default();
            let rack =
                spec.racks.get(index).map(String::as_str).or_else(|| spec.config.explicit("broker.rack"));
            Broker {
                id: NodeId(id),
                host: Str::from(format!("mock-{id}")),
                port: 9092,
                rack: rack.map(Str::from),
                is_alive: true,
                sessions: FetchSessions::new(slots),
                frozen: None,
            }
        };
        let brokers = (1..=spec.brokers).map(|id| (NodeId(id), broker(id))).collect();
        Self {
            id: Str::from(random_uuid(&mut rng).to_string()),
            config: spec.config.clone(),
            brokers,
            groups: Groups::new(Settings::read(&spec.config)),
            users: spec.users.clone(),
            touched: Vec::new(),
            topics: BTreeMap::new(),
            upkeep: Upkeep::default(),
            names: BTreeMap::new(),
            caps: BTreeMap::new(),
            coordinators: BTreeMap::new(),
            coordinators_moved: false,
            rng,
            next_producer_id: 0,
            next_preferred: 0,
            shuffles_aborted: false,
        }
    }

    /// A number of the cluster's own stream.
    pub(crate) fn draw(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A random UUID of the cluster's own stream, as Java writes one.
    pub(crate) fn draw_uuid(&mut self) -> String {
        let hex = random_uuid(&mut self.rng).0.map(|byte| format!("{byte:02x}")).concat();
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
    }

    /// A producer id that nobody had before.
    pub(crate) fn next_producer_id(&mut self) -> ProducerId {
        let id = self.next_producer_id;
        self.next_producer_id += 1;
        ProducerId(id)
    }

    /// The brokers that live.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.values().filter(|broker| broker.is_alive)
    }

    pub(crate) fn is_alive(&self, node: NodeId) -> bool {
        self.brokers.get(&node).is_some_and(|broker| broker.is_alive)
    }

    /// The broker that administrators are sent to: the lowest that lives.
    pub(crate) fn controller(&self) -> NodeId {
        self.alive().next().map_or(NodeId::NONE, |broker| broker.id)
    }

    /// The coordinator of a group or a transactional id: by the hash of its name, as if 50 coordinator partitions
    /// lay spread over the brokers.
    pub(crate) fn coordinator(&self, key: &str) -> Option<&Broker> {
        if let Some(broker) = self.coordinators.get(key).and_then(|node| self.brokers.get(node)) {
            return Some(broker).filter(|broker| broker.is_alive);
        }
        let hash =
            key.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        let partition = usize::try_from(hash & i32::MAX).unwrap_or_default() % 50;
        let all: Vec<&Broker> = self.brokers.values().collect();
        let start = partition % all.len().max(1);
        all.iter().cycle().skip(start).take(all.len()).find(|broker| broker.is_alive).copied()
    }

    /// Gives a group or a transactional id this coordinator.
    pub(crate) fn move_coordinator(&mut self, key: &str, node: NodeId) {
        self.coordinators.insert(key.to_owned(), node);
        self.coordinators_moved = true;
    }

    /// Groups go to the coordinators that they have now, if any may have moved.
    pub(crate) fn relocate_groups(&mut self, at: Moment) {
        if !std::mem::take(&mut self.coordinators_moved) {
            return;
        }
        let groups: Vec<Str> = self.groups.ids().cloned().collect();
        let nodes: BTreeMap<Str, NodeId> = groups
            .into_iter()
            .map(|group| {
                let node = self.coordinator(&group).map_or(NodeId::NONE, |broker| broker.id);
                (group, node)
            })
            .collect();
        self.groups.relocate(at, |group| nodes.get(group).copied().unwrap_or(NodeId::NONE));
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(crate) fn topic_by_id(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(self.names.get(&id)?)
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(usize::try_from(partition).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    /// The versions of an API that the brokers speak, under the caps that a test has set.
    pub(crate) fn versions(&self, api: ApiKey) -> Option<VersionRange> {
        let served = crate::handler::versions(api)?;
        let cap = self.caps.get(&i16::from(api)).copied().unwrap_or(served.max);
        (cap >= served.min).then(|| VersionRange::new(served.min, served.max.min(cap)))
    }

    /// Lets the brokers speak an API no further than this version; below its least version they lack it.
    pub(crate) fn cap_version(&mut self, api: ApiKey, max: i16) {
        self.caps.insert(i16::from(api), max);
    }

    /// Which brokers hold new partitions: each partition begins one broker further than the one before.
    pub(crate) fn place(&mut self, partitions: usize, replication_factor: usize) -> Vec<Vec<NodeId>> {
        let alive: Vec<NodeId> = self.alive().map(|broker| broker.id).collect();
        let start = self.next_preferred;
        self.next_preferred = (start + partitions) % alive.len().max(1);
        let replicas = |partition: usize| {
            alive
                .iter()
                .copied()
                .cycle()
                .skip((start + partition) % alive.len().max(1))
                .take(replication_factor)
                .collect()
        };
        (0..partitions).map(replicas).collect()
    }

    /// Creates a topic whose name and placement were checked.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        replicas: Vec<Vec<NodeId>>,
        config: TopicConfig,
    ) -> TopicId {
        let id = random_uuid(&mut self.rng);
        let name = Str::from(name);
        let partitions =
            replicas.into_iter().map(|nodes| Partition::new(nodes, |node| self.is_alive(node))).collect();
        let limits = Limits::read(&config, &self.config);
        self.names.insert(id, name.clone());
        self.topics.insert(name.clone(), Topic { name, id, config, limits, partitions });
        id
    }

    /// Gives a topic other configs, which act from now on.
    pub(crate) fn alter_topic(&mut self, name: &str, config: TopicConfig) {
        let limits = Limits::read(&config, &self.config);
        if let Some(topic) = self.topics.get_mut(name) {
            (topic.config, topic.limits) = (config, limits);
        }
    }

    /// Gives the brokers other properties, which act from now on.
    pub(crate) fn alter_brokers(&mut self, config: BrokerConfig) {
        self.config = config;
        for topic in self.topics.values_mut() {
            topic.limits = Limits::read(&topic.config, &self.config);
        }
    }

    /// What an append at a broker asks for.
    pub(crate) fn limits(&self, topic: &Topic, node: NodeId) -> Limits {
        match self.config.at(node) {
            Cow::Borrowed(_) => topic.limits.clone(),
            Cow::Owned(own) => Limits::read(&topic.config, &own),
        }
    }

    /// Adds partitions to a topic.
    pub(crate) fn add_partitions(&mut self, name: &str, replicas: Vec<Vec<NodeId>>) {
        let alive: Vec<NodeId> = self.alive().map(|broker| broker.id).collect();
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend(
                replicas.into_iter().map(|nodes| Partition::new(nodes, |node| alive.contains(&node))),
            );
        }
    }

    /// Deletes a topic, its records and what groups committed for it.
    pub(crate) fn delete_topic(&mut self, name: &str) -> Option<TopicId> {
        let topic = self.topics.remove(name)?;
        self.names.remove(&topic.id);
        self.groups.forget_topic(name);
        self.touched.extend((0..).zip(&topic.partitions).map(|(index, _)| (topic.id, index)));
        Some(topic.id)
    }

    /// Hands the leadership of a partition over, and the epoch with it. A node that held no replica takes the place
    /// of the old leader's; one that lagged cuts the log to what it has.
    pub(crate) fn move_leader(&mut self, topic: &str, partition: i32, node: NodeId) -> bool {
        if !self.is_alive(node) {
            return false;
        }
        let Some(id) = self.topics.get(topic).map(|topic| topic.id) else { return false };
        let Some(state) = self.partition_mut(topic, partition) else { return false };
        if !state.replicas.contains(&node) {
            let old = state.leader;
            for nodes in [&mut state.replicas, &mut state.isr] {
                match nodes.iter_mut().find(|replica| Some(**replica) == old) {
                    Some(replica) => *replica = node,
                    None => nodes.push(node),
                }
            }
        }
        if !state.isr.contains(&node) {
            state.isr.push(node);
        }
        state.elect(Some(node));
        self.touched.push((id, partition));
        true
    }

    /// A broker dies: its sessions are gone, its partitions are led by the next replica in sync, or by nobody.
    pub(crate) fn crash(&mut self, node: NodeId) {
        let Some(broker) = self.brokers.get_mut(&node) else { return };
        broker.is_alive = false;
        self.coordinators_moved = true;
        let slots = self.config.count("max.incremental.fetch.session.cache.slots");
        broker.sessions = FetchSessions::new(slots);
        broker.frozen = None;
        for topic in self.topics.values_mut() {
            for (index, partition) in (0..).zip(&mut topic.partitions) {
                if partition.isr.len() > 1 {
                    // The last replica in sync stays so, whatever becomes of its broker.
                    partition.isr.retain(|replica| *replica != node);
                    partition.settle_high_watermark();
                }
                if partition.leader == Some(node) {
                    let next = partition.isr.iter().copied().find(|replica| *replica != node);
                    partition.elect(next);
                    self.touched.push((topic.id, index));
                }
            }
        }
    }

    /// A broker comes back: its replicas catch up, and it leads where nobody else could. Where it leads again, the
    /// replicas that came back before it, and had nobody to fetch from, catch up too.
    pub(crate) fn restart(&mut self, node: NodeId) {
        let Some(broker) = self.brokers.get_mut(&node) else { return };
        broker.is_alive = true;
        let alive: Vec<NodeId> = self.alive().map(|broker| broker.id).collect();
        self.coordinators_moved = true;
        for topic in self.topics.values_mut() {
            for (index, partition) in (0..).zip(&mut topic.partitions) {
                if !partition.replicas.contains(&node) {
                    continue;
                }
                let leads = partition.leader.is_none() && partition.isr.contains(&node);
                if leads {
                    partition.elect(Some(node));
                    self.touched.push((topic.id, index));
                }
                if partition.leader.is_some() {
                    partition.set_ends(node, None);
                    for replica in partition.replicas.clone() {
                        let fetches = replica == node || (leads && alive.contains(&replica));
                        let has_all = partition.ends(replica).log_end == partition.log.log_end();
                        if fetches && has_all && !partition.isr.contains(&replica) {
                            partition.isr.push(replica);
                        }
                    }
                }
            }
        }
    }
}

/// A random UUID that no reserved one equals.
fn random_uuid(rng: &mut Rng) -> TopicId {
    let bits = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    let mut bytes = bits.to_be_bytes();
    // Version 4, variant 1.
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    TopicId(bytes)
}
