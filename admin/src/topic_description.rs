//! What topics look like: their listing, and their description page by page.
use std::collections::BTreeMap;

use courant_client::{ErrorKind, Target};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, RequestCursor,
    TopicRequest,
};
use courant_protocol::messages::metadata::{
    MetadataRequestTopic, MetadataResponsePartition, MetadataResponseTopic,
};
use courant_protocol::messages::{DescribeTopicPartitionsRequest, MetadataRequest};
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicId, TopicName};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::single;
use crate::error::Error;
use crate::results::Results;
use crate::topics::TopicRef;

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// Its name.
    pub name: TopicName,
    /// Its id; [`TopicId::ZERO`] from brokers before 2.8.
    pub id: TopicId,
    /// Whether Kafka keeps its own state in it.
    pub is_internal: bool,
}

impl TopicListing {
    pub(crate) fn of(topic: &MetadataResponseTopic) -> Option<Self> {
        let name = topic.name.as_deref()?;
        Some(Self { name: name.into(), id: topic.topic_id, is_internal: topic.is_internal })
    }
}

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: TopicName,
    /// Its id; [`TopicId::ZERO`] from brokers before 2.8.
    pub id: TopicId,
    /// Whether Kafka keeps its own state in it.
    pub is_internal: bool,
    /// Its partitions, from 0.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition: who leads it, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number.
    pub partition: PartitionId,
    /// Its leader; none while one is being elected.
    pub leader: Option<NodeId>,
    /// How often its leadership has changed; [`LeaderEpoch::NONE`] from brokers before 2.1.
    pub leader_epoch: LeaderEpoch,
    /// The brokers that hold a replica, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those of them that are in sync.
    pub in_sync_replicas: Vec<NodeId>,
    /// Those of them that are offline.
    pub offline_replicas: Vec<NodeId>,
    /// Those that may lead although they are not in sync (KIP-966); none where the broker does not say.
    pub eligible_leader_replicas: Option<Vec<NodeId>>,
}

/// What is known of a topic, or why nothing is.
type Found = Result<TopicDescription, Error>;

/// Describes topics: names page by page where the broker can do so, the rest by Metadata.
pub(crate) async fn describe(admin: &Admin, topics: Vec<TopicRef>) -> Results<TopicRef, TopicDescription> {
    let mut names: Vec<TopicName> = Vec::new();
    let mut refs: Vec<TopicRef> = Vec::new();
    for topic in &topics {
        match topic {
            TopicRef::Name(name) => names.push(name.clone()),
            TopicRef::Id(_) => refs.push(topic.clone()),
        }
    }
    names.sort();
    names.dedup();
    let mut found: BTreeMap<TopicRef, Found> = BTreeMap::new();
    if !names.is_empty() {
        match by_pages(admin, &names).await {
            Ok(pages) => found.extend(pages),
            Err(error) if error.kind() == ErrorKind::UnsupportedVersion => {
                refs.extend(names.into_iter().map(TopicRef::Name));
            }
            Err(error) => found.extend(failed(names.into_iter().map(TopicRef::Name), &error)),
        }
    }
    if !refs.is_empty() {
        match by_metadata(admin, &refs).await {
            Ok(described) => found.extend(described),
            Err(error) => found.extend(failed(refs, &error)),
        }
    }
    let left_out = || courant_client::Error::new(ErrorKind::Protocol, "the broker left a topic out");
    let result = |topic: TopicRef| {
        let result = found.get(&topic).cloned();
        let result = result.unwrap_or_else(|| Err(left_out().at_topic(topic.to_string()).into()));
        (topic, result)
    };
    Results::new(topics.into_iter().map(result).collect())
}

fn failed(
    topics: impl IntoIterator<Item = TopicRef>,
    error: &courant_client::Error,
) -> impl Iterator<Item = (TopicRef, Found)> {
    topics.into_iter().map(move |topic| {
        let error = error.clone().at_topic(topic.to_string());
        (topic, Err(error.into()))
    })
}

/// DescribeTopicPartitions (KIP-966): the broker goes through the names in order and says where it stopped.
async fn by_pages(
    admin: &Admin,
    names: &[TopicName],
) -> Result<BTreeMap<TopicRef, Found>, courant_client::Error> {
    let mut found: BTreeMap<TopicRef, Found> = BTreeMap::new();
    let mut cursor: Option<RequestCursor> = None;
    loop {
        let rest = names.iter().filter(|name| match &cursor {
            Some(cursor) => ***name >= *cursor.topic_name,
            None => true,
        });
        let topics: Vec<TopicRequest> = rest.map(|name| TopicRequest { name: Str::from(&**name) }).collect();
        let request = |_| DescribeTopicPartitionsRequest {
            topics: topics.clone(),
            response_partition_limit: PAGE_PARTITIONS,
            cursor: cursor.clone(),
        };
        let (response, _) = single(admin, Target::Any, request, |_| Ok(())).await?;
        for topic in &response.topics {
            add_page(&mut found, topic);
        }
        let next = response
            .next_cursor
            .map(|next| RequestCursor { topic_name: next.topic_name, partition_index: next.partition_index });
        // A broker that does not get on would be asked for ever.
        let place = |cursor: &RequestCursor| (cursor.topic_name.clone(), cursor.partition_index);
        match next {
            None => return Ok(found),
            Some(next) if cursor.as_ref().is_some_and(|before| place(before) >= place(&next)) => {
                let what = "the broker describes the same partitions again";
                return Err(courant_client::Error::new(ErrorKind::Protocol, what));
            }
            Some(next) => cursor = Some(next),
        }
    }
}

