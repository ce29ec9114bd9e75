//! Fetch (1), versions 4–18: batches out of partitions, waiting for them if need be.
//!
//! Incremental sessions (KIP-227), topic ids from 13 (KIP-516), leader epochs and divergence (KIP-320, KIP-595), hints
//! to the new leader from 16 (KIP-951), reading from a replica in one's own rack (KIP-392, when `replica.selector.class`
//! names the rack-aware one). A wait ends with `min.bytes`, an error or `max.wait.ms`; the last batch may be cut, and
//! what is read of a partition ends with a segment.
//!
//! Readers of committed records stop at the last stable offset and are told of the aborted transactions in what they
//! get, in the order of their markers, and of some behind it, as far as an index of one entry per 4096 bytes tells
//! (`index.interval.bytes` is not looked at). A follower that a test holds back serves what it has.
//!
//! No broker fetches from another: a request with a replica id is answered like a consumer's.
use std::collections::BTreeSet;
use std::time::Duration;

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::AnyResponse;
use courant_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use courant_protocol::types::{LeaderEpoch, NodeId, Offset};
use courant_protocol::wire::Records;

use super::call::{Call, Reply, check_epoch};
use crate::cluster::{Cluster, ParkedFetch, Partition, SessionFetch, SessionPartition, TopicKey, Touched};
use crate::fault::Effects;
use crate::log::{Isolation, ReplicaView};

pub(super) const VERSIONS: VersionRange = VersionRange::new(4, 18);

/// The first version that names topics by id.
const FIRST_WITH_IDS: i16 = 13;
/// The first version that tells of the new leader, and where logs part.
const FIRST_WITH_LEADER: i16 = 12;
/// The first version that tells of the new leader's address.
const FIRST_WITH_ENDPOINTS: i16 = 16;
/// The first version that may read from a follower (KIP-392).
const FIRST_WITH_RACK: i16 = 11;
/// The first version with sessions.
const FIRST_WITH_SESSIONS: i16 = 7;

const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &FetchRequest) -> Reply {
    if let Some(error) =
        call.errors.iter().find(|injected| injected.topic.is_none() && is_session_error(injected.error))
    {
        return FetchResponse { error_code: error.error.0, ..Default::default() }.into();
    }
    let asked = asked(request);
    let (partitions, session_id, is_incremental) = match session(cluster, call, request, &asked) {
        SessionFetch::Full(id) => (asked, id, false),
        SessionFetch::Incremental(id, partitions) => (partitions, id, true),
        SessionFetch::Refused(error) => {
            return FetchResponse { error_code: error.0, ..Default::default() }.into();
        }
    };
    let size = |bytes: i32| usize::try_from(bytes).unwrap_or_default();
    let mut fetch = ParkedFetch {
        call: call.clone(),
        effects: Effects::default(),
        partitions,
        session_id,
        is_incremental,
        min_bytes: size(request.min_bytes),
        max_bytes: size(request.max_bytes).min(cluster.config.count("fetch.max.bytes")),
        isolation_level: request.isolation_level,
        rack: request.rack_id.clone(),
        deadline: call.now + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default()),
        watched: Vec::new(),
    };
    if request.max_wait_ms <= 0 || fetch.partitions.is_empty() || is_satisfied(cluster, &fetch) {
        return assemble(cluster, &fetch).into();
    }
    fetch.watched = watched(cluster, &fetch);
    Reply::Park(Box::new(fetch))
}

fn is_session_error(error: ErrorCode) -> bool {
    error == ErrorCode::FETCH_SESSION_ID_NOT_FOUND
        || error == ErrorCode::INVALID_FETCH_SESSION_EPOCH
        || error == ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
}

fn asked(request: &FetchRequest) -> Vec<SessionPartition> {
    let mut asked = Vec::new();
    for topic in &request.topics {
        let key = TopicKey { name: topic.topic.clone(), id: topic.topic_id };
        asked.extend(topic.partitions.iter().map(|partition| SessionPartition::new(key.clone(), partition)));
    }
    asked
}

