//! Configs: described, altered one by one and all at once, each resource with a result of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use courant_admin::{Admin, ConfigChanges, ConfigQuery, ConfigResource, ConfigSource, ErrorKind, NewConfigs};
use courant_broker_mock::Fault;
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::NodeId;
use world::{admin, asked, cluster, ms, run};

fn orders() -> ConfigResource {
    ConfigResource::topic("orders")
}

async fn value(admin: &Admin, name: &str) -> (Option<String>, ConfigSource) {
    let query = ConfigQuery::of(orders()).keys([name]);
    let described = admin.describe_configs([query]).await.all().unwrap().remove(0).1;
    let [entry] = &described.entries[..] else { panic!("the one that was asked for: {described:?}") };
    (entry.value.clone(), entry.source)
}

#[test]
fn what_is_not_named_stays_as_it_is() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let first = ConfigChanges::of(orders()).set("retention.ms", 5_000).set("segment.ms", 60_000);
        admin.incremental_alter_configs([first]).await.all().unwrap();
        let second = ConfigChanges::of(orders()).delete("segment.ms").append("cleanup.policy", "compact");
        admin.incremental_alter_configs([second]).await.all().unwrap();
        assert_eq!(value(&admin, "retention.ms").await, (Some("5000".into()), ConfigSource::Topic));
        assert_eq!(value(&admin, "segment.ms").await.1, ConfigSource::Default);
        assert_eq!(value(&admin, "cleanup.policy").await.0.as_deref(), Some("delete,compact"));
        let third = ConfigChanges::of(orders()).subtract("cleanup.policy", "delete");
        admin.incremental_alter_configs([third]).await.all().unwrap();
        assert_eq!(value(&admin, "cleanup.policy").await.0.as_deref(), Some("compact"));
    });
}

#[test]
fn replacing_takes_back_what_is_not_named() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let first = NewConfigs::of(orders()).set("retention.ms", 5_000).set("segment.ms", 60_000);
        admin.alter_configs([first]).await.all().unwrap();
        admin.alter_configs([NewConfigs::of(orders()).set("segment.ms", 70_000)]).await.all().unwrap();
        assert_eq!(value(&admin, "segment.ms").await, (Some("70000".into()), ConfigSource::Topic));
        assert_eq!(value(&admin, "retention.ms").await.1, ConfigSource::Default);
    });
}

#[test]
fn each_resource_is_altered_as_a_whole_or_not_at_all() {
    run(async {
        let cluster = cluster(|builder| builder.topic("clicks", 1));
        let admin = admin(&cluster).await;
        let clicks = ConfigResource::topic("clicks");
        let changes = [
            ConfigChanges::of(orders()).set("retention.ms", 5_000).set("retention.mss", 1),
            ConfigChanges::of(clicks.clone()).set("retention.ms", 6_000),
            ConfigChanges::of(ConfigResource::topic("missing")).set("retention.ms", 7_000),
        ];
        let results = admin.incremental_alter_configs(changes).await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [Some(ErrorKind::InvalidConfig), None, Some(ErrorKind::UnknownTopic)]);
        assert_eq!(cluster.topic_config("clicks", "retention.ms").as_deref(), Some("6000"));
        assert_eq!(value(&admin, "retention.ms").await.1, ConfigSource::Default);
        assert_eq!(asked(&cluster, ApiKey::IncrementalAlterConfigs).len(), 1, "one request for all of them");
        assert!(results.get(&clicks).unwrap().is_ok());
    });
}

#[test]
fn validating_alters_nothing_and_says_the_same() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let good = ConfigChanges::of(orders()).set("retention.ms", 5_000);
        admin.validate_config_changes([good]).await.all().unwrap();
        let bad = ConfigChanges::of(orders()).set("retention.ms", "soon");
        let error = admin.validate_config_changes([bad]).await.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(value(&admin, "retention.ms").await.1, ConfigSource::Default);
    });
}

#[test]
fn configs_of_a_broker_go_to_that_broker() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let changes = [
            ConfigChanges::of(ConfigResource::Broker(NodeId(3))).set("log.retention.ms", 9_000),
            ConfigChanges::of(ConfigResource::Broker(NodeId(1))).set("log.retention.ms", 8_000),
        ];
        drop(admin.incremental_alter_configs(changes).await);
        let mut brokers = asked(&cluster, ApiKey::IncrementalAlterConfigs);
        brokers.sort();
        assert_eq!(brokers, [NodeId(1), NodeId(3)]);
    });
}

#[test]
fn a_controller_that_moved_is_asked_again_and_a_cut_is_told() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let moved = ErrorCode::NOT_CONTROLLER;
        cluster.inject(Fault::on(ApiKey::IncrementalAlterConfigs).times(2).error(moved));
        let change = || ConfigChanges::of(orders()).set("retention.ms", 5_000);
        admin.incremental_alter_configs([change()]).await.all().unwrap();
        assert_eq!(asked(&cluster, ApiKey::IncrementalAlterConfigs).len(), 3);
        cluster.inject(Fault::on(ApiKey::IncrementalAlterConfigs).always().cut_after());
        let admin = admin.with_timeout(ms(500));
        let error = admin.incremental_alter_configs([change()]).await.all().unwrap_err();
        assert!(error.possibly_written() && error.is_retriable(), "{error}");
    });
}

#[test]
fn brokers_before_2_3_replace_only_and_the_error_says_so() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.cap_version(ApiKey::IncrementalAlterConfigs, -1);
        let admin = admin(&cluster).await;
        let change = ConfigChanges::of(orders()).set("retention.ms", 5_000);
        let error = admin.incremental_alter_configs([change]).await.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::UnsupportedVersion));
        assert!(error.hint().unwrap().contains("alter_configs"), "{error}");
        admin.alter_configs([NewConfigs::of(orders()).set("retention.ms", 5_000)]).await.all().unwrap();
        assert_eq!(cluster.topic_config("orders", "retention.ms").as_deref(), Some("5000"));
    });
}
