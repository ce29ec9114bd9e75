//! OffsetCommit (8), versions 2–10: offsets of a group without members; topic ids from 10 (KIP-848).
//!
//! There is no group membership yet: a commit that names a generation is refused like one of an unknown group.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use courant_protocol::types::{LeaderEpoch, Offset};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::{Cluster, CommittedOffset};

pub(super) const VERSIONS: VersionRange = VersionRange::new(2, 10);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &OffsetCommitRequest,
) -> OffsetCommitResponse {
    let refused = refuse_group(cluster, call, request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = call.topic(cluster, &topic.name, topic.topic_id).map(|topic| topic.name.clone());
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let done = match (refused, &name) {
                (Some(error), _) => Err(error),
                (None, Err(error)) => Err(*error),
                (None, Ok(name)) => commit(cluster, call, &request.group_id, name, wanted),
            };
            let error_code = done.err().map_or(0, |error| error.0);
            partitions
                .push(OffsetCommitResponsePartition { partition_index: wanted.partition_index, error_code });
        }
        topics.push(OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions,
        });
    }
    OffsetCommitResponse { topics, ..Default::default() }
}

fn refuse_group(cluster: &Cluster, call: &Call, request: &OffsetCommitRequest) -> Option<ErrorCode> {
    if request.group_id.is_empty() {
        return Some(ErrorCode::INVALID_GROUP_ID);
    }
    if cluster.coordinator(&request.group_id).map(|broker| broker.id) != Some(call.node) {
        return Some(ErrorCode::NOT_COORDINATOR);
    }
    (request.generation_id_or_member_epoch >= 0).then_some(ErrorCode::ILLEGAL_GENERATION)
}

fn commit(
    cluster: &mut Cluster,
    call: &Call,
    group: &str,
    topic: &str,
    wanted: &OffsetCommitRequestPartition,
) -> Result<(), ErrorCode> {
    if let Some(error) = call.injected(topic, wanted.partition_index) {
        return Err(error);
    }
    cluster.partition(topic, wanted.partition_index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let metadata = wanted.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > cluster.config.count("offset.metadata.max.bytes") {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let offset = CommittedOffset {
        offset: Offset(wanted.committed_offset),
        leader_epoch: LeaderEpoch(wanted.committed_leader_epoch),
        metadata: Str::from(metadata),
    };
    cluster.offsets.commit(group, topic, wanted.partition_index, offset);
    Ok(())
}
