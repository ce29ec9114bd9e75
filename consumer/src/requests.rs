//! Kafka's messages from and to the consumer's own words; the only file that knows how versions differ.
use std::collections::BTreeMap;

use bytes::Bytes;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use courant_protocol::messages::fetch::{
    AbortedTransaction, FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic,
    PartitionData,
};
use courant_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic,
};
use courant_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use courant_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use courant_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use courant_protocol::types::{
    ConsumerGroupMetadata, LeaderEpoch, NodeId, Offset, PartitionId, ProducerId, TopicId, TopicName,
    TopicPartition, UnixMillis,
};
use courant_protocol::wire::{Records, Str};

use crate::machine::fetcher::{FetchAnswer, FetchPlan, PartitionAnswer, TopicKey};
use crate::machine::isolation::IsolationLevel;
use crate::offsets::OffsetAndMetadata;

/// The first version of Fetch that names topics by id.
pub(crate) const FETCH_BY_ID: i16 = 13;
/// The first version of OffsetCommit and OffsetFetch that names topics by id.
const OFFSETS_BY_ID: i16 = 10;
/// The first version of OffsetFetch that asks for several groups.
const OFFSET_FETCH_GROUPS: i16 = 8;

/// What brokers call a group that does not rebalance.
const STABLE: &str = "Stable";

/// Where a broker sits for which no replica id is given: a client.
const CLIENT: i32 = -1;

