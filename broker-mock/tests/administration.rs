//! Topics, configs, offsets and users.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use courant_protocol::types::{NodeId, Offset};
use support::{Client, batch, batch_at, produce, virtual_world};

fn cluster() -> MockCluster {
    MockCluster::builder().brokers(3).topic("orders", 2).world(virtual_world()).build().unwrap()
}

fn new_topic(name: &str, partitions: i32, factor: i16, configs: &[(&str, &str)]) -> CreateTopicsRequest {
    let config = |(name, value): &(&str, &str)| create_topics::CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
        ..Default::default()
    };
    CreateTopicsRequest {
        topics: vec![create_topics::CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: factor,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_cannot_be_is_refused_with_its_own_error() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    for (name, partitions, factor, configs, error) in [
        ("good", 3, 3, &[("retention.ms", "-1")][..], ErrorCode::NONE),
        ("default", -1, -1, &[], ErrorCode::NONE),
        ("good", 1, 1, &[], ErrorCode::TOPIC_ALREADY_EXISTS),
        ("a b", 1, 1, &[], ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("zero", 0, 1, &[], ErrorCode::INVALID_PARTITIONS),
        ("many", 1, 4, &[], ErrorCode::INVALID_REPLICATION_FACTOR),
        ("none", 1, 0, &[], ErrorCode::INVALID_REPLICATION_FACTOR),
        ("odd", 1, 1, &[("retention", "1")], ErrorCode::INVALID_CONFIG),
        ("odd", 1, 1, &[("cleanup.policy", "shred")], ErrorCode::INVALID_CONFIG),
    ] {
        let response = client.call(&new_topic(name, partitions, factor, configs), 7).await;
        assert_eq!(response.topics[0].error_code, error.0, "{name}: {:?}", response.topics[0].error_message);
    }
    assert_eq!(cluster.topics(), ["default", "good", "orders"]);
    assert_eq!(cluster.topic_config("good", "retention.ms").as_deref(), Some("-1"));
    let leaders: std::collections::BTreeSet<NodeId> =
        (0..3).filter_map(|p| cluster.leader("good", p)).collect();
    assert_eq!(leaders.len(), 3, "partitions are spread over the brokers");
}

#[tokio::test(start_paused = true)]
async fn validating_leaves_nothing_behind() {
    let cluster = cluster();
    let mut request = new_topic("dry", 1, 1, &[]);
    request.validate_only = true;
    let response = Client::connect(&cluster, 1).await.call(&request, 7).await;
    assert_eq!((response.topics[0].error_code, response.topics[0].num_partitions), (0, 1));
    assert_eq!(cluster.topic_id("dry"), None);
}

#[tokio::test(start_paused = true)]
async fn a_topic_created_again_is_another_topic() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    client.call(&produce("orders", 0, batch(&["v"], None, Codec::None)), 9).await;
    let old = cluster.topic_id("orders").unwrap();
    let by_id = delete_topics::DeleteTopicState { name: None, topic_id: old, ..Default::default() };
    let request = DeleteTopicsRequest { topics: vec![by_id], ..Default::default() };
    assert_eq!(client.call(&request, 6).await.responses[0].error_code, 0);
    assert_eq!(client.call(&request, 6).await.responses[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID.0);
    client.call(&new_topic("orders", 1, 1, &[]), 7).await;
    assert_ne!(cluster.topic_id("orders"), Some(old));
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(0)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_grows_and_never_shrinks() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    for (count, error) in [(4, 0), (4, ErrorCode::INVALID_PARTITIONS.0), (3, ErrorCode::INVALID_PARTITIONS.0)]
    {
        let topic = create_partitions::CreatePartitionsTopic {
            name: "orders".into(),
            count,
            assignments: None,
            ..Default::default()
        };
        let response =
            client.call(&CreatePartitionsRequest { topics: vec![topic], ..Default::default() }, 3).await;
        assert_eq!(response.results[0].error_code, error, "{count}");
    }
    assert_eq!(cluster.partition_count("orders"), Some(4));
}

#[tokio::test(start_paused = true)]
async fn asking_for_an_unknown_topic_creates_it_where_both_sides_allow() {
    let cluster =
        MockCluster::builder().config("num.partitions", "4").world(virtual_world()).build().unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = MetadataRequest { allow_auto_topic_creation: false, ..Default::default() };
    let named = metadata::MetadataRequestTopic { name: Some("fresh".into()), ..Default::default() };
    request.topics = Some(vec![named]);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
    for (allowed, error, partitions) in [(false, unknown, 0), (true, unknown, 0), (true, 0, 4)] {
        request.allow_auto_topic_creation = allowed;
        let response = client.call(&request, 12).await;
        assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (error, partitions));
    }
    let never = MockCluster::builder()
        .config("auto.create.topics.enable", "false")
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&never, 1).await;
    client.call(&request, 12).await;
    assert!(never.topics().is_empty());
}

