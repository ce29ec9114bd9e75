//! DescribeTopicPartitions (75), version 0: topics in the order of their names, a page at a time (KIP-966).
//!
//! No eligible leader replicas are kept: the lists are empty, as on a cluster whose replicas are all in sync.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::call::Call;
use super::metadata::TOPIC_OPERATIONS;
use crate::cluster::{Cluster, Partition, Topic, check_topic_name};

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 0);

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let (from_topic, from_partition) = match &request.cursor {
        Some(cursor) => {
            (cursor.topic_name.clone(), usize::try_from(cursor.partition_index).unwrap_or_default())
        }
        None => (Str::new(), 0),
    };
    let names: BTreeSet<Str> = if request.topics.is_empty() {
        cluster.topics().map(|topic| topic.name.clone()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.clone()).collect()
    };
    let limit = usize::try_from(request.response_partition_limit).unwrap_or_default();
    let mut room = limit.min(cluster.config.count("max.request.partition.size.limit")).max(1);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.into_iter().filter(|name| *name >= from_topic) {
        if room == 0 {
            response.next_cursor = Some(ResponseCursor { topic_name: name, partition_index: 0 });
            break;
        }
        let Some(topic) = cluster.topic(&name).filter(|_| call.injected(&name, -1).is_none()) else {
            response.topics.push(unknown(call, name));
            continue;
        };
        let skip = if name == from_topic { from_partition } else { 0 };
        let partitions = described(cluster, topic, skip, room);
        room -= partitions.len();
        let next = skip + partitions.len();
        response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        });
        if next < topic.partitions.len() {
            let partition_index = i32::try_from(next).unwrap_or_default();
            response.next_cursor = Some(ResponseCursor { topic_name: name, partition_index });
            break;
        }
    }
    response
}

fn unknown(call: &Call, name: Str) -> DescribeTopicPartitionsResponseTopic {
    let natural = match check_topic_name(&name) {
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: call.injected(&name, -1).unwrap_or(natural).0,
        name: Some(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..Default::default()
    }
}

fn described(
    cluster: &Cluster,
    topic: &Topic,
    skip: usize,
    room: usize,
) -> Vec<DescribeTopicPartitionsResponsePartition> {
    let partitions = (0..).zip(&topic.partitions).skip(skip).take(room);
    partitions.map(|(index, state)| partition(cluster, index, state)).collect()
}

fn partition(
    cluster: &Cluster,
    partition_index: i32,
    state: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<i32>>();
    let offline = state.replicas.iter().filter(|node| !cluster.is_alive(**node)).map(|node| node.0);
    DescribeTopicPartitionsResponsePartition {
        error_code: if state.leader.is_some() { 0 } else { ErrorCode::LEADER_NOT_AVAILABLE.0 },
        partition_index,
        leader_id: state.leader.map_or(-1, |node| node.0),
        leader_epoch: state.epoch.0,
        replica_nodes: ids(&state.replicas),
        isr_nodes: ids(&state.isr),
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: offline.collect(),
    }
}
