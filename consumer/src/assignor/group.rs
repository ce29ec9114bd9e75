//! What an assignor knows: the members of the group and the topics of the cluster.
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use courant_protocol::types::TopicName;

use super::Subscription;

/// A member of a group as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave to the member.
    pub member_id: String,
    /// The name of a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// What the member said when it joined.
    pub subscription: Subscription,
}

impl GroupMember {
    /// A dynamic member.
    pub fn new(member_id: impl Into<String>, subscription: Subscription) -> Self {
        Self { member_id: member_id.into(), group_instance_id: None, subscription }
    }

    /// Makes it a static member.
    #[must_use]
    pub fn with_group_instance_id(mut self, group_instance_id: impl Into<String>) -> Self {
        self.group_instance_id = Some(group_instance_id.into());
        self
    }

    /// Kafka's order of members: static ones by their names, then dynamic ones by their ids. A static member keeps its
    /// place, and with it its partitions, when it comes back under another member id.
    pub(crate) fn by_name(&self, other: &Self) -> Ordering {
        match (&self.group_instance_id, &other.group_instance_id) {
            (Some(one), Some(another)) => one.cmp(another),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.member_id.cmp(&other.member_id),
        }
    }
}

/// The topics of the cluster that matter to a group: how many partitions they have, and where the replicas are.
///
/// A topic that is not in here does not exist, as far as the assignor knows; nobody gets anything of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCluster {
    topics: BTreeMap<TopicName, Vec<BTreeSet<String>>>,
}

impl GroupCluster {
    /// A cluster without topics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a topic with this many partitions, of which nobody knows the racks.
    #[must_use]
    pub fn with_topic(self, topic: impl Into<TopicName>, partitions: usize) -> Self {
        self.with_racks(topic, vec![Vec::<String>::new(); partitions])
    }

    /// Adds a topic: for each of its partitions the racks of the brokers that have a replica, in sync or not.
    #[must_use]
    pub fn with_racks<R>(
        mut self,
        topic: impl Into<TopicName>,
        partitions: impl IntoIterator<Item = R>,
    ) -> Self
    where
        R: IntoIterator<Item: Into<String>>,
    {
        let racks = partitions.into_iter().map(|racks| racks.into_iter().map(Into::into).collect());
        self.topics.insert(topic.into(), racks.collect());
        self
    }

    /// How many partitions a topic has; 0 where it is unknown.
    pub fn partitions(&self, topic: &str) -> usize {
        self.topics.get(topic).map_or(0, Vec::len)
    }

    /// The racks of the replicas, one set for each partition.
    pub fn racks(&self, topic: &str) -> &[BTreeSet<String>] {
        self.topics.get(topic).map(Vec::as_slice).unwrap_or_default()
    }

    /// All topics that have partitions, by name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.iter().filter(|(_, partitions)| !partitions.is_empty()).map(|(topic, _)| topic)
    }
}
