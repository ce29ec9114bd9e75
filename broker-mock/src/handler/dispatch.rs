//! From a request to its handler, and what can be said about requests and responses of any API.
use courant_protocol::api::{ApiKey, VersionRange};
use courant_protocol::messages::{AnyRequest, AnyResponse};
use courant_protocol::types::TopicId;

use super::call::{Call, Reply};
use super::{
    alter_configs, api_versions, create_partitions, create_topics, delete_groups, delete_records,
    delete_topics, describe_cluster, describe_configs, describe_groups, describe_log_dirs,
    describe_producers, describe_topic_partitions, fetch, find_coordinator, heartbeat,
    incremental_alter_configs, init_producer_id, join_group, leave_group, list_config_resources, list_groups,
    list_offsets, metadata, offset_commit, offset_delete, offset_fetch, offset_for_leader_epoch, produce,
    sasl_authenticate, sasl_handshake, sync_group,
};
use crate::cluster::{Authentication, Cluster};

/// The APIs that are served, in the order of their keys, at the versions that Kafka 4.3.1 announces.
// tidy: one table
pub(crate) static SERVED: &[(ApiKey, VersionRange)] = &[
    (ApiKey::Produce, produce::VERSIONS),
    (ApiKey::Fetch, fetch::VERSIONS),
    (ApiKey::ListOffsets, list_offsets::VERSIONS),
    (ApiKey::Metadata, metadata::VERSIONS),
    (ApiKey::OffsetCommit, offset_commit::VERSIONS),
    (ApiKey::OffsetFetch, offset_fetch::VERSIONS),
    (ApiKey::FindCoordinator, find_coordinator::VERSIONS),
    (ApiKey::JoinGroup, join_group::VERSIONS),
    (ApiKey::Heartbeat, heartbeat::VERSIONS),
    (ApiKey::LeaveGroup, leave_group::VERSIONS),
    (ApiKey::SyncGroup, sync_group::VERSIONS),
    (ApiKey::DescribeGroups, describe_groups::VERSIONS),
    (ApiKey::ListGroups, list_groups::VERSIONS),
    (ApiKey::SaslHandshake, sasl_handshake::VERSIONS),
    (ApiKey::ApiVersions, api_versions::VERSIONS),
    (ApiKey::CreateTopics, create_topics::VERSIONS),
    (ApiKey::DeleteTopics, delete_topics::VERSIONS),
    (ApiKey::DeleteRecords, delete_records::VERSIONS),
    (ApiKey::InitProducerId, init_producer_id::VERSIONS),
    (ApiKey::OffsetForLeaderEpoch, offset_for_leader_epoch::VERSIONS),
    (ApiKey::DescribeConfigs, describe_configs::VERSIONS),
    (ApiKey::AlterConfigs, alter_configs::VERSIONS),
    (ApiKey::DescribeLogDirs, describe_log_dirs::VERSIONS),
    (ApiKey::SaslAuthenticate, sasl_authenticate::VERSIONS),
    (ApiKey::CreatePartitions, create_partitions::VERSIONS),
    (ApiKey::DeleteGroups, delete_groups::VERSIONS),
    (ApiKey::IncrementalAlterConfigs, incremental_alter_configs::VERSIONS),
    (ApiKey::OffsetDelete, offset_delete::VERSIONS),
    (ApiKey::DescribeCluster, describe_cluster::VERSIONS),
    (ApiKey::DescribeProducers, describe_producers::VERSIONS),
    (ApiKey::ListConfigResources, list_config_resources::VERSIONS),
    (ApiKey::DescribeTopicPartitions, describe_topic_partitions::VERSIONS),
];

/// The versions of an API that are served.
pub(crate) fn versions(api: ApiKey) -> Option<VersionRange> {
    SERVED.iter().find(|(served, _)| *served == api).map(|(_, versions)| *versions)
}

