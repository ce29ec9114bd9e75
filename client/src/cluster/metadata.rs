//! What is known of the cluster at one moment: brokers, topics, leaders. A snapshot never changes; a newer one replaces it.
use std::collections::BTreeMap;
use std::sync::Arc;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicId, TopicName};
use courant_runtime::Address;

/// A broker of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: NodeId,
    /// Where clients reach it (its advertised listener).
    pub address: Address,
    /// The rack or zone it stands in, if its operator said so.
    pub rack: Option<String>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: PartitionId,
    /// The broker that takes writes and answers reads; none while a new one is being elected.
    pub leader: Option<NodeId>,
    /// How often the leadership has changed; -1 when the broker is too old to say.
    pub leader_epoch: LeaderEpoch,
    /// The brokers that hold a copy.
    pub replicas: Vec<NodeId>,
    /// Those of them that are in sync with the leader.
    pub isr: Vec<NodeId>,
    /// What the broker said about it, if not "no error".
    pub error: Option<ErrorCode>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id; zero when the brokers are too old for topic ids (KIP-516).
    pub id: TopicId,
    /// The id of the topic that had this name before, if it was deleted and created again while the client looked. Offsets
    /// of that one mean nothing in this one.
    pub former_id: Option<TopicId>,
    /// Whether Kafka keeps its own state in it.
    pub internal: bool,
    /// Its partitions; partition `n` stands at index `n`.
    pub partitions: Vec<Partition>,
    /// What the broker said about it last, if not "no error"; the partitions are then those known before.
    pub error: Option<ErrorCode>,
}

impl Topic {
    /// The partition with this number.
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        usize::try_from(id.0).ok().and_then(|index| self.partitions.get(index))
    }

    /// How many partitions it has, as far as is known.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// A snapshot of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub(crate) version: u64,
    pub(crate) cluster_id: Option<Arc<str>>,
    pub(crate) controller: Option<NodeId>,
    pub(crate) brokers: BTreeMap<NodeId, Arc<Broker>>,
    pub(crate) topics: BTreeMap<TopicName, Arc<Topic>>,
    pub(crate) names: BTreeMap<TopicId, TopicName>,
}

impl Metadata {
    /// Grows by one with every snapshot; 0 is the empty one before the first answer of a broker.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The broker that admin requests go to.
    pub fn controller(&self) -> Option<NodeId> {
        self.controller
    }

    /// All live brokers, by id.
    pub fn brokers(&self) -> impl ExactSizeIterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// The broker with this id.
    pub fn broker(&self, id: NodeId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// All topics that the client keeps up to date, by name.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// The topics that are not as they were in `older`, by name. Those that did not change are shared by both snapshots,
    /// so that this compares no more than their addresses.
    pub fn topics_changed_since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = &'a Arc<Topic>> {
        let mut known = older.topics.iter().peekable();
        self.topics.iter().filter_map(move |(name, topic)| {
            while known.next_if(|(other, _)| *other < name).is_some() {}
            let same = known.next_if(|(other, _)| *other == name);
            same.is_none_or(|(_, old)| !Arc::ptr_eq(old, topic)).then_some(topic)
        })
    }

    /// The topic with this name, if the client has asked for it.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic with this id, if the client has asked for it by name.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.names.get(&id).and_then(|name| self.topics.get(name))
    }
}