#[tokio::test(start_paused = true)]
async fn topics_are_described_a_page_at_a_time() {
    let cluster = MockCluster::builder().topic("a", 3).topic("b", 2).world(virtual_world()).build().unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = DescribeTopicPartitionsRequest { response_partition_limit: 2, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let response = client.call(&request, 0).await;
        let row = |t: &describe_topic_partitions::DescribeTopicPartitionsResponseTopic| {
            t.partitions
                .iter()
                .map(|p| format!("{}{}", t.name.as_deref().unwrap(), p.partition_index))
                .collect::<String>()
        };
        pages.push(response.topics.iter().map(row).collect::<String>());
        let Some(next) = response.next_cursor else { break };
        request.cursor = Some(describe_topic_partitions::RequestCursor {
            topic_name: next.topic_name,
            partition_index: next.partition_index,
            ..Default::default()
        });
    }
    assert_eq!(pages, ["a0a1", "a2b0", "b1"]);
}

#[tokio::test(start_paused = true)]
async fn configs_come_with_sources_synonyms_types_and_documentation() {
    let cluster = MockCluster::builder()
        .config("log.retention.hours", "2")
        .topic_with("orders", 1, None, [("max.message.bytes", "5000")])
        .world(virtual_world())
        .build()
        .unwrap();
    let resource = |(resource_type, name): (i8, &str)| describe_configs::DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
        ..Default::default()
    };
    let resources = [(2, "orders"), (4, "1"), (2, "none"), (4, "9")].map(resource).to_vec();
    let request = DescribeConfigsRequest {
        resources,
        include_synonyms: true,
        include_documentation: true,
        ..Default::default()
    };
    let response = Client::connect(&cluster, 1).await.call(&request, 4).await;
    let errors: Vec<i16> = response.results.iter().map(|result| result.error_code).collect();
    assert_eq!(errors, [0, 0, 3, ErrorCode::INVALID_REQUEST.0]);
    let find = |at: usize, name: &str| {
        response.results[at].configs.iter().find(|config| config.name == *name).unwrap()
    };
    let limit = find(0, "max.message.bytes");
    assert_eq!((limit.value.as_deref(), limit.config_source, limit.config_type), (Some("5000"), 1, 3));
    let synonyms: Vec<(&str, i8)> =
        limit.synonyms.iter().map(|synonym| (&*synonym.name, synonym.source)).collect();
    assert_eq!(synonyms, [("max.message.bytes", 1), ("message.max.bytes", 5)]);
    assert!(!limit.documentation.as_ref().unwrap().is_empty());
    assert_eq!(
        (find(0, "retention.ms").value.as_deref(), find(0, "retention.ms").config_source),
        (Some("7200000"), 4)
    );
    assert_eq!((find(1, "node.id").value.as_deref(), find(1, "node.id").read_only), (Some("1"), true));
    assert!(find(1, "advertised.listeners").value.as_deref().unwrap().starts_with("PLAINTEXT://mock-1:9092"));
    assert!(find(1, "ssl.key.password").is_sensitive);
}

