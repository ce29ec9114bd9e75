//! Produce (0), announced from version 0, served from 3 to 13: batches of magic 2 into partitions.
//!
//! Versions 0–2 are announced because old clients look for them (KAFKA-18659) and refused. Topic ids from 13
//! (KIP-516), hints to the new leader from 10 (KIP-951), idempotence (KIP-98), record errors (KIP-467).
//! acks=1 and acks=all are answered at once, also where a follower in sync is held back (a broker lets acks=all wait for
//! it); acks=0 is not, and an error closes the connection. Transactional batches are refused: there is no coordinator of
//! transactions, only `MockCluster::append_transactional`. Batches keep the producer's codec.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use courant_protocol::record::{Batch, Batches, ReadOptions};
use courant_protocol::types::NodeId;
use courant_protocol::wire::{Records, Str};

use super::call::{Call, Reply};
use crate::cluster::Cluster;
use crate::log::{Appended, Refusal};

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 13);

/// The first version that carries batches of magic 2, which are the only ones that a broker takes.
const FIRST_SERVED: i16 = 3;
/// The first version that may carry zstd (KIP-110).
const FIRST_WITH_ZSTD: i16 = 7;
/// The first version that tells of the new leader.
const FIRST_WITH_LEADER: i16 = 10;

/// Errors with which a broker does not say where the log begins.
const SILENT_ABOUT_THE_LOG: [ErrorCode; 7] = [
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::UNKNOWN_TOPIC_ID,
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
    ErrorCode::INVALID_REQUIRED_ACKS,
];

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &ProduceRequest) -> Reply {
    if call.version < FIRST_SERVED {
        return Reply::Close;
    }
    let mut leaders = BTreeSet::new();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in &request.topic_data {
        let topic = call.topic(cluster, &data.name, data.topic_id).map(|topic| topic.name.clone());
        let partition_responses = data
            .partition_data
            .iter()
            .map(|partition| match &topic {
                Ok(topic) => produce(cluster, call, request, topic, partition, &mut leaders),
                Err(error) => answer(partition.index, Err(Refusal::unexplained(*error)), -1),
            })
            .collect();
        responses.push(TopicProduceResponse {
            name: data.name.clone(),
            topic_id: data.topic_id,
            partition_responses,
        });
    }
    if request.acks == 0 {
        let failed = responses.iter().flat_map(|topic| &topic.partition_responses).any(|p| p.error_code != 0);
        return if failed { Reply::Close } else { Reply::Nothing };
    }
    ProduceResponse { responses, node_endpoints: endpoints(cluster, &leaders), ..Default::default() }.into()
}

fn produce(
    cluster: &mut Cluster,
    call: &Call,
    request: &ProduceRequest,
    topic: &str,
    data: &PartitionProduceData,
    leaders: &mut BTreeSet<NodeId>,
) -> PartitionProduceResponse {
    let appended = append(cluster, call, request, topic, data);
    let Some(partition) = cluster.partition(topic, data.index) else {
        return answer(data.index, appended, -1);
    };
    let error = appended.as_ref().err().map(|refusal| refusal.error);
    let knows_log = error.is_none_or(|error| !SILENT_ABOUT_THE_LOG.contains(&error));
    let log_start_offset = if knows_log { partition.log.log_start().0 } else { -1 };
    let mut response = answer(data.index, appended, log_start_offset);
    let moved = error == Some(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    if let Some(leader) = partition.leader.filter(|_| moved && call.version >= FIRST_WITH_LEADER) {
        response.current_leader = LeaderIdAndEpoch { leader_id: leader.0, leader_epoch: partition.epoch.0 };
        leaders.insert(leader);
    }
    response
}

fn append(
    cluster: &mut Cluster,
    call: &Call,
    request: &ProduceRequest,
    topic: &str,
    data: &PartitionProduceData,
) -> Result<Appended, Refusal> {
    if !matches!(request.acks, -1..=1) {
        return Err(Refusal::unexplained(ErrorCode::INVALID_REQUIRED_ACKS));
    }
    let records = data.records.clone().unwrap_or_default();
    call.led(cluster, topic, data.index, -1).map_err(Refusal::unexplained)?;
    let batch = the_batch(records, call.version)?;
    let Some(limits) = cluster.topic(topic).map(|topic| (topic.id, cluster.limits(topic, call.node))) else {
        return Err(Refusal::unexplained(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    let (id, limits) = limits;
    let Some(partition) = cluster.partition_mut(topic, data.index) else {
        return Err(Refusal::unexplained(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    if request.acks == -1 && partition.isr.len() < limits.min_insync_replicas {
        return Err(Refusal::unexplained(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    let context = partition.append_context(&limits, call.unix_now);
    let appended = partition.log.append(&batch, &context)?;
    if !appended.is_duplicate {
        cluster.touched.push((id, data.index));
    }
    Ok(appended)
}

/// The one batch of magic 2 that a request carries for a partition.
fn the_batch(records: Records, version: i16) -> Result<Batch, Refusal> {
    let invalid = |message: &str| Refusal::new(ErrorCode::INVALID_RECORD, message);
    let mut batches = Batches::new(records.into_bytes(), ReadOptions::default().check_crcs(false));
    let batch = match batches.next() {
        Some(Ok(batch)) => batch,
        Some(Err(error)) => return Err(Refusal::new(ErrorCode::CORRUPT_MESSAGE, error.to_string())),
        None => {
            return Err(invalid(
                "A Produce request carries exactly one record batch per partition, this one none",
            ));
        }
    };
    if batches.remaining_bytes() > 0 {
        return Err(invalid(
            "A Produce request carries exactly one record batch per partition, this one more",
        ));
    }
    let header = batch.header();
    if header.magic != 2 {
        return Err(invalid("A Produce request carries record batches of magic 2 only"));
    }
    if version < FIRST_WITH_ZSTD && header.attributes.codec() == Ok(Codec::Zstd) {
        return Err(Refusal::unexplained(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE));
    }
    if header.attributes.is_transactional() {
        return Err(Refusal::new(ErrorCode::INVALID_TXN_STATE, "There is no such transaction"));
    }
    Ok(batch)
}

fn answer(
    index: i32,
    appended: Result<Appended, Refusal>,
    log_start_offset: i64,
) -> PartitionProduceResponse {
    let blank = PartitionProduceResponse { index, log_start_offset, ..Default::default() };
    match appended {
        Ok(appended) => PartitionProduceResponse {
            base_offset: appended.base_offset.0,
            log_append_time_ms: appended.log_append_time.0,
            ..blank
        },
        Err(refusal) => PartitionProduceResponse {
            error_code: refusal.error.0,
            base_offset: -1,
            log_append_time_ms: -1,
            error_message: refusal.message.map(Str::from),
            record_errors: refusal.records.into_iter().map(record_error).collect(),
            ..blank
        },
    }
}

fn record_error((batch_index, message): (i32, String)) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage { batch_index, batch_index_error_message: Some(Str::from(message)) }
}

fn endpoints(cluster: &Cluster, leaders: &BTreeSet<NodeId>) -> Vec<NodeEndpoint> {
    let alive = cluster.alive().filter(|broker| leaders.contains(&broker.id));
    alive
        .map(|broker| NodeEndpoint {
            node_id: broker.id.0,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            rack: broker.rack.clone(),
        })
        .collect()
}