fn session(
    cluster: &mut Cluster,
    call: &Call,
    request: &FetchRequest,
    asked: &[SessionPartition],
) -> SessionFetch {
    if call.version < FIRST_WITH_SESSIONS {
        return SessionFetch::Full(0);
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = TopicKey { name: topic.topic.clone(), id: topic.topic_id };
        forgotten.extend(topic.partitions.iter().map(|partition| (key.clone(), *partition)));
    }
    let seed = cluster.draw();
    let mut turn = 0_u64;
    let fresh_id = || {
        turn += 1;
        i32::try_from(seed.wrapping_mul(turn) & 0x7fff_ffff).unwrap_or(1).max(1)
    };
    let Some(broker) = cluster.brokers.get_mut(&call.node) else { return SessionFetch::Full(0) };
    let uses_topic_ids = call.version >= FIRST_WITH_IDS;
    broker.sessions.handle_request(
        (request.session_id, request.session_epoch),
        uses_topic_ids,
        asked,
        &forgotten,
        fresh_id,
    )
}

/// The partitions whose changes may end a fetch's waiting.
fn watched(cluster: &Cluster, fetch: &ParkedFetch) -> Vec<Touched> {
    let topic = |key: &TopicKey| fetch.call.topic(cluster, &key.name, key.id).ok().map(|topic| topic.id);
    fetch.partitions.iter().filter_map(|wanted| Some((topic(&wanted.topic)?, wanted.partition))).collect()
}

/// Whether a fetch need not wait: enough bytes, an error, or something else to tell.
pub(crate) fn is_satisfied(cluster: &Cluster, fetch: &ParkedFetch) -> bool {
    let mut bytes = 0;
    for wanted in &fetch.partitions {
        let Ok(partition) = readable(cluster, &fetch.call, wanted) else { return true };
        let log = partition.view(fetch.call.node);
        if diverging(&log, wanted).is_some() || nearer_replica(cluster, fetch, partition, wanted).is_some() {
            return true;
        }
        let isolation = Isolation::from(fetch.isolation_level);
        let most = usize::try_from(wanted.max_bytes).unwrap_or_default();
        bytes += log.readable_bytes(Offset(wanted.fetch_offset), fetch.min_bytes.min(most.max(1)), isolation);
        if bytes >= fetch.min_bytes {
            return true;
        }
    }
    bytes >= fetch.min_bytes
}

/// The answer as things stand.
pub(crate) fn assemble(cluster: &mut Cluster, fetch: &ParkedFetch) -> FetchResponse {
    let mut leaders = BTreeSet::new();
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut room = fetch.max_bytes;
    let mut is_empty = true;
    for wanted in &fetch.partitions {
        let mut data = read(cluster, fetch, wanted, room, is_empty, &mut leaders);
        if cluster.shuffles_aborted {
            shuffle(cluster, data.aborted_transactions.as_deref_mut().unwrap_or_default());
        }
        let len = data.records.as_ref().map_or(0, Records::len);
        room = room.saturating_sub(len);
        is_empty &= len == 0;
        let broker = cluster.brokers.get_mut(&fetch.call.node);
        let is_news =
            broker.is_none_or(|broker| broker.sessions.is_news(fetch.session_id, &wanted.topic, &data));
        if fetch.is_incremental && !is_news {
            continue;
        }
        let key = &wanted.topic;
        match responses.last_mut().filter(|last| last.topic == key.name && last.topic_id == key.id) {
            Some(topic) => topic.partitions.push(data),
            None => responses.push(FetchableTopicResponse {
                topic: key.name.clone(),
                topic_id: key.id,
                partitions: vec![data],
            }),
        }
    }
    let node_endpoints =
        if fetch.call.version >= FIRST_WITH_ENDPOINTS { endpoints(cluster, &leaders) } else { Vec::new() };
    FetchResponse { session_id: fetch.session_id, responses, node_endpoints, ..Default::default() }
}