/// Answers a request.
// tidy: one match
pub(crate) fn handle(
    cluster: &mut Cluster,
    authentication: &mut Authentication,
    call: &Call,
    request: &AnyRequest,
) -> Reply {
    match request {
        AnyRequest::Produce(request) => produce::handle(cluster, call, request),
        AnyRequest::Fetch(request) => fetch::handle(cluster, call, request),
        AnyRequest::ListOffsets(request) => list_offsets::handle(cluster, call, request).into(),
        AnyRequest::Metadata(request) => metadata::handle(cluster, call, request).into(),
        AnyRequest::OffsetCommit(request) => offset_commit::handle(cluster, call, request).into(),
        AnyRequest::OffsetFetch(request) => offset_fetch::handle(cluster, call, request).into(),
        AnyRequest::FindCoordinator(request) => find_coordinator::handle(cluster, call, request).into(),
        AnyRequest::JoinGroup(request) => join_group::handle(cluster, call, request),
        AnyRequest::Heartbeat(request) => heartbeat::handle(cluster, call, request).into(),
        AnyRequest::LeaveGroup(request) => leave_group::handle(cluster, call, request).into(),
        AnyRequest::SyncGroup(request) => sync_group::handle(cluster, call, request),
        AnyRequest::DescribeGroups(request) => describe_groups::handle(cluster, call, request).into(),
        AnyRequest::ListGroups(request) => list_groups::handle(cluster, call, request).into(),
        AnyRequest::DeleteGroups(request) => delete_groups::handle(cluster, call, request).into(),
        AnyRequest::OffsetDelete(request) => offset_delete::handle(cluster, call, request).into(),
        AnyRequest::SaslHandshake(request) => {
            sasl_handshake::handle(cluster, authentication, call, request).into()
        }
        AnyRequest::ApiVersions(request) => api_versions::handle(cluster, call, request).into(),
        AnyRequest::CreateTopics(request) => create_topics::handle(cluster, call, request).into(),
        AnyRequest::DeleteTopics(request) => delete_topics::handle(cluster, call, request).into(),
        AnyRequest::DeleteRecords(request) => delete_records::handle(cluster, call, request).into(),
        AnyRequest::InitProducerId(request) => init_producer_id::handle(cluster, call, request).into(),
        AnyRequest::OffsetForLeaderEpoch(request) => {
            offset_for_leader_epoch::handle(cluster, call, request).into()
        }
        AnyRequest::DescribeConfigs(request) => describe_configs::handle(cluster, call, request).into(),
        AnyRequest::AlterConfigs(request) => alter_configs::handle(cluster, call, request).into(),
        AnyRequest::IncrementalAlterConfigs(request) => {
            incremental_alter_configs::handle(cluster, call, request).into()
        }
        AnyRequest::DescribeLogDirs(request) => describe_log_dirs::handle(cluster, call, request).into(),
        AnyRequest::DescribeProducers(request) => describe_producers::handle(cluster, call, request).into(),
        AnyRequest::ListConfigResources(request) => {
            list_config_resources::handle(cluster, call, request).into()
        }
        AnyRequest::SaslAuthenticate(request) => {
            sasl_authenticate::handle(cluster, authentication, call, request)
        }
        AnyRequest::CreatePartitions(request) => create_partitions::handle(cluster, call, request).into(),
        AnyRequest::DescribeCluster(request) => describe_cluster::handle(cluster, call, request).into(),
        AnyRequest::DescribeTopicPartitions(request) => {
            describe_topic_partitions::handle(cluster, call, request).into()
        }
        _ => Reply::Close,
    }
}

/// Whether a request is about a topic, or about one partition of it; what an incremental fetch leaves out counts too.
pub(crate) fn touches(
    cluster: &Cluster,
    call: &Call,
    request: &AnyRequest,
    topic: &str,
    partition: Option<i32>,
) -> bool {
    let named = |name: &str, id: TopicId| match name {
        "" => cluster.topic_by_id(id).is_some_and(|known| known.name == *topic),
        name => name == topic,
    };
    let wanted = |index: i32| partition.is_none_or(|wanted| wanted == index);
    match request {
        AnyRequest::Produce(request) => request
            .topic_data
            .iter()
            .any(|t| named(&t.name, t.topic_id) && t.partition_data.iter().any(|p| wanted(p.index))),
        AnyRequest::Fetch(request) => fetch::touches(cluster, call, request, topic, partition),
        AnyRequest::ListOffsets(request) => request
            .topics
            .iter()
            .any(|t| t.name == *topic && t.partitions.iter().any(|p| wanted(p.partition_index))),
        AnyRequest::Metadata(request) => request.topics.as_ref().is_none_or(|topics| {
            topics.iter().any(|t| named(t.name.as_deref().unwrap_or_default(), t.topic_id))
        }),
        AnyRequest::OffsetCommit(request) => request
            .topics
            .iter()
            .any(|t| named(&t.name, t.topic_id) && t.partitions.iter().any(|p| wanted(p.partition_index))),
        AnyRequest::OffsetDelete(request) => request
            .topics
            .iter()
            .any(|t| t.name == *topic && t.partitions.iter().any(|p| wanted(p.partition_index))),
        AnyRequest::DescribeProducers(request) => {
            request.topics.iter().any(|t| t.name == *topic && t.partition_indexes.iter().any(|p| wanted(*p)))
        }
        AnyRequest::OffsetForLeaderEpoch(request) => request
            .topics
            .iter()
            .any(|t| t.topic == *topic && t.partitions.iter().any(|p| wanted(p.partition))),
        AnyRequest::CreateTopics(request) => request.topics.iter().any(|t| t.name == *topic),
        AnyRequest::DeleteTopics(request) => {
            request.topic_names.iter().any(|name| *name == *topic)
                || request.topics.iter().any(|t| named(t.name.as_deref().unwrap_or_default(), t.topic_id))
        }
        AnyRequest::DeleteRecords(request) => request
            .topics
            .iter()
            .any(|t| t.name == *topic && t.partitions.iter().any(|p| wanted(p.partition_index))),
        AnyRequest::CreatePartitions(request) => request.topics.iter().any(|t| t.name == *topic),
        AnyRequest::DescribeTopicPartitions(request) => request.topics.iter().any(|t| t.name == *topic),
        _ => false,
    }
}

/// Puts a throttle time into a response that has a place for one.
// tidy: one match
pub(crate) fn set_throttle(response: &mut AnyResponse, milliseconds: i32) {
    match response {
        AnyResponse::Produce(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::Fetch(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::ListOffsets(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::Metadata(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::OffsetCommit(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::OffsetFetch(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::FindCoordinator(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::JoinGroup(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::Heartbeat(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::LeaveGroup(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::SyncGroup(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DescribeGroups(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::ListGroups(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DeleteGroups(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::OffsetDelete(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::ApiVersions(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::CreateTopics(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DeleteTopics(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DeleteRecords(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::InitProducerId(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::OffsetForLeaderEpoch(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DescribeConfigs(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::AlterConfigs(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::IncrementalAlterConfigs(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DescribeLogDirs(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DescribeProducers(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::ListConfigResources(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::CreatePartitions(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DescribeCluster(response) => response.throttle_time_ms = milliseconds,
        AnyResponse::DescribeTopicPartitions(response) => response.throttle_time_ms = milliseconds,
        _ => {}
    }
}
