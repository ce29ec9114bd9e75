//! OffsetForLeaderEpoch (23), versions 2–4: where an epoch ended (KIP-101, KIP-320).
use courant_protocol::api::VersionRange;
use courant_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use courant_protocol::types::LeaderEpoch;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(2, 4);

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let partition = wanted.partition;
            match call.led(cluster, &topic.topic, partition, wanted.current_leader_epoch) {
                Ok(state) => {
                    let asked = LeaderEpoch(wanted.leader_epoch);
                    let (epoch, end) = state.log.epochs().end_offset_for(asked, state.log.log_end());
                    EpochEndOffset { error_code: 0, partition, leader_epoch: epoch.0, end_offset: end.0 }
                }
                Err(error) => {
                    EpochEndOffset { error_code: error.0, partition, leader_epoch: -1, end_offset: -1 }
                }
            }
        });
        OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions: partitions.collect() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}