fn read(
    cluster: &Cluster,
    fetch: &ParkedFetch,
    wanted: &SessionPartition,
    room: usize,
    at_least_one: bool,
    leaders: &mut BTreeSet<NodeId>,
) -> PartitionData {
    let partition = match readable(cluster, &fetch.call, wanted) {
        Ok(partition) => partition,
        Err(error) => return failed(cluster, &fetch.call, wanted, error, leaders),
    };
    let log = partition.view(fetch.call.node);
    let isolation = Isolation::from(fetch.isolation_level);
    let offset = Offset(wanted.fetch_offset);
    let mut data = PartitionData {
        partition_index: wanted.partition,
        high_watermark: log.high_watermark().0,
        last_stable_offset: log.last_stable_offset().0,
        log_start_offset: log.log_start().0,
        aborted_transactions: (isolation == Isolation::ReadCommitted).then(Vec::new),
        records: Some(Records::new()),
        ..Default::default()
    };
    if let Some(end) = diverging(&log, wanted) {
        data.diverging_epoch = end;
        return data;
    }
    if let Some(replica) = nearer_replica(cluster, fetch, partition, wanted) {
        data.preferred_read_replica = replica.0;
        return data;
    }
    let most = usize::try_from(wanted.max_bytes).unwrap_or_default().min(room);
    let slice = log.read(offset, most, at_least_one, isolation);
    if isolation == Isolation::ReadCommitted && slice.len > 0 {
        let aborted = log.aborted_in(offset, slice.len).into_iter();
        data.aborted_transactions = Some(
            aborted
                .map(|txn| AbortedTransaction {
                    producer_id: txn.producer_id.0,
                    first_offset: txn.first_offset.0,
                })
                .collect(),
        );
    }
    data.records = Some(slice.records);
    data
}

