//! DescribeProducers (61), version 0: what partitions remember of idempotent producers (KIP-664).
use courant_protocol::api::VersionRange;
use courant_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 0);

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|topic| TopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partition_indexes
            .iter()
            .map(|index| describe(cluster, call, &topic.name, *index))
            .collect(),
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn describe(cluster: &Cluster, call: &Call, topic: &str, partition_index: i32) -> PartitionResponse {
    let blank = PartitionResponse { partition_index, ..Default::default() };
    match call.led(cluster, topic, partition_index, -1) {
        Ok(partition) => {
            let log = &partition.log;
            let shown = |seen: crate::log::SeenProducer| ProducerState {
                producer_id: seen.id.0,
                producer_epoch: i32::from(seen.epoch.0),
                last_sequence: seen.last_sequence.0,
                last_timestamp: seen.last_timestamp.0,
                coordinator_epoch: seen.coordinator_epoch,
                current_txn_start_offset: log.transaction_start(seen.id).map_or(-1, |offset| offset.0),
            };
            PartitionResponse { active_producers: log.producers().map(shown).collect(), ..blank }
        }
        Err(error) => {
            PartitionResponse { error_code: error.0, error_message: error.name().map(Str::from), ..blank }
        }
    }
}
