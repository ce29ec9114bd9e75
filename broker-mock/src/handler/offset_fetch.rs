//! OffsetFetch (9), versions 1–10: committed offsets; several groups from 8 (KIP-709), topic ids from 10 (KIP-848).
//!
//! Offsets are always stable: there are no transactions yet. Member id and epoch are not looked at.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use courant_protocol::types::TopicId;
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;
use crate::group::CommittedOffset;

pub(super) const VERSIONS: VersionRange = VersionRange::new(1, 10);

/// The first version that asks for several groups.
const FIRST_WITH_GROUPS: i16 = 8;
/// The first version that names topics by id.
const FIRST_WITH_IDS: i16 = 10;

pub(super) fn handle(cluster: &Cluster, call: &Call, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version >= FIRST_WITH_GROUPS {
        let groups = request.groups.iter().map(|group| answer(cluster, call, group)).collect();
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let one = answer(cluster, call, &as_group(request));
    let topics = one.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(old_shape).collect(),
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: one.error_code, ..Default::default() }
}

fn as_group(request: &OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.as_ref().map(|topics| {
        let topic = |topic: &courant_protocol::messages::offset_fetch::OffsetFetchRequestTopic| {
            courant_protocol::messages::offset_fetch::OffsetFetchRequestTopics {
                name: topic.name.clone(),
                partition_indexes: topic.partition_indexes.clone(),
                ..Default::default()
            }
        };
        topics.iter().map(topic).collect()
    });
    OffsetFetchRequestGroup { group_id: request.group_id.clone(), topics, ..Default::default() }
}

fn old_shape(partition: OffsetFetchResponsePartitions) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    }
}

fn answer(cluster: &Cluster, call: &Call, group: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let group_id = group.group_id.clone();
    if let Err(error) = call.is_coordinator(cluster, &group_id) {
        return OffsetFetchResponseGroup { group_id, error_code: error.0, ..Default::default() };
    }
    let topics = match &group.topics {
        None => everything(cluster, call, &group_id),
        Some(topics) => topics
            .iter()
            .map(|topic| {
                let named = call.topic(cluster, &topic.name, topic.topic_id);
                // A topic that is gone has no offsets; only an id can be wrong.
                let name = named.map_or_else(|_| topic.name.clone(), |topic| topic.name.clone());
                let error =
                    if named.is_err() && topic.name.is_empty() { ErrorCode::UNKNOWN_TOPIC_ID.0 } else { 0 };
                let partitions = topic.partition_indexes.iter().map(|index| {
                    let committed = cluster.groups.committed(&group_id, &name, *index);
                    OffsetFetchResponsePartitions { error_code: error, ..shown(*index, committed) }
                });
                let partitions = partitions.collect();
                OffsetFetchResponseTopics { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
            })
            .collect(),
    };
    OffsetFetchResponseGroup { group_id, topics, ..Default::default() }
}

/// All offsets of a group, topic by topic.
fn everything(cluster: &Cluster, call: &Call, group: &str) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<(Str, OffsetFetchResponseTopics)> = Vec::new();
    for (name, index, committed) in cluster.groups.committed_by(group) {
        let partition = shown(index, Some(committed));
        match topics.last_mut().filter(|(last, _)| last == name) {
            Some((_, topic)) => topic.partitions.push(partition),
            None => {
                let by_id = call.version >= FIRST_WITH_IDS;
                let id = cluster.topic(name).map_or(TopicId::ZERO, |topic| topic.id);
                let (shown_name, topic_id) =
                    if by_id { (Str::new(), id) } else { (name.clone(), TopicId::ZERO) };
                let topic =
                    OffsetFetchResponseTopics { name: shown_name, topic_id, partitions: vec![partition] };
                topics.push((name.clone(), topic));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn shown(partition_index: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(-1, |committed| committed.offset.0),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch.0),
        metadata: Some(committed.map_or_else(Str::new, |committed| committed.metadata.clone())),
        error_code: 0,
    }
}