/// The partition, if this broker may read it at the offset.
fn readable<'c>(
    cluster: &'c Cluster,
    call: &Call,
    wanted: &SessionPartition,
) -> Result<&'c Partition, ErrorCode> {
    let topic = call.topic(cluster, &wanted.topic.name, wanted.topic.id)?;
    if let Some(error) = call.injected(&topic.name, wanted.partition) {
        return Err(error);
    }
    let partition =
        cluster.partition(&topic.name, wanted.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    check_epoch(partition, wanted.current_leader_epoch)?;
    let may_follow = call.version >= FIRST_WITH_RACK && partition.leader.is_some();
    let follows = may_follow && partition.replicas.contains(&call.node);
    if partition.leader != Some(call.node) && !follows {
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    let log = partition.view(call.node);
    let offset = Offset(wanted.fetch_offset);
    let last = LeaderEpoch(wanted.last_fetched_epoch);
    // Whoever names an epoch that the log does not know cannot be told where the two part.
    let is_known = !last.is_some() || log.end_offset_for(last).0.is_some();
    let in_range = (log.log_start()..=log.log_end()).contains(&offset);
    if offset >= log.log_start() && is_known && (in_range || diverging(&log, wanted).is_some()) {
        Ok(partition)
    } else {
        Err(ErrorCode::OFFSET_OUT_OF_RANGE)
    }
}

/// Where the reader's log and this one part, if the reader said what it read last.
fn diverging(log: &ReplicaView<'_>, wanted: &SessionPartition) -> Option<EpochEndOffset> {
    let last = LeaderEpoch(wanted.last_fetched_epoch);
    if !last.is_some() {
        return None;
    }
    let (epoch, end) = log.end_offset_for(last);
    let parts = epoch.is_some() && (epoch < last || end < Offset(wanted.fetch_offset));
    parts.then_some(EpochEndOffset { epoch: epoch.0, end_offset: end.0 })
}

/// The replica in the reader's rack that has come furthest, where the leader is in another: one in sync that has the
/// offset (Kafka's `RackAwareReplicaSelector`).
fn nearer_replica(
    cluster: &Cluster,
    fetch: &ParkedFetch,
    partition: &Partition,
    wanted: &SessionPartition,
) -> Option<NodeId> {
    let selects = cluster.config.value("replica.selector.class") == Some(RACK_AWARE);
    if !selects || fetch.rack.is_empty() || partition.leader != Some(fetch.call.node) {
        return None;
    }
    let in_rack = |node: &NodeId| {
        cluster
            .brokers
            .get(node)
            .is_some_and(|broker| broker.is_alive && broker.rack.as_ref() == Some(&fetch.rack))
    };
    if in_rack(&fetch.call.node) {
        return None;
    }
    let has = |node: &NodeId| partition.ends(*node).log_end >= Offset(wanted.fetch_offset);
    let near = partition.isr.iter().copied().filter(|node| in_rack(node) && has(node));
    near.max_by_key(|node| (partition.ends(*node).log_end, *node))
}

/// Puts a list into an order that follows from the cluster's seed.
fn shuffle(cluster: &mut Cluster, list: &mut [AbortedTransaction]) {
    for end in (2..=list.len()).rev() {
        let pick = usize::try_from(cluster.draw() % end as u64).unwrap_or_default();
        list.swap(end - 1, pick);
    }
}

fn failed(
    cluster: &Cluster,
    call: &Call,
    wanted: &SessionPartition,
    error: ErrorCode,
    leaders: &mut BTreeSet<NodeId>,
) -> PartitionData {
    let mut data = PartitionData {
        partition_index: wanted.partition,
        error_code: error.0,
        high_watermark: -1,
        records: Some(Records::new()),
        aborted_transactions: Some(Vec::new()),
        ..Default::default()
    };
    let moved = error == ErrorCode::NOT_LEADER_OR_FOLLOWER || error == ErrorCode::FENCED_LEADER_EPOCH;
    let partition = call
        .topic(cluster, &wanted.topic.name, wanted.topic.id)
        .ok()
        .and_then(|topic| cluster.partition(&topic.name, wanted.partition));
    if let Some((partition, leader)) = partition.and_then(|partition| Some((partition, partition.leader?)))
        && moved
        && call.version >= FIRST_WITH_LEADER
    {
        data.current_leader = LeaderIdAndEpoch { leader_id: leader.0, leader_epoch: partition.epoch.0 };
        leaders.insert(leader);
    }
    data
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

/// Whether a fetch is about a topic, or about one partition of it, its session's partitions included.
pub(super) fn touches(
    cluster: &Cluster,
    call: &Call,
    request: &FetchRequest,
    topic: &str,
    partition: Option<i32>,
) -> bool {
    let id = cluster.topic(topic).map(|topic| topic.id);
    let is_topic = |key: &TopicKey| if key.name.is_empty() { Some(key.id) == id } else { key.name == *topic };
    let meets = |wanted: &SessionPartition| {
        is_topic(&wanted.topic) && partition.is_none_or(|partition| partition == wanted.partition)
    };
    let broker = cluster.brokers.get(&call.node);
    let remembered = broker.into_iter().flat_map(|broker| broker.sessions.partitions(request.session_id));
    asked(request).iter().any(meets) || remembered.into_iter().any(meets)
}

/// Turns a byte of the first records over (a fault).
pub(crate) fn corrupt(response: &mut AnyResponse) {
    let AnyResponse::Fetch(response) = response else { return };
    let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
    let first = partitions.filter_map(|data| data.records.as_mut()).find(|records| !records.is_empty());
    if let Some(records) = first {
        let mut bytes = bytes::BytesMut::from(std::mem::take(records).into_bytes().as_ref());
        if let Some(last) = bytes.last_mut() {
            *last ^= 0x55;
        }
        *records = Records::from(bytes.freeze());
    }
}
