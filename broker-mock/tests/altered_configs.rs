//! Configs that are changed while the brokers run, and that they act on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_broker_mock::MockCluster;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use support::{Client, batch, produce, produced, virtual_world};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn cluster() -> MockCluster {
    MockCluster::builder().brokers(2).topic("orders", 1).world(virtual_world()).build().unwrap()
}

type Op<'a> = (i8, &'a str, Option<&'a str>);

fn incremental(kind: i8, name: &str, ops: &[Op<'_>]) -> IncrementalAlterConfigsRequest {
    let configs =
        ops.iter().map(|(config_operation, name, value)| incremental_alter_configs::AlterableConfig {
            name: (*name).into(),
            config_operation: *config_operation,
            value: value.map(Into::into),
        });
    IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configs: configs.collect(),
        }],
        validate_only: false,
    }
}

async fn altered(client: &mut Client, kind: i8, name: &str, ops: &[Op<'_>]) -> (i16, String) {
    let response = client.call(&incremental(kind, name, ops), 1).await;
    let outcome = &response.responses[0];
    (outcome.error_code, outcome.error_message.as_deref().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn configs_of_a_topic_are_set_deleted_appended_to_and_subtracted_from() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let policy = || cluster.topic_config("orders", "cleanup.policy").unwrap();
    let ops = [(0, "retention.ms", Some("1000")), (2, "cleanup.policy", Some("compact"))];
    assert_eq!(altered(&mut client, TOPIC, "orders", &ops).await.0, 0);
    assert_eq!(cluster.topic_config("orders", "retention.ms").unwrap(), "1000");
    assert_eq!(policy(), "delete,compact");
    let ops = [(1, "retention.ms", None), (3, "cleanup.policy", Some("delete"))];
    assert_eq!(altered(&mut client, TOPIC, "orders", &ops).await.0, 0);
    assert_eq!(cluster.topic_config("orders", "retention.ms").unwrap(), "604800000");
    assert_eq!(policy(), "compact");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_with_its_reason_and_changes_nothing() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let (config, request) = (ErrorCode::INVALID_CONFIG.0, ErrorCode::INVALID_REQUEST.0);
    for (kind, name, ops, error, said) in [
        (TOPIC, "orders", &[(0, "retention", Some("1"))][..], config, "Unknown topic config name"),
        (TOPIC, "orders", &[(0, "retention.ms", Some("soon"))], config, "retention.ms"),
        (TOPIC, "orders", &[(0, "retention.ms", None)], request, "Null value not supported"),
        (TOPIC, "orders", &[(2, "retention.ms", Some("1"))], config, "type is not LIST"),
        (TOPIC, "orders", &[(9, "retention.ms", Some("1"))], request, "operation"),
        (TOPIC, "orders", &[(0, "retention.ms", Some("1")), (1, "retention.ms", None)], request, "duplicate"),
        (
            TOPIC,
            "orders",
            &[(0, "max.compaction.lag.ms", Some("1")), (0, "min.compaction.lag.ms", Some("2"))],
            config,
            "conflict",
        ),
        (
            TOPIC,
            "none",
            &[(0, "retention.ms", Some("1"))],
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
            "does not exist",
        ),
        (TOPIC, "", &[(0, "retention.ms", Some("1"))], request, "Default topic"),
        (BROKER, "2", &[(0, "log.retention.ms", Some("1"))], request, "expected 1"),
        (BROKER, "x", &[(0, "log.retention.ms", Some("1"))], request, "integer"),
        (BROKER, "1", &[(0, "num.partitions", Some("3"))], request, "dynamically"),
        (BROKER, "", &[(0, "message.max.bytes", Some("-3"))], request, "message.max.bytes"),
        (3, "x", &[], request, "Unknown resource type"),
    ] {
        let (code, message) = altered(&mut client, kind, name, ops).await;
        assert_eq!(code, error, "{name} {ops:?}: {message}");
        assert!(message.contains(said), "{name} {ops:?}: {message}");
    }
    assert_eq!(cluster.topic_config("orders", "retention.ms").unwrap(), "604800000");
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_named_twice_is_refused_twice() {
    let cluster = cluster();
    let mut request = incremental(TOPIC, "orders", &[(0, "retention.ms", Some("1"))]);
    request.resources.push(request.resources[0].clone());
    let response = Client::connect(&cluster, 1).await.call(&request, 1).await;
    let errors: Vec<i16> = response.responses.iter().map(|outcome| outcome.error_code).collect();
    assert_eq!(errors, [ErrorCode::INVALID_REQUEST.0; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_limit_acts_on_the_next_batch_and_goes_by_broker_then_cluster_then_default() {
    let cluster = cluster();
    let leader = cluster.leader("orders", 0).unwrap();
    let mut client = Client::connect(&cluster, leader.0).await;
    let own = leader.to_string();
    let large = "x".repeat(3000);
    let sent = async |client: &mut Client| {
        produced(&client.call(&produce("orders", 0, batch(&[&large], None, Codec::None)), 9).await).0
    };
    let too_large = ErrorCode::MESSAGE_TOO_LARGE.0;
    assert_eq!(sent(&mut client).await, 0);
    altered(&mut client, BROKER, "", &[(0, "message.max.bytes", Some("1000"))]).await;
    assert_eq!(sent(&mut client).await, too_large);
    altered(&mut client, BROKER, &own, &[(0, "message.max.bytes", Some("5000"))]).await;
    assert_eq!(sent(&mut client).await, 0);
    altered(&mut client, TOPIC, "orders", &[(0, "max.message.bytes", Some("2000"))]).await;
    assert_eq!(sent(&mut client).await, too_large);
    let described = DescribeConfigsRequest {
        resources: vec![describe_configs::DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: "orders".into(),
            configuration_keys: Some(vec!["max.message.bytes".into()]),
        }],
        include_synonyms: true,
        ..Default::default()
    };
    let response = client.call(&described, 4).await;
    let sources: Vec<i8> = response.results[0].configs[0].synonyms.iter().map(|s| s.source).collect();
    assert_eq!(sources, [1, 2, 3, 5]);
}

#[tokio::test(start_paused = true)]
async fn the_defaults_of_all_brokers_are_described_without_a_name() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    altered(&mut client, BROKER, "", &[(0, "log.retention.ms", Some("7"))]).await;
    let request = DescribeConfigsRequest {
        resources: vec![describe_configs::DescribeConfigsResource {
            resource_type: BROKER,
            resource_name: "".into(),
            configuration_keys: None,
        }],
        ..Default::default()
    };
    let described = client.call(&request, 4).await.results.swap_remove(0).configs;
    let names: Vec<&str> = described.iter().map(|config| &*config.name).collect();
    assert_eq!(names, ["log.retention.ms", "min.insync.replicas"]);
    assert!(described.iter().all(|config| config.config_source == 3));
}

#[tokio::test(start_paused = true)]
async fn the_older_request_replaces_all_configs_at_once() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    altered(&mut client, TOPIC, "orders", &[(0, "retention.ms", Some("1000"))]).await;
    let config =
        alter_configs::AlterableConfig { name: "cleanup.policy".into(), value: Some("compact".into()) };
    let resource = alter_configs::AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: "orders".into(),
        configs: vec![config],
    };
    let mut request = AlterConfigsRequest { resources: vec![resource], validate_only: true };
    for (validate_only, retention) in [(true, "1000"), (false, "604800000")] {
        request.validate_only = validate_only;
        assert_eq!(client.call(&request, 2).await.responses[0].error_code, 0);
        assert_eq!(cluster.topic_config("orders", "retention.ms").unwrap(), retention);
    }
    assert_eq!(cluster.topic_config("orders", "cleanup.policy").unwrap(), "compact");
}
