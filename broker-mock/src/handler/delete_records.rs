//! DeleteRecords (21), versions 0–2: a partition forgets what lies before an offset; -1 is the high watermark (KIP-107).
//!
//! A transaction that is open stays so though its records go: readers of committed ones stop where the log begins.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};
use courant_protocol::types::Offset;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 2);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let (low_watermark, error_code) = match delete(cluster, call, &topic.name, wanted) {
                Ok(start) => (start.0, 0),
                Err(error) => (-1, error.0),
            };
            let partition_index = wanted.partition_index;
            partitions.push(DeleteRecordsPartitionResult { partition_index, low_watermark, error_code });
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name.clone(), partitions });
    }
    DeleteRecordsResponse { topics, ..Default::default() }
}

fn delete(
    cluster: &mut Cluster,
    call: &Call,
    topic: &str,
    wanted: &DeleteRecordsPartition,
) -> Result<Offset, ErrorCode> {
    let high_watermark = call.led(cluster, topic, wanted.partition_index, -1)?.log.high_watermark();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let known = cluster.topic(topic).ok_or(unknown)?;
    // Where the log is only compacted, its keys' last records must stay (Kafka's DeleteRecords policy check).
    if !known.config.value(&cluster.config, "cleanup.policy").contains("delete") {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let id = known.id;
    let before = if wanted.offset == -1 { high_watermark } else { Offset(wanted.offset) };
    if before < Offset(0) || before > high_watermark {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let partition = cluster.partition_mut(topic, wanted.partition_index).ok_or(unknown)?;
    let start = partition.log.delete_before(before);
    cluster.touched.push((id, wanted.partition_index));
    Ok(start)
}
