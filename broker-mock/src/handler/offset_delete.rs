//! OffsetDelete (47), version 0: offsets that nobody in the group needs (KIP-496).
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 0);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let group = &*request.group_id;
    let checked = call.coordinates(cluster, group).and_then(|()| cluster.groups.check_offset_delete(group));
    if let Err(error) = checked {
        return OffsetDeleteResponse { error_code: error.0, ..Default::default() };
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let index = wanted.partition_index;
            let deleted = match cluster.partition(&topic.name, index) {
                Some(_) => cluster.groups.delete_offset(group, &topic.name, index),
                None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            };
            let error_code = deleted.err().map_or(0, |error| error.0);
            partitions.push(OffsetDeleteResponsePartition { partition_index: index, error_code });
        }
        topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
    }
    OffsetDeleteResponse { topics, ..Default::default() }
}
