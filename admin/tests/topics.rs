//! Topics: created, grown, described, deleted, each with a result of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use courant_admin::{Admin, ConfigResource, ConfigSource, ErrorKind, NewPartitions, NewTopic, TopicRef};
use courant_broker_mock::Fault;
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{NodeId, TopicId};
use world::{admin, asked, cluster, connect, ms, run};

#[test]
fn each_topic_has_its_own_result_in_the_order_asked() {
    run(async {
        let cluster = cluster(|builder| builder.config("num.partitions", "4"));
        let admin = admin(&cluster).await;
        let topics = [
            NewTopic::new("clicks").partitions(2).replication_factor(3).config("retention.ms", -1),
            NewTopic::new("orders"),
            NewTopic::new("a bad name"),
            NewTopic::new("defaults"),
            NewTopic::new("wide").replication_factor(9),
            NewTopic::new("odd").config("retention.mss", 1),
            NewTopic::new("placed").assignments([vec![3, 1], vec![1, 2]]),
        ];
        let results = admin.create_topics(topics).await;
        let kinds: Vec<_> = results
            .iter()
            .map(|(name, result)| (&**name, result.as_ref().map_err(|e| e.kind()).err()))
            .collect();
        assert_eq!(
            kinds,
            [
                ("clicks", None),
                ("orders", Some(ErrorKind::TopicExists)),
                ("a bad name", Some(ErrorKind::InvalidTopicName)),
                ("defaults", None),
                ("wide", Some(ErrorKind::InvalidReplication)),
                ("odd", Some(ErrorKind::InvalidConfig)),
                ("placed", None),
            ]
        );
        let clicks = results.get("clicks").unwrap().as_ref().unwrap();
        assert_eq!((clicks.partitions, clicks.replication_factor), (2, 3));
        assert_eq!(Some(clicks.id), cluster.topic_id("clicks"));
        let retention = clicks.configs.iter().find(|config| config.name == "retention.ms").unwrap();
        assert_eq!((retention.value.as_deref(), retention.source), (Some("-1"), ConfigSource::Topic));
        assert_eq!(results.get("defaults").unwrap().as_ref().unwrap().partitions, 4);
        assert_eq!(cluster.leader("placed", 0), Some(NodeId(3)));
        assert_eq!(asked(&cluster, ApiKey::CreateTopics).len(), 1, "one request for all of them");
        assert_eq!(results.all().unwrap_err().kind(), ErrorKind::TopicExists);
    });
}

#[test]
fn a_refusal_says_what_to_whom_and_what_the_broker_said() {
    run(async {
        let cluster = cluster(|builder| builder);
        let error = admin(&cluster).await.create_topics([NewTopic::new("orders")]).await.all().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot create the topic: the broker answered TOPIC_ALREADY_EXISTS (36) (topic orders): \
             Topic 'orders' already exists; use it as it is, or delete it first"
        );
        assert_eq!(error.topic().map(|topic| &**topic), Some("orders"));
        assert!(!error.is_retriable() && !error.is_fatal() && !error.possibly_written());
    });
}

#[test]
fn validating_creates_nothing() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let validated = admin.validate_topics([NewTopic::new("new").partitions(5)]).await.all().unwrap();
        assert_eq!(validated[0].1.partitions, 5);
        assert_eq!(cluster.topics(), ["orders"]);
    });
}

#[test]
fn a_controller_that_moved_is_looked_up_again() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        cluster.inject(Fault::on(ApiKey::CreateTopics).times(2).error(ErrorCode::NOT_CONTROLLER));
        admin.create_topics([NewTopic::new("new")]).await.all().unwrap();
        assert_eq!(asked(&cluster, ApiKey::CreateTopics).len(), 3);
        let metadata = asked(&cluster, ApiKey::Metadata).len();
        assert!(metadata >= 2, "the controller was looked up again, in {metadata} requests");
    });
}

