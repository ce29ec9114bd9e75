//! Metadata (3), versions 0–13: the brokers, the controller, and the topics with their leaders.
//!
//! Asking for an unknown topic creates it where the broker and the request allow that; as in Kafka the first answer is
//! still "unknown", the next one has it. Topics by id from version 12 (KIP-516). No authorizer is there, so the
//! authorized operations are all. A broker that a test keeps from hearing of changes goes on with its old view.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use courant_protocol::types::TopicId;

use super::call::Call;
use crate::cluster::{Cluster, FrozenView, Partition, Topic, check_topic_name};
use crate::config::TopicConfig;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 13);

/// What anybody may do with a topic where no authorizer is: a bit per operation (KIP-430).
pub(super) const TOPIC_OPERATIONS: i32 = 3576;
/// What anybody may do with the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 8096;
/// The topics that brokers keep for themselves (Kafka's `Topic.INTERNAL_TOPICS`).
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
/// Operations were not asked for.
pub(super) const NOT_ASKED: i32 = i32::MIN;

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &MetadataRequest) -> MetadataResponse {
    let view = cluster.brokers.get(&call.node).and_then(|broker| broker.frozen.clone());
    let brokers = view.as_ref().map_or_else(|| brokers(cluster), |view| view.brokers.clone());
    let mut topics = topics(cluster, call, request, view.as_ref());
    for topic in &mut topics {
        topic.topic_authorized_operations =
            if request.include_topic_authorized_operations { TOPIC_OPERATIONS } else { NOT_ASKED };
        let name = topic.name.as_deref().unwrap_or_default();
        if let Some(error) =
            call.errors.iter().find(|error| error.partition.is_none() && error.meets(name, -1))
        {
            topic.error_code = error.error.0;
            topic.partitions.clear();
        }
    }
    MetadataResponse {
        brokers,
        cluster_id: Some(cluster.id.clone()),
        controller_id: cluster.controller().0,
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            NOT_ASKED
        },
        ..Default::default()
    }
}

/// The cluster as it is now, for a broker that is not to hear of changes.
pub(crate) fn freeze(cluster: &Cluster) -> FrozenView {
    let topics = cluster.topics().map(|topic| describe(cluster, topic)).collect();
    FrozenView { brokers: brokers(cluster), topics }
}

fn brokers(cluster: &Cluster) -> Vec<MetadataResponseBroker> {
    let alive = cluster.alive().map(|broker| MetadataResponseBroker {
        node_id: broker.id.0,
        host: broker.host.clone(),
        port: i32::from(broker.port),
        rack: broker.rack.clone(),
    });
    alive.collect()
}

fn topics(
    cluster: &mut Cluster,
    call: &Call,
    request: &MetadataRequest,
    view: Option<&FrozenView>,
) -> Vec<MetadataResponseTopic> {
    let wanted = match &request.topics {
        // Before version 1 an empty list asked for everything.
        Some(topics) if call.version > 0 || !topics.is_empty() => topics,
        _ => {
            return match view {
                Some(view) => view.topics.clone(),
                None => cluster.topics().map(|topic| describe(cluster, topic)).collect(),
            };
        }
    };
    let mut seen = BTreeSet::new();
    let mut answers = Vec::with_capacity(wanted.len());
    for topic in wanted.iter().filter(|topic| seen.insert((topic.name.clone(), topic.topic_id))) {
        let known = match view {
            Some(view) => view.topics.iter().find(|known| is_wanted(topic, known)).cloned(),
            None => find(cluster, topic).map(|topic| describe(cluster, topic)),
        };
        answers.push(known.unwrap_or_else(|| unknown(cluster, request, topic)));
    }
    answers
}

fn is_wanted(wanted: &MetadataRequestTopic, known: &MetadataResponseTopic) -> bool {
    if wanted.name.is_some() { wanted.name == known.name } else { wanted.topic_id == known.topic_id }
}

fn find<'c>(cluster: &'c Cluster, wanted: &MetadataRequestTopic) -> Option<&'c Topic> {
    match &wanted.name {
        Some(name) => cluster.topic(name),
        None => cluster.topic_by_id(wanted.topic_id),
    }
}

fn unknown(
    cluster: &mut Cluster,
    request: &MetadataRequest,
    wanted: &MetadataRequestTopic,
) -> MetadataResponseTopic {
    let refused = |error: ErrorCode| MetadataResponseTopic {
        error_code: error.0,
        name: wanted.name.clone(),
        topic_id: if wanted.name.is_some() { TopicId::ZERO } else { wanted.topic_id },
        ..Default::default()
    };
    let Some(name) = &wanted.name else { return refused(ErrorCode::UNKNOWN_TOPIC_ID) };
    if check_topic_name(name).is_err() {
        return refused(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let creates = request.allow_auto_topic_creation && cluster.config.is_on("auto.create.topics.enable");
    // A broker whose news are old may not know of a topic; the controller does, and creates none over it.
    if creates && cluster.topic(name).is_none() {
        let partitions = cluster.config.count("num.partitions").max(1);
        let replication_factor = cluster.config.count("default.replication.factor").max(1);
        if replication_factor > cluster.alive().count() {
            return refused(ErrorCode::INVALID_REPLICATION_FACTOR);
        }
        let replicas = cluster.place(partitions, replication_factor);
        cluster.create_topic(name, replicas, TopicConfig::default());
    }
    refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn describe(cluster: &Cluster, topic: &Topic) -> MetadataResponseTopic {
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: INTERNAL_TOPICS.contains(&&*topic.name),
        partitions: (0..)
            .zip(&topic.partitions)
            .map(|(index, state)| partition(cluster, index, state))
            .collect(),
        ..Default::default()
    }
}

fn partition(cluster: &Cluster, partition_index: i32, state: &Partition) -> MetadataResponsePartition {
    let ids =
        |nodes: &[courant_protocol::types::NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<i32>>();
    let offline = state.replicas.iter().filter(|node| !cluster.is_alive(**node)).map(|node| node.0);
    MetadataResponsePartition {
        error_code: if state.leader.is_some() { 0 } else { ErrorCode::LEADER_NOT_AVAILABLE.0 },
        partition_index,
        leader_id: state.leader.map_or(-1, |node| node.0),
        leader_epoch: state.epoch.0,
        replica_nodes: ids(&state.replicas),
        isr_nodes: ids(&state.isr),
        offline_replicas: offline.collect(),
    }
}