fn add_page(found: &mut BTreeMap<TopicRef, Found>, topic: &DescribeTopicPartitionsResponseTopic) {
    let Some(name) = topic.name.as_deref() else {
        return;
    };
    let key = TopicRef::from(name);
    if topic.error_code != 0 {
        let error = Error::refused(ErrorCode(topic.error_code), WHAT, None).at_topic(name);
        found.insert(key, Err(error.into()));
        return;
    }
    let empty = || TopicDescription {
        name: name.into(),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions: Vec::new(),
    };
    if let Ok(described) = found.entry(key).or_insert_with(|| Ok(empty())) {
        described.partitions.extend(topic.partitions.iter().map(paged_partition));
        described.partitions.sort_by_key(|partition| partition.partition);
        described.partitions.dedup_by_key(|partition| partition.partition);
    }
}

fn paged_partition(partition: &DescribeTopicPartitionsResponsePartition) -> PartitionDescription {
    PartitionDescription {
        partition: PartitionId(partition.partition_index),
        leader: Some(NodeId(partition.leader_id)).filter(|node| node.is_some()),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        replicas: nodes(&partition.replica_nodes),
        in_sync_replicas: nodes(&partition.isr_nodes),
        offline_replicas: nodes(&partition.offline_replicas),
        eligible_leader_replicas: partition.eligible_leader_replicas.as_deref().map(nodes),
    }
}

/// Metadata: everything at once; the only way by id, and the only one of brokers before 3.7.
async fn by_metadata(
    admin: &Admin,
    topics: &[TopicRef],
) -> Result<BTreeMap<TopicRef, Found>, courant_client::Error> {
    let mut found = BTreeMap::new();
    // Names and ids do not mix in one request.
    for by_id in [false, true] {
        let wanted: Vec<&TopicRef> =
            topics.iter().filter(|topic| matches!(topic, TopicRef::Id(_)) == by_id).collect();
        if wanted.is_empty() {
            continue;
        }
        let request = |_| MetadataRequest {
            topics: Some(wanted.iter().map(|topic| asked(topic)).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let (response, version) = single(admin, Target::Any, request, |_| Ok(())).await?;
        if by_id && version < METADATA_IDS_FROM {
            let what = "the broker cannot describe topics by id";
            return Err(courant_client::Error::new(ErrorKind::UnsupportedVersion, what));
        }
        for topic in &response.topics {
            let key = match topic.name.as_deref() {
                Some(name) if !by_id => TopicRef::from(name),
                _ => TopicRef::Id(topic.topic_id),
            };
            found.insert(key.clone(), described(&key, topic).map_err(Error::from));
        }
    }
    Ok(found)
}

fn asked(topic: &TopicRef) -> MetadataRequestTopic {
    match topic {
        TopicRef::Name(name) => {
            MetadataRequestTopic { topic_id: TopicId::ZERO, name: Some(Str::from(&**name)) }
        }
        TopicRef::Id(id) => MetadataRequestTopic { topic_id: *id, name: None },
    }
}

fn described(
    key: &TopicRef,
    topic: &MetadataResponseTopic,
) -> Result<TopicDescription, courant_client::Error> {
    if topic.error_code != 0 {
        return Err(Error::refused(ErrorCode(topic.error_code), WHAT, None).at_topic(key.to_string()));
    }
    let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.partition);
    Ok(TopicDescription {
        name: topic.name.as_deref().unwrap_or_default().into(),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions,
    })
}

fn partition(partition: &MetadataResponsePartition) -> PartitionDescription {
    PartitionDescription {
        partition: PartitionId(partition.partition_index),
        leader: Some(NodeId(partition.leader_id)).filter(|node| node.is_some()),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        replicas: nodes(&partition.replica_nodes),
        in_sync_replicas: nodes(&partition.isr_nodes),
        offline_replicas: nodes(&partition.offline_replicas),
        eligible_leader_replicas: None,
    }
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

const WHAT: &str = "describe the topic";

/// How many partitions a page has, as in Java (`DescribeTopicsOptions`).
const PAGE_PARTITIONS: i32 = 2000;

/// The first version of Metadata that takes ids without names.
const METADATA_IDS_FROM: i16 = 12;