#[test]
fn only_the_topics_that_were_throttled_are_asked_for_again_when_the_throttle_is_over() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let quota = ErrorCode::THROTTLING_QUOTA_EXCEEDED;
        cluster.inject(Fault::on(ApiKey::CreateTopics).topic("b").times(1).error(quota).throttle(5_000));
        let started = tokio::time::Instant::now();
        admin.create_topics([NewTopic::new("a"), NewTopic::new("b")]).await.all().unwrap();
        assert!(started.elapsed() >= ms(5_000), "{:?}", started.elapsed());
        let log = cluster.request_log();
        let names: Vec<usize> = log
            .iter()
            .filter_map(|request| match &*request.request {
                courant_protocol::messages::AnyRequest::CreateTopics(request) => Some(request.topics.len()),
                _ => None,
            })
            .collect();
        assert_eq!(names, [2, 1]);
    });
}

#[test]
fn a_throttle_beyond_the_deadline_is_not_waited_for() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await.with_timeout(ms(2_000));
        let quota = ErrorCode::THROTTLING_QUOTA_EXCEEDED;
        cluster.inject(Fault::on(ApiKey::CreateTopics).always().error(quota).throttle(60_000));
        let started = tokio::time::Instant::now();
        let error = admin.create_topics([NewTopic::new("a")]).await.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.is_retriable());
        assert!(started.elapsed() <= ms(2_000), "{:?}", started.elapsed());
    });
}

#[test]
fn a_topic_created_by_an_attempt_that_was_cut_off_may_be_ones_own() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        cluster.inject(Fault::on(ApiKey::CreateTopics).times(1).cut_after());
        let error = admin.create_topics([NewTopic::new("new")]).await.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TopicExists);
        assert!(error.possibly_written());
        assert_eq!(cluster.topics(), ["new", "orders"]);
    });
}

#[test]
fn a_broker_that_never_answers_fails_every_item_at_the_deadline() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = Admin::builder(&connect(&cluster).await).timeout(ms(3_000)).build().unwrap();
        cluster.inject(Fault::on(ApiKey::CreateTopics).always().silence());
        let started = tokio::time::Instant::now();
        let results = admin.create_topics([NewTopic::new("a"), NewTopic::new("b")]).await;
        assert!(started.elapsed() <= ms(3_100), "{:?}", started.elapsed());
        assert_eq!(results.len(), 2);
        for (name, result) in &results {
            let error = result.as_ref().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::Timeout), "{error}");
            assert!(error.possibly_written() && error.topic() == Some(name), "{error}");
        }
    });
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    run(async {
        let cluster = cluster(|builder| builder.topic("clicks", 1).topic("kept", 1));
        let admin = admin(&cluster).await;
        let clicks = cluster.topic_id("clicks").unwrap();
        let unknown = TopicId([9; 16]);
        let wanted = [TopicRef::from("orders"), clicks.into(), "missing".into(), unknown.into()];
        let results = admin.delete_topics(wanted).await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [None, None, Some(ErrorKind::UnknownTopic), Some(ErrorKind::UnknownTopic)]);
        assert_eq!(cluster.topics(), ["kept"]);
    });
}

#[test]
fn a_list_has_all_topics_by_name() {
    run(async {
        let cluster = cluster(|builder| builder.topic("clicks", 1));
        let topics = admin(&cluster).await.list_topics().await.unwrap();
        let names: Vec<_> = topics.iter().map(|topic| &*topic.name).collect();
        assert_eq!(names, ["clicks", "orders"]);
        assert_eq!(Some(topics[1].id), cluster.topic_id("orders"));
    });
}

#[test]
fn large_topics_are_described_page_by_page() {
    run(async {
        let cluster = cluster(|builder| builder.topic("large", 4500).topic("last", 1));
        let admin = admin(&cluster).await;
        let results = admin.describe_topics(["last", "orders", "missing", "large"]).await;
        let counts: Vec<_> = results
            .iter()
            .map(|(_, result)| result.as_ref().map_or(0, |topic| topic.partitions.len()))
            .collect();
        assert_eq!(counts, [1, 3, 0, 4500]);
        assert_eq!(
            results.get(&TopicRef::from("missing")).unwrap().as_ref().unwrap_err().kind(),
            ErrorKind::UnknownTopic
        );
        let large = &results.get(&TopicRef::from("large")).unwrap().as_ref().unwrap().partitions;
        assert!(large.iter().enumerate().all(|(index, partition)| partition.partition.0 == index as i32));
        assert_eq!(asked(&cluster, ApiKey::DescribeTopicPartitions).len(), 3);
    });
}

