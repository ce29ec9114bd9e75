//! What is announced is what Kafka 4.3.1 announces, and every announced version is answered in its own form.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_broker_mock::MockCluster;
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::frame::decode_response_header;
use courant_protocol::messages::*;
use courant_protocol::types::TopicId;
use courant_protocol::wire::{Reader, Writer};
use support::{Client, announced_by_kafka, batch, produce, virtual_world};

fn cluster() -> MockCluster {
    MockCluster::builder().topic("orders", 2).world(virtual_world()).build().unwrap()
}

async fn announced(client: &mut Client) -> Vec<(ApiKey, i16, i16)> {
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let response = client.call(&request, 4).await;
    assert_eq!(response.error_code, 0);
    let range = |api: &api_versions::ApiVersion| {
        (ApiKey::try_from(api.api_key).unwrap(), api.min_version, api.max_version)
    };
    response.api_keys.iter().map(range).collect()
}

#[tokio::test(start_paused = true)]
async fn the_announced_ranges_are_kafkas() {
    let cluster = cluster();
    let ours = announced(&mut Client::connect(&cluster, 1).await).await;
    let kafkas = announced_by_kafka();
    assert_eq!(ours.len(), 32);
    for range in &ours {
        assert!(kafkas.contains(range), "{range:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn features_are_those_of_a_fresh_cluster_and_hidden_from_version_3_where_they_begin_at_0() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = ApiVersionsRequest::default();
    (request.client_software_name, request.client_software_version) = ("a".into(), "1".into());
    let newest = client.call(&request, 4).await;
    let text = include_str!("golden/4.3.1.txt");
    let lines = |kind: &str| text.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!(newest.supported_features.len(), lines("supported"));
    assert_eq!(newest.finalized_features.len(), lines("finalized"));
    for feature in &newest.finalized_features {
        let words = [&*feature.name, &feature.max_version_level.to_string()];
        let found = text.lines().filter(|line| line.starts_with("finalized"));
        assert!(
            found.into_iter().any(|line| words.iter().all(|word| line.contains(word))),
            "{}",
            feature.name
        );
    }
    let older = client.call(&request, 3).await;
    let names: Vec<&str> = older.supported_features.iter().map(|feature| &*feature.name).collect();
    assert_eq!(names, ["metadata.version"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    // Version 9 does not exist; what follows the header is not even looked at.
    client.send_frame(&[0, 18, 0, 9, 0, 0, 0, 7, 0, 1, b'x', 0, 0xff, 0xff]).await;
    let frame = client.receive_frame().await.unwrap();
    let mut reader = Reader::new(frame.slice(4..));
    let AnyResponse::ApiVersions(answer) = AnyResponse::decode(ApiKey::ApiVersions, 0, &mut reader).unwrap()
    else {
        panic!("another response")
    };
    assert_eq!((answer.error_code, answer.api_keys.len()), (35, 1));
    // The connection goes on.
    assert_eq!(announced(&mut client).await.len(), 32);
}

/// A request of each API that has something to ask for.
fn question(api: ApiKey, version: i16, id: TopicId) -> AnyRequest {
    let topic = || "orders".into();
    match api {
        ApiKey::Produce => {
            let mut request = produce("orders", 0, batch(&["v"], None, Codec::None));
            if version >= 13 {
                (request.topic_data[0].name, request.topic_data[0].topic_id) = ("".into(), id);
            }
            request.into()
        }
        ApiKey::Fetch => {
            let mut wanted = fetch::FetchTopic { topic: topic(), ..Default::default() };
            if version >= 13 {
                (wanted.topic, wanted.topic_id) = ("".into(), id);
            }
            for partition in [0, 1, 7] {
                let partition_max_bytes = 1000;
                wanted.partitions.push(fetch::FetchPartition {
                    partition,
                    partition_max_bytes,
                    ..Default::default()
                });
            }
            FetchRequest { max_bytes: 1000, min_bytes: 1, topics: vec![wanted], ..Default::default() }.into()
        }
        ApiKey::ListOffsets => {
            let asked = |(partition_index, timestamp)| list_offsets::ListOffsetsPartition {
                partition_index,
                timestamp,
                ..Default::default()
            };
            let partitions = [(0, -1), (0, -2), (0, -3), (0, 5), (9, -1)].map(asked).to_vec();
            let topics =
                vec![list_offsets::ListOffsetsTopic { name: topic(), partitions, ..Default::default() }];
            ListOffsetsRequest { topics, ..Default::default() }.into()
        }
        ApiKey::ApiVersions => {
            let (client_software_name, client_software_version) = ("a".into(), "1".into());
            let request =
                ApiVersionsRequest { client_software_name, client_software_version, ..Default::default() };
            if version >= 3 { request } else { ApiVersionsRequest::default() }.into()
        }
        other => group_question(other, version, id),
    }
}

/// The same for groups and their offsets.
fn group_question(api: ApiKey, version: i16, id: TopicId) -> AnyRequest {
    let topic = || "orders".into();
    match api {
        ApiKey::FindCoordinator if version >= 4 => {
            FindCoordinatorRequest { coordinator_keys: vec!["g".into(), "h".into()], ..Default::default() }
                .into()
        }
        ApiKey::OffsetFetch if version >= 8 => {
            let group = offset_fetch::OffsetFetchRequestGroup {
                group_id: "g".into(),
                topics: None,
                ..Default::default()
            };
            OffsetFetchRequest { groups: vec![group], ..Default::default() }.into()
        }
        ApiKey::OffsetFetch => OffsetFetchRequest {
            group_id: "g".into(),
            topics: Some(vec![offset_fetch::OffsetFetchRequestTopic {
                name: topic(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        }
        .into(),
        ApiKey::OffsetCommit => {
            let mut wanted = offset_commit::OffsetCommitRequestTopic { name: topic(), ..Default::default() };
            if version >= 10 {
                (wanted.name, wanted.topic_id) = ("".into(), id);
            }
            wanted.partitions.push(offset_commit::OffsetCommitRequestPartition::default());
            OffsetCommitRequest {
                group_id: "g".into(),
                generation_id_or_member_epoch: -1,
                topics: vec![wanted],
                ..Default::default()
            }
            .into()
        }
        other => member_question(other, version),
    }
}

/// The same for members of groups, and those who look after groups.
fn member_question(api: ApiKey, version: i16) -> AnyRequest {
    match api {
        ApiKey::JoinGroup => JoinGroupRequest {
            group_id: format!("joined-{version}").into(),
            session_timeout_ms: 6000,
            rebalance_timeout_ms: if version >= 1 { 10_000 } else { -1 },
            protocol_type: "consumer".into(),
            protocols: vec![join_group::JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: vec![0; 6].into(),
            }],
            ..Default::default()
        }
        .into(),
        ApiKey::SyncGroup => {
            let mut request = SyncGroupRequest { group_id: "joined-0".into(), ..Default::default() };
            if version >= 5 {
                (request.protocol_type, request.protocol_name) = (Some("consumer".into()), Some("r".into()));
            }
            request.into()
        }
        ApiKey::Heartbeat => HeartbeatRequest { group_id: "joined-0".into(), ..Default::default() }.into(),
        ApiKey::LeaveGroup => {
            let mut request = LeaveGroupRequest { group_id: "joined-0".into(), ..Default::default() };
            if version >= 3 {
                request.members = vec![leave_group::MemberIdentity::default(); 2];
            }
            request.into()
        }
        ApiKey::DescribeGroups => DescribeGroupsRequest {
            groups: ["joined-0", "joined-3", "none"].map(Into::into).to_vec(),
            include_authorized_operations: version >= 3,
        }
        .into(),
        ApiKey::ListGroups => ListGroupsRequest::default().into(),
        ApiKey::DeleteGroups => {
            DeleteGroupsRequest { groups_names: ["joined-0", "none"].map(Into::into).to_vec() }.into()
        }
        ApiKey::OffsetDelete => {
            let partitions = vec![offset_delete::OffsetDeleteRequestPartition { partition_index: 0 }];
            let topics = vec![offset_delete::OffsetDeleteRequestTopic { name: "orders".into(), partitions }];
            OffsetDeleteRequest { group_id: "joined-0".into(), topics }.into()
        }
        other => administrative_question(other, version),
    }
}

/// The same for what administrators and connecting clients ask.
fn administrative_question(api: ApiKey, version: i16) -> AnyRequest {
    match api {
        ApiKey::CreateTopics => {
            let named = |name: &str| create_topics::CreatableTopic {
                name: name.into(),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            };
            let topics = vec![named(&format!("new-{version}")), named("orders")];
            CreateTopicsRequest { topics, ..Default::default() }.into()
        }
        ApiKey::DescribeLogDirs => DescribeLogDirsRequest::default().into(),
        ApiKey::DescribeProducers => {
            let topic =
                describe_producers::TopicRequest { name: "orders".into(), partition_indexes: vec![0, 9] };
            DescribeProducersRequest { topics: vec![topic] }.into()
        }
        ApiKey::ListConfigResources => ListConfigResourcesRequest::default().into(),
        ApiKey::Metadata => MetadataRequest::default().into(),
        ApiKey::FindCoordinator => FindCoordinatorRequest { key: "g".into(), ..Default::default() }.into(),
        ApiKey::SaslHandshake => {
            SaslHandshakeRequest { mechanism: "PLAIN".into(), ..Default::default() }.into()
        }
        ApiKey::SaslAuthenticate => SaslAuthenticateRequest::default().into(),
        ApiKey::DeleteTopics => DeleteTopicsRequest::default().into(),
        ApiKey::DeleteRecords => DeleteRecordsRequest::default().into(),
        ApiKey::InitProducerId => {
            InitProducerIdRequest { transactional_id: None, ..Default::default() }.into()
        }
        ApiKey::OffsetForLeaderEpoch => OffsetForLeaderEpochRequest::default().into(),
        ApiKey::CreatePartitions => CreatePartitionsRequest::default().into(),
        ApiKey::DescribeCluster => DescribeClusterRequest::default().into(),
        ApiKey::DescribeTopicPartitions => DescribeTopicPartitionsRequest::default().into(),
        other => config_question(other, version),
    }
}

/// The same for configs.
fn config_question(api: ApiKey, version: i16) -> AnyRequest {
    match api {
        ApiKey::DescribeConfigs => {
            let resource = |(resource_type, name): (i8, &str)| describe_configs::DescribeConfigsResource {
                resource_type,
                resource_name: name.into(),
                configuration_keys: None,
                ..Default::default()
            };
            let resources = [(2, "orders"), (4, "1"), (2, "none"), (8, "1")].map(resource).to_vec();
            let mut request =
                DescribeConfigsRequest { resources, include_synonyms: true, ..Default::default() };
            request.include_documentation = version >= 3;
            request.into()
        }
        ApiKey::AlterConfigs => {
            let config =
                alter_configs::AlterableConfig { name: "retention.ms".into(), value: Some("1".into()) };
            let resource = |resource_type, name: &str| alter_configs::AlterConfigsResource {
                resource_type,
                resource_name: name.into(),
                configs: vec![config.clone()],
            };
            let resources = vec![resource(2, "orders"), resource(2, "none"), resource(4, "1")];
            AlterConfigsRequest { resources, validate_only: true }.into()
        }
        ApiKey::IncrementalAlterConfigs => {
            let config = incremental_alter_configs::AlterableConfig {
                name: "cleanup.policy".into(),
                config_operation: 2,
                value: Some("compact".into()),
            };
            let resource = |resource_type, name: &str| incremental_alter_configs::AlterConfigsResource {
                resource_type,
                resource_name: name.into(),
                configs: vec![config.clone()],
            };
            let resources = vec![resource(2, "orders"), resource(2, "none"), resource(8, "1")];
            IncrementalAlterConfigsRequest { resources, validate_only: true }.into()
        }
        other => panic!("no question for {other} version {version}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_announced_version_is_answered_in_its_own_form() {
    let cluster = cluster();
    let id = cluster.topic_id("orders").unwrap();
    let mut answered = 0;
    for (api, min, max) in announced(&mut Client::connect(&cluster, 1).await).await {
        for version in min..=max {
            // Produce 0 to 2 are announced for old clients' sake, and refused.
            if api == ApiKey::Produce && version < 3 {
                continue;
            }
            let mut client = Client::connect(&cluster, 1).await;
            let mut writer = Writer::new();
            writer.i16(i16::from(api));
            writer.i16(version);
            writer.i32(version.into());
            writer.string("test", false).unwrap();
            if api.request_header_version(version) >= 2 {
                writer.unsigned_varint(0);
            }
            question(api, version, id).encode(&mut writer, version).unwrap();
            client.send_frame(&writer.finish().into_bytes()).await;
            let frame = client.receive_frame().await.unwrap_or_else(|| panic!("{api} {version}: closed"));
            let mut reader = Reader::new(frame);
            assert_eq!(decode_response_header(&mut reader, api, version).unwrap(), i32::from(version));
            AnyResponse::decode(api, version, &mut reader).unwrap();
            assert_eq!(reader.remaining(), 0, "{api} {version}");
            answered += 1;
        }
    }
    assert!(answered > 100, "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_capped_version_is_neither_announced_nor_served() {
    let cluster = cluster();
    cluster.cap_version(ApiKey::Metadata, 9);
    cluster.cap_version(ApiKey::DescribeCluster, -1);
    let mut client = Client::connect(&cluster, 1).await;
    let ours = announced(&mut client).await;
    assert!(ours.contains(&(ApiKey::Metadata, 0, 9)));
    assert!(!ours.iter().any(|(api, ..)| *api == ApiKey::DescribeCluster));
    client.send(&MetadataRequest::default(), 10).await;
    assert!(client.receive_frame().await.is_none());
}
