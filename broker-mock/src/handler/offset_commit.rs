//! OffsetCommit (8), versions 2–10: from members of the present generation, or from anybody where a group has no
//! members; a retention of their own up to 4, leader epochs from 6 (KIP-320), topic ids from 10 (KIP-848).
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;
use crate::group::CommittedOffset;

pub(super) const VERSIONS: VersionRange = VersionRange::new(2, 10);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &OffsetCommitRequest,
) -> OffsetCommitResponse {
    let checked = call
        .coordinates(cluster, &request.group_id)
        .and_then(|()| cluster.groups.check_commit(call.moment(), call.node, request, call.version));
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = call.topic(cluster, &topic.name, topic.topic_id).map(|topic| topic.name.clone());
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let done = match &name {
                // Topics are looked at before the group is.
                Err(error) => Err(*error),
                Ok(name) => check_partition(cluster, call, name, wanted.partition_index)
                    .and(checked)
                    .and_then(|()| commit(cluster, call, request, name, wanted)),
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

fn commit(
    cluster: &mut Cluster,
    call: &Call,
    request: &OffsetCommitRequest,
    topic: &str,
    wanted: &OffsetCommitRequestPartition,
) -> Result<(), ErrorCode> {
    let metadata = wanted.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > cluster.config.count("offset.metadata.max.bytes") {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let offset = CommittedOffset {
        offset: Offset(wanted.committed_offset),
        leader_epoch: LeaderEpoch(wanted.committed_leader_epoch),
        metadata: Str::from(metadata),
        committed_at: call.unix_now,
        expires_at: (request.retention_time_ms >= 0)
            .then(|| UnixMillis(call.unix_now.0.saturating_add(request.retention_time_ms))),
    };
    cluster.groups.commit(&request.group_id, topic, wanted.partition_index, offset);
    Ok(())
}

fn check_partition(cluster: &Cluster, call: &Call, topic: &str, partition: i32) -> Result<(), ErrorCode> {
    if let Some(error) = call.injected(topic, partition) {
        return Err(error);
    }
    cluster.partition(topic, partition).map(drop).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}