#[test]
fn partitions_tell_their_leader_and_replicas_also_by_id() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        cluster.move_leader("orders", 1, NodeId(2)).unwrap();
        let id = cluster.topic_id("orders").unwrap();
        for topic in [TopicRef::from("orders"), id.into()] {
            let described = admin.describe_topics([topic]).await.all().unwrap().remove(0).1;
            assert_eq!((&*described.name, described.id), ("orders", id));
            let partition = &described.partitions[1];
            assert_eq!(partition.leader, Some(NodeId(2)));
            assert_eq!(Some(partition.leader_epoch), cluster.leader_epoch("orders", 1));
            assert_eq!(partition.in_sync_replicas, partition.replicas);
        }
    });
}

#[test]
fn a_topic_grows_and_never_shrinks() {
    run(async {
        let cluster = cluster(|builder| builder.topic("clicks", 2));
        let admin = admin(&cluster).await;
        let wanted =
            [NewPartitions::to("orders", 5), NewPartitions::to("clicks", 1), NewPartitions::to("missing", 3)];
        let results = admin.create_partitions(wanted).await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::InvalidPartitions), Some(ErrorKind::UnknownTopic)]);
        assert_eq!(cluster.partition_count("orders"), Some(5));
    });
}

#[test]
fn configs_of_a_broker_come_from_that_broker() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let wanted = [
            ConfigResource::Broker(NodeId(2)),
            ConfigResource::topic("orders"),
            ConfigResource::topic("missing"),
            ConfigResource::Broker(NodeId(3)),
        ];
        let results = admin.describe_configs(wanted).await;
        assert!(
            results
                .get(&ConfigResource::Broker(NodeId(2)))
                .unwrap()
                .as_ref()
                .unwrap()
                .get("num.partitions")
                .is_some()
        );
        let orders = results.get(&ConfigResource::topic("orders")).unwrap().as_ref().unwrap();
        assert_eq!(orders.get("cleanup.policy").unwrap().source, ConfigSource::Default);
        assert_eq!(orders.value("cleanup.policy"), Some("delete"));
        let missing = results.get(&ConfigResource::topic("missing")).unwrap().as_ref().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::UnknownTopic);
        let nodes = asked(&cluster, ApiKey::DescribeConfigs);
        assert_eq!(nodes.len(), 3);
        assert!(nodes.contains(&NodeId(2)) && nodes.contains(&NodeId(3)));
    });
}

#[test]
fn the_cluster_tells_its_brokers() {
    run(async {
        let cluster = cluster(|builder| builder);
        let described = admin(&cluster).await.describe_cluster().await.unwrap();
        assert_eq!(described.brokers.iter().map(|broker| broker.id).collect::<Vec<_>>(), cluster.nodes());
        assert_eq!((described.brokers[0].host.as_str(), described.brokers[0].port), ("mock-1", 9092));
        assert!(described.cluster_id.is_some() && described.controller.is_some());
    });
}

#[test]
fn a_misspelt_property_suggests_the_right_one() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let error = Admin::builder(&kafka).set("retrys", 3).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::Config));
        assert!(error.to_string().contains("retries"), "{error}");
        let refused = Admin::builder(&kafka).set("bootstrap.controllers", "a:1").build().unwrap_err();
        assert!(refused.to_string().contains("bootstrap.controllers"), "{refused}");
    });
}

#[test]
fn validating_growth_lets_nothing_grow_and_says_the_same() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        admin.validate_partitions([NewPartitions::to("orders", 5)]).await.all().unwrap();
        assert_eq!(cluster.partition_count("orders"), Some(3));
        let error = admin.validate_partitions([NewPartitions::to("orders", 2)]).await.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPartitions);
    });
}