#[tokio::test(start_paused = true)]
async fn records_are_deleted_up_to_the_high_watermark() {
    let cluster = cluster();
    let leader = cluster.leader("orders", 0).unwrap();
    let mut client = Client::connect(&cluster, leader.0).await;
    for _ in 0..4 {
        client.call(&produce("orders", 0, batch(&["v"], None, Codec::None)), 9).await;
    }
    let out_of_range = ErrorCode::OFFSET_OUT_OF_RANGE.0;
    for (offset, low, error) in [(2, 2, 0), (1, 2, 0), (5, -1, out_of_range), (-1, 4, 0)] {
        let partition =
            delete_records::DeleteRecordsPartition { partition_index: 0, offset, ..Default::default() };
        let topic = delete_records::DeleteRecordsTopic {
            name: "orders".into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let response =
            client.call(&DeleteRecordsRequest { topics: vec![topic], ..Default::default() }, 2).await;
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.low_watermark, partition.error_code), (low, error), "{offset}");
    }
    assert!(cluster.log("orders", 0).is_empty());
}

fn commit(group: &str, generation: i32, offset: i64, metadata: &str) -> OffsetCommitRequest {
    let partition = offset_commit::OffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some(metadata.into()),
        ..Default::default()
    };
    let topic = |name: &str| offset_commit::OffsetCommitRequestTopic {
        name: name.into(),
        partitions: vec![partition.clone()],
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: generation,
        topics: vec![topic("orders"), topic("none")],
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_asked_for_twice_is_refused_and_no_other() {
    let cluster = MockCluster::builder().topic("orders", 2).world(virtual_world()).build().unwrap();
    let asked = |(partition_index, timestamp)| list_offsets::ListOffsetsPartition {
        partition_index,
        timestamp,
        ..Default::default()
    };
    let partitions = [(0, -1), (1, -1), (0, -2)].map(asked).to_vec();
    let topics = vec![list_offsets::ListOffsetsTopic { name: "orders".into(), partitions }];
    let response = Client::connect(&cluster, 1)
        .await
        .call(&ListOffsetsRequest { topics, ..Default::default() }, 7)
        .await;
    let errors: Vec<i16> = response.topics[0].partitions.iter().map(|found| found.error_code).collect();
    assert_eq!(errors, [ErrorCode::INVALID_REQUEST.0, 0, ErrorCode::INVALID_REQUEST.0]);
}

#[tokio::test(start_paused = true)]
async fn retention_drops_old_records_in_time_and_keeps_what_was_committed() {
    let cluster = MockCluster::builder()
        .topic_with("old", 1, None, [("retention.ms", "60000")])
        .topic_with("kept", 1, None, [("retention.ms", "-1")])
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    for topic in ["old", "kept"] {
        client.call(&produce(topic, 0, batch_at(support::START, &["v"], None, Codec::None)), 9).await;
    }
    let ends = || ["old", "kept"].map(|topic| cluster.log_start(topic, 0).unwrap().0);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(ends(), [0, 0]);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(ends(), [1, 0]);
    assert_eq!(cluster.log_end("old", 0), Some(Offset(1)));
}

#[tokio::test(start_paused = true)]
async fn a_compacted_topic_keeps_the_last_record_of_each_key() {
    let cluster = MockCluster::builder()
        .topic_with("table", 1, None, [("cleanup.policy", "compact")])
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    for value in ["1", "2", "3"] {
        client.call(&produce("table", 0, batch(&[value], None, Codec::None)), 9).await;
    }
    cluster.run_compaction();
    let left: Vec<i64> = cluster.log("table", 0).iter().map(|batch| batch.header.base_offset.0).collect();
    assert_eq!(left, [2]);
    assert_eq!(
        (cluster.log_start("table", 0), cluster.log_end("table", 0)),
        (Some(Offset(0)), Some(Offset(3)))
    );
}

async fn client_of(cluster: &MockCluster, group: &str) -> Client {
    Client::connect(cluster, cluster.coordinator(group).unwrap().0).await
}

#[tokio::test(start_paused = true)]
async fn offsets_are_committed_without_a_group_at_its_coordinator() {
    let cluster = cluster();
    let node = cluster.coordinator("g").unwrap();
    let mut client = Client::connect(&cluster, node.0).await;
    let errors = |response: OffsetCommitResponse| {
        response.topics.iter().map(|topic| topic.partitions[0].error_code).collect::<Vec<_>>()
    };
    assert_eq!(errors(client.call(&commit("g", -1, 42, "note"), 8).await), [0, 3]);
    let generation = ErrorCode::ILLEGAL_GENERATION.0;
    assert_eq!(
        errors(client_of(&cluster, "h").await.call(&commit("h", 1, 43, ""), 8).await),
        [generation, 3]
    );
    let unknown = ErrorCode::GROUP_ID_NOT_FOUND.0;
    assert_eq!(errors(client_of(&cluster, "h").await.call(&commit("h", 1, 43, ""), 9).await), [unknown, 3]);
    let stranger = ErrorCode::UNKNOWN_MEMBER_ID.0;
    assert_eq!(errors(client.call(&commit("g", 1, 43, ""), 8).await), [stranger, 3]);
    let large = ErrorCode::OFFSET_METADATA_TOO_LARGE.0;
    assert_eq!(errors(client.call(&commit("g", -1, 43, &"x".repeat(4097)), 8).await), [large, 3]);
    assert_eq!(cluster.committed("g", "orders", 0), Some(Offset(42)));
    let elsewhere = cluster.nodes().into_iter().find(|other| *other != node).unwrap();
    let mut wrong = Client::connect(&cluster, elsewhere.0).await;
    assert_eq!(errors(wrong.call(&commit("g", -1, 44, ""), 8).await), [ErrorCode::NOT_COORDINATOR.0, 3]);
    let everything =
        offset_fetch::OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
    let response =
        client.call(&OffsetFetchRequest { groups: vec![everything], ..Default::default() }, 9).await;
    let partition = &response.groups[0].topics[0].partitions[0];
    assert_eq!((partition.committed_offset, partition.metadata.as_deref()), (42, Some("note")));
}

#[tokio::test(start_paused = true)]
async fn with_users_nobody_is_served_before_it_has_proved_itself() {
    let cluster = MockCluster::builder().user("alice", "secret").world(virtual_world()).build().unwrap();
    let mut stranger = Client::connect(&cluster, 1).await;
    stranger.send(&MetadataRequest::default(), 9).await;
    assert!(stranger.receive_frame().await.is_none());
    for (token, accepted) in [
        ("\0alice\0secret", true),
        ("alice\0alice\0secret", true),
        ("\0alice\0wrong", false),
        ("\0bob\0secret", false),
        ("", false),
    ] {
        let mut client = Client::connect(&cluster, 1).await;
        let handshake = SaslHandshakeRequest { mechanism: "PLAIN".into(), ..Default::default() };
        assert_eq!(client.call(&handshake, 1).await.error_code, 0);
        let token =
            SaslAuthenticateRequest { auth_bytes: token.as_bytes().to_vec().into(), ..Default::default() };
        let answer = client.call(&token, 2).await;
        assert_eq!(answer.error_code == 0, accepted);
        if accepted {
            assert_eq!(client.call(&MetadataRequest::default(), 9).await.brokers.len(), 1);
        } else {
            assert_eq!(answer.error_code, ErrorCode::SASL_AUTHENTICATION_FAILED.0);
            assert!(client.receive_frame().await.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_handshake_is_followed_by_a_bare_token() {
    let cluster = MockCluster::builder().user("alice", "secret").world(virtual_world()).build().unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    let handshake = SaslHandshakeRequest { mechanism: "PLAIN".into(), ..Default::default() };
    client.call(&handshake, 0).await;
    client.send_frame(b"\0alice\0secret").await;
    assert_eq!(client.receive_frame().await.unwrap().len(), 0);
    assert_eq!(client.call(&MetadataRequest::default(), 9).await.brokers.len(), 1);
    let unknown = SaslHandshakeRequest { mechanism: "GSSAPI".into(), ..Default::default() };
    let answer = Client::connect(&cluster, 1).await.call(&unknown, 1).await;
    assert_eq!((answer.error_code, answer.mechanisms.len()), (ErrorCode::UNSUPPORTED_SASL_MECHANISM.0, 1));
}

#[tokio::test(start_paused = true)]
async fn producer_ids_are_never_given_twice() {
    let cluster = cluster();
    let mut ids = std::collections::BTreeSet::new();
    for node in [1, 2, 3, 1] {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let response = Client::connect(&cluster, node).await.call(&request, 4).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(ids.insert(response.producer_id));
    }
}
