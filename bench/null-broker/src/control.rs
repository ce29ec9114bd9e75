//! Everything but records: versions, metadata, offsets, ids.

use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, FindCoordinatorRequest, FindCoordinatorResponse,
    InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
    OffsetFetchRequest, OffsetFetchResponse, ProducerId,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::broker::Broker;

/// What the broker announces. librdkafka looks for the group APIs and never calls them here.
const SUPPORTED: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 9),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 7),
    (ApiKey::Metadata, 0, 12),
    (ApiKey::FindCoordinator, 0, 4),
    (ApiKey::OffsetFetch, 1, 7),
    (ApiKey::InitProducerId, 0, 4),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::OffsetCommit, 2, 8),
    (ApiKey::JoinGroup, 2, 7),
    (ApiKey::Heartbeat, 1, 4),
    (ApiKey::LeaveGroup, 1, 4),
    (ApiKey::SyncGroup, 1, 5),
];
const NODE: BrokerId = BrokerId(1);
const UNSUPPORTED_VERSION: i16 = 35;

impl Broker {
    /// Answers a request that moves no records.
    pub(crate) fn control(
        &self,
        api: ApiKey,
        version: i16,
        mut request: Bytes,
        encoding: &mut BytesMut,
    ) -> Result<()> {
        match api {
            ApiKey::ApiVersions => {
                let known = (0..=3).contains(&version);
                // KIP-511: a version that is not known is answered in version 0.
                api_versions(known).encode(encoding, if known { version } else { 0 })?;
            }
            ApiKey::Metadata => {
                let request = MetadataRequest::decode(&mut request, version)?;
                self.metadata(request).encode(encoding, version)?;
            }
            ApiKey::InitProducerId => {
                let id = ProducerId(self.next_producer_id.fetch_add(1, Relaxed));
                let response = InitProducerIdResponse::default().with_producer_id(id).with_producer_epoch(0);
                response.encode(encoding, version)?;
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(&mut request, version)?;
                self.list_offsets(request).encode(encoding, version)?;
            }
            ApiKey::FindCoordinator => {
                let request = FindCoordinatorRequest::decode(&mut request, version)?;
                self.find_coordinator(request, version).encode(encoding, version)?;
            }
            ApiKey::OffsetFetch => {
                let request = OffsetFetchRequest::decode(&mut request, version)?;
                nothing_committed(request).encode(encoding, version)?;
            }
            api => bail!("{api:?} is not served"),
        }
        Ok(())
    }

    /// Every topic that is asked for exists.
    fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
            let name = topic.name.unwrap_or_default();
            let partitions = (0..self.config.partitions).map(|index| {
                MetadataResponsePartition::default()
                    .with_partition_index(index)
                    .with_leader_id(NODE)
                    .with_leader_epoch(0)
                    .with_replica_nodes(vec![NODE])
                    .with_isr_nodes(vec![NODE])
            });
            MetadataResponseTopic::default()
                .with_topic_id(topic_id(&name))
                .with_name(Some(name))
                .with_partitions(partitions.collect())
        });
        let broker = MetadataResponseBroker::default()
            .with_node_id(NODE)
            .with_host(self.host.clone())
            .with_port(self.port);
        MetadataResponse::default()
            .with_topics(topics.collect())
            .with_brokers(vec![broker])
            .with_cluster_id(Some(StrBytes::from_static_str("null-cluster")))
            .with_controller_id(NODE)
    }

    fn list_offsets(&self, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let latest = partition.timestamp == -1;
                let offset = if latest { self.store.end(&topic.name, partition.partition_index) } else { 0 };
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_timestamp(-1)
                    .with_offset(offset)
                    .with_leader_epoch(0)
            });
            let partitions = partitions.collect();
            ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    /// This node coordinates everything.
    fn find_coordinator(&self, request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
        let response = FindCoordinatorResponse::default();
        if version < 4 {
            return response.with_node_id(NODE).with_host(self.host.clone()).with_port(self.port);
        }
        let coordinators = request.coordinator_keys.into_iter().map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(NODE)
                .with_host(self.host.clone())
                .with_port(self.port)
        });
        response.with_coordinators(coordinators.collect())
    }
}

fn api_versions(known: bool) -> ApiVersionsResponse {
    let apis = SUPPORTED.iter().map(|(api, min, max)| {
        ApiVersion::default().with_api_key(*api as i16).with_min_version(*min).with_max_version(*max)
    });
    ApiVersionsResponse::default()
        .with_error_code(if known { 0 } else { UNSUPPORTED_VERSION })
        .with_api_keys(apis.collect())
}

/// No group has committed anything.
fn nothing_committed(request: OffsetFetchRequest) -> OffsetFetchResponse {
    let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            OffsetFetchResponsePartition::default().with_partition_index(*index).with_committed_offset(-1)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

/// An id that depends on the name alone.
fn topic_id(name: &str) -> uuid::Uuid {
    let mut id = [1; 16];
    for (index, byte) in name.bytes().enumerate() {
        id[index % 16] ^= byte;
    }
    uuid::Uuid::from_bytes(id)
}