/// Groups items by topic, in order; a topic that comes again gets another entry.
fn by_topic<'a, T, G>(
    items: impl IntoIterator<Item = (&'a TopicPartition, T)>,
    mut new: impl FnMut(&'a TopicPartition, &T) -> G,
    mut add: impl FnMut(&mut G, PartitionId, T),
) -> Vec<G> {
    let mut topics: Vec<(&TopicName, G)> = Vec::new();
    for (partition, item) in items {
        if topics.last().is_none_or(|(topic, _)| **topic != partition.topic) {
            topics.push((&partition.topic, new(partition, &item)));
        }
        if let Some((_, topic)) = topics.last_mut() {
            add(topic, partition.partition, item);
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn name(partition: &TopicPartition) -> Str {
    Str::from(&*partition.topic)
}

fn partition_of(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, index)
}

/// A Fetch request.
pub(crate) fn fetch_request(plan: &FetchPlan, isolation: IsolationLevel, rack: &Str) -> FetchRequest {
    let sends = plan.session.send.iter().map(|target| (&target.partition, target));
    let topics = by_topic(
        sends,
        |partition, target| FetchTopic {
            topic: name(partition),
            topic_id: target.topic_id,
            partitions: Vec::new(),
        },
        |topic, partition, target| {
            topic.partitions.push(FetchPartition {
                partition: partition.0,
                current_leader_epoch: target.leader_epoch.0,
                fetch_offset: target.offset.0,
                partition_max_bytes: target.max_bytes,
                ..FetchPartition::default()
            });
        },
    );
    let forgets = plan.session.forget.iter().map(|(partition, id)| (partition, *id));
    let forgotten_topics_data = by_topic(
        forgets,
        |partition, id| ForgottenTopic { topic: name(partition), topic_id: *id, partitions: Vec::new() },
        |topic, partition, _| topic.partitions.push(partition.0),
    );
    FetchRequest {
        replica_id: CLIENT,
        max_wait_ms: i32::try_from(plan.max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: plan.min_bytes,
        max_bytes: plan.max_bytes,
        isolation_level: isolation.id(),
        session_id: plan.session.id,
        session_epoch: plan.session.epoch,
        topics,
        forgotten_topics_data,
        rack_id: rack.clone(),
        ..FetchRequest::default()
    }
}

/// The answer to a fetch.
pub(crate) fn fetch_answer(response: FetchResponse, version: i16) -> FetchAnswer {
    let mut partitions = Vec::new();
    for topic in response.responses {
        let key = match version >= FETCH_BY_ID {
            true => TopicKey::Id(topic.topic_id),
            false => TopicKey::Name(TopicName::from(&*topic.topic)),
        };
        partitions.extend(topic.partitions.into_iter().map(|data| partition_answer(key.clone(), data)));
    }
    FetchAnswer {
        error: ErrorCode(response.error_code),
        session_id: response.session_id,
        throttle_time_ms: response.throttle_time_ms,
        partitions,
    }
}

fn partition_answer(topic: TopicKey, data: PartitionData) -> PartitionAnswer {
    let aborted = data.aborted_transactions.unwrap_or_default();
    let aborted = aborted.into_iter().map(|AbortedTransaction { producer_id, first_offset, .. }| {
        (ProducerId(producer_id), Offset(first_offset))
    });
    let leader = (data.current_leader.leader_id >= 0)
        .then_some((NodeId(data.current_leader.leader_id), LeaderEpoch(data.current_leader.leader_epoch)));
    let diverging = (data.diverging_epoch.end_offset >= 0)
        .then_some((LeaderEpoch(data.diverging_epoch.epoch), Offset(data.diverging_epoch.end_offset)));
    PartitionAnswer {
        topic,
        partition: PartitionId(data.partition_index),
        error: ErrorCode(data.error_code),
        high_watermark: Offset(data.high_watermark),
        last_stable_offset: Offset(data.last_stable_offset),
        log_start_offset: Offset(data.log_start_offset),
        aborted: aborted.collect(),
        preferred_replica: Some(NodeId(data.preferred_read_replica)).filter(|node| node.is_some()),
        diverging,
        leader,
        records: data.records.map(Records::into_bytes).unwrap_or_default(),
    }
}

/// A ListOffsets request: timestamp and known leader epoch of each partition.
pub(crate) fn list_offsets_request(
    partitions: &BTreeMap<TopicPartition, (UnixMillis, LeaderEpoch)>,
    isolation: IsolationLevel,
    timeout_ms: i32,
) -> ListOffsetsRequest {
    let topics = by_topic(
        partitions,
        |partition, _| ListOffsetsTopic { name: name(partition), partitions: Vec::new() },
        |topic, partition, (timestamp, leader_epoch)| {
            topic.partitions.push(ListOffsetsPartition {
                partition_index: partition.0,
                current_leader_epoch: leader_epoch.0,
                timestamp: timestamp.0,
                ..ListOffsetsPartition::default()
            });
        },
    );
    ListOffsetsRequest { replica_id: CLIENT, isolation_level: isolation.id(), topics, timeout_ms }
}

/// What a broker said of one partition's offset at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedOffset {
    pub(crate) offset: Offset,
    pub(crate) timestamp: UnixMillis,
    pub(crate) leader_epoch: LeaderEpoch,
}

/// The answer to ListOffsets; an offset of -1 means that there is no such record.
pub(crate) fn list_offsets_answer(
    response: ListOffsetsResponse,
) -> BTreeMap<TopicPartition, Result<Option<ListedOffset>, ErrorCode>> {
    let one = |data: &ListOffsetsPartitionResponse| {
        ErrorCode(data.error_code).into_result()?;
        let listed = ListedOffset {
            offset: Offset(data.offset),
            timestamp: UnixMillis(data.timestamp),
            leader_epoch: LeaderEpoch(data.leader_epoch),
        };
        Ok(Some(listed).filter(|listed| listed.offset.0 >= 0))
    };
    let topics = response.topics.iter();
    topics
        .flat_map(|topic| {
            topic.partitions.iter().map(|data| (partition_of(&topic.name, data.partition_index), one(data)))
        })
        .collect()
}

/// An OffsetForLeaderEpoch request: the epoch asked for and the known leader epoch of each partition.
pub(crate) fn epoch_request(
    partitions: &BTreeMap<TopicPartition, (LeaderEpoch, LeaderEpoch)>,
) -> OffsetForLeaderEpochRequest {
    let topics = by_topic(
        partitions,
        |partition, _| OffsetForLeaderTopic { topic: name(partition), partitions: Vec::new() },
        |topic, partition, (asked, current)| {
            topic.partitions.push(OffsetForLeaderPartition {
                partition: partition.0,
                current_leader_epoch: current.0,
                leader_epoch: asked.0,
            });
        },
    );
    OffsetForLeaderEpochRequest { replica_id: CLIENT, topics }
}

/// The answer to OffsetForLeaderEpoch; -1 for both means that the leader cannot tell.
pub(crate) fn epoch_answer(
    response: OffsetForLeaderEpochResponse,
) -> BTreeMap<TopicPartition, Result<Option<(LeaderEpoch, Offset)>, ErrorCode>> {
    let mut ends = BTreeMap::new();
    for topic in response.topics {
        for data in topic.partitions {
            let end = Some((LeaderEpoch(data.leader_epoch), Offset(data.end_offset)));
            let end = end.filter(|(epoch, offset)| epoch.is_some() && offset.is_some());
            let answer = ErrorCode(data.error_code).into_result().map(|()| end);
            ends.insert(partition_of(&topic.topic, data.partition), answer);
        }
    }
    ends
}

/// The ids of topics, for the versions that name them so.
pub(crate) type TopicIds = BTreeMap<TopicName, TopicId>;

/// The highest version of OffsetCommit or OffsetFetch that these topics allow: ids only where each has one.
pub(crate) fn offsets_version_cap<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ids: &TopicIds,
) -> i16 {
    let mut partitions = partitions.into_iter();
    let known = partitions.all(|partition| ids.get(&partition.topic).is_some_and(|id| !id.is_zero()));
    if known { i16::MAX } else { OFFSETS_BY_ID - 1 }
}

fn id_of(partition: &TopicPartition, ids: &TopicIds) -> TopicId {
    ids.get(&partition.topic).copied().unwrap_or(TopicId::ZERO)
}

/// The partition that an answer means: by id where it names no topic.
fn answered(topic: &str, id: TopicId, index: i32, ids: &TopicIds) -> Option<TopicPartition> {
    if id.is_zero() {
        return Some(partition_of(topic, index));
    }
    let (name, _) = ids.iter().find(|(_, known)| **known == id)?;
    Some(TopicPartition { topic: name.clone(), partition: PartitionId(index) })
}

/// An OffsetCommit request of a member, or of a consumer that is no member of its group.
pub(crate) fn offset_commit_request(
    member: &ConsumerGroupMetadata,
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ids: &TopicIds,
    version: i16,
) -> OffsetCommitRequest {
    let by_id = version >= OFFSETS_BY_ID;
    let topics = by_topic(
        offsets,
        |partition, _| OffsetCommitRequestTopic {
            name: if by_id { Str::new() } else { name(partition) },
            topic_id: if by_id { id_of(partition, ids) } else { TopicId::ZERO },
            ..OffsetCommitRequestTopic::default()
        },
        |topic, partition, offset| {
            topic.partitions.push(OffsetCommitRequestPartition {
                partition_index: partition.0,
                committed_offset: offset.offset.0,
                committed_leader_epoch: offset.leader_epoch.0,
                committed_metadata: Some(Str::from(offset.metadata.as_str())),
                ..OffsetCommitRequestPartition::default()
            });
        },
    );
    OffsetCommitRequest {
        group_id: Str::from(&*member.group_id),
        generation_id_or_member_epoch: member.generation_id,
        member_id: Str::from(&*member.member_id),
        group_instance_id: member.group_instance_id.as_deref().map(Str::from),
        topics,
        ..OffsetCommitRequest::default()
    }
}

/// The answer to OffsetCommit.
pub(crate) fn offset_commit_answer(
    response: OffsetCommitResponse,
    ids: &TopicIds,
) -> BTreeMap<TopicPartition, ErrorCode> {
    let mut codes = BTreeMap::new();
    for topic in response.topics {
        for data in topic.partitions {
            if let Some(partition) = answered(&topic.name, topic.topic_id, data.partition_index, ids) {
                codes.insert(partition, ErrorCode(data.error_code));
            }
        }
    }
    codes
}

/// An OffsetFetch request. What an open transaction is about to commit is held back (KIP-447), whatever the consumer reads, as
/// in Java: that is where the group goes on.
pub(crate) fn offset_fetch_request(
    group: &str,
    partitions: &[TopicPartition],
    ids: &TopicIds,
    version: i16,
) -> OffsetFetchRequest {
    let require_stable = version >= 7;
    if version < OFFSET_FETCH_GROUPS {
        let topics = by_topic(
            partitions.iter().map(|partition| (partition, ())),
            |partition, ()| OffsetFetchRequestTopic {
                name: name(partition),
                ..OffsetFetchRequestTopic::default()
            },
            |topic, partition, ()| topic.partition_indexes.push(partition.0),
        );
        let group_id = Str::from(group);
        return OffsetFetchRequest {
            group_id,
            topics: Some(topics),
            require_stable,
            ..OffsetFetchRequest::default()
        };
    }
    let by_id = version >= OFFSETS_BY_ID;
    let topics = by_topic(
        partitions.iter().map(|partition| (partition, ())),
        |partition, ()| OffsetFetchRequestTopics {
            name: if by_id { Str::new() } else { name(partition) },
            topic_id: if by_id { id_of(partition, ids) } else { TopicId::ZERO },
            ..OffsetFetchRequestTopics::default()
        },
        |topic, partition, ()| topic.partition_indexes.push(partition.0),
    );
    let group = OffsetFetchRequestGroup {
        group_id: Str::from(group),
        topics: Some(topics),
        ..OffsetFetchRequestGroup::default()
    };
    OffsetFetchRequest { groups: vec![group], require_stable, ..OffsetFetchRequest::default() }
}

/// What a group committed for one partition, or why that cannot be told.
pub(crate) type Committed = Result<Option<OffsetAndMetadata>, ErrorCode>;

/// The answer to OffsetFetch: each partition's, or one error for the group.
pub(crate) fn offset_fetch_answer(
    response: OffsetFetchResponse,
    ids: &TopicIds,
) -> Result<BTreeMap<TopicPartition, Committed>, ErrorCode> {
    ErrorCode(response.error_code).into_result()?;
    let mut offsets = BTreeMap::new();
    for topic in response.topics {
        for data in topic.partitions {
            let committed =
                committed(data.error_code, data.committed_offset, data.committed_leader_epoch, data.metadata);
            offsets.insert(partition_of(&topic.name, data.partition_index), committed);
        }
    }
    for group in response.groups {
        ErrorCode(group.error_code).into_result()?;
        for topic in group.topics {
            for data in topic.partitions {
                let committed = committed(
                    data.error_code,
                    data.committed_offset,
                    data.committed_leader_epoch,
                    data.metadata,
                );
                if let Some(partition) = answered(&topic.name, topic.topic_id, data.partition_index, ids) {
                    offsets.insert(partition, committed);
                }
            }
        }
    }
    Ok(offsets)
}

/// A negative offset means that the group has none.
fn committed(error: i16, offset: i64, epoch: i32, metadata: Option<Str>) -> Committed {
    ErrorCode(error).into_result()?;
    let committed = OffsetAndMetadata {
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(epoch),
        metadata: metadata.map(|text| text.to_string()).unwrap_or_default(),
    };
    Ok(Some(committed).filter(|committed| committed.offset.0 >= 0))
}

/// Asks what the members of a group have.
pub(crate) fn shares_request(group: &str) -> DescribeGroupsRequest {
    DescribeGroupsRequest { groups: vec![Str::from(group)], include_authorized_operations: false }
}

/// The shares of a group's members, as its leader wrote them; none where it is not `Stable`, for then nobody has any.
pub(crate) fn shares_answer(response: DescribeGroupsResponse) -> Result<Option<Vec<Bytes>>, ErrorCode> {
    let Some(group) = response.groups.into_iter().next() else { return Ok(None) };
    ErrorCode(group.error_code).into_result()?;
    let shares = group.members.into_iter().map(|member| member.member_assignment);
    Ok((&*group.group_state == STABLE).then(|| shares.collect()))
}
