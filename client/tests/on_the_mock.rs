//! The client against the in-process cluster: what Kafka's brokers do, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::time::Duration;

use courant_broker_mock::{Fault, MockCluster};
use courant_client::{CoordinatorKind, ErrorKind, Kafka, Target, TrafficClass};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::DescribeClusterRequest;
use courant_protocol::types::{NodeId, PartitionId};

const SECOND: Duration = Duration::from_secs(1);

async fn connect(mock: &MockCluster) -> Kafka {
    Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await.unwrap()
}

fn mock() -> MockCluster {
    MockCluster::builder().brokers(3).topic("orders", 6).seed(1).build().unwrap()
}

fn leader(kafka: &Kafka, partition: i32) -> (NodeId, i32) {
    let snapshot = kafka.cluster().snapshot();
    let partition = snapshot.topic("orders").unwrap().partition(PartitionId(partition)).unwrap().clone();
    (partition.leader.unwrap(), partition.leader_epoch.0)
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_shows_the_cluster_as_it_is() {
    let mock = mock();
    let kafka = connect(&mock).await;
    let _lease = kafka.cluster().want_topics(["orders"]);
    let topic = kafka.cluster().topic("orders", kafka.world().now() + SECOND).await.unwrap();
    assert_eq!((topic.partition_count(), Some(topic.id)), (6, mock.topic_id("orders")));
    assert_eq!(kafka.cluster().snapshot().brokers().len(), 3);
    for partition in 0..6 {
        assert_eq!(Some(leader(&kafka, partition).0), mock.leader("orders", partition));
    }
    let coordinator =
        kafka.cluster().coordinator(CoordinatorKind::Group, "billing", kafka.world().now() + SECOND);
    assert_eq!(Some(coordinator.await.unwrap()), mock.coordinator("billing"));
}

#[tokio::test(start_paused = true)]
async fn a_moved_leader_a_grown_and_a_recreated_topic_are_noticed() {
    let mock = mock();
    let kafka = connect(&mock).await;
    let cluster = kafka.cluster();
    let _lease = cluster.want_topics(["orders"]);
    let first = cluster.topic("orders", kafka.world().now() + SECOND).await.unwrap();
    let (old_leader, old_epoch) = leader(&kafka, 0);
    let next = mock.nodes().into_iter().find(|node| *node != old_leader).unwrap();
    mock.move_leader("orders", 0, next).unwrap();
    mock.add_partitions("orders", 2).unwrap();
    let mut watch = cluster.watch();
    cluster.refresh("test");
    watch.changed().await;
    assert_eq!(leader(&kafka, 0), (next, old_epoch + 1));
    assert_eq!(cluster.snapshot().topic("orders").unwrap().partition_count(), 8);

    mock.delete_topic("orders").unwrap();
    let id = mock.create_topic("orders", 1).unwrap();
    let mut watch = cluster.watch();
    cluster.refresh("test");
    watch.changed().await;
    let second = cluster.snapshot().topic("orders").cloned().unwrap();
    assert_eq!((second.id, second.former_id, second.partition_count()), (id, Some(first.id), 1));
}

#[tokio::test(start_paused = true)]
async fn users_are_let_in_with_their_password_only() {
    let mock = MockCluster::builder().brokers(1).user("alice", "secret").seed(1).build().unwrap();
    let builder = || Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world());
    builder().sasl_plain("alice", "secret").connect().await.unwrap();
    let error = builder().sasl_plain("alice", "wrong").connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    let error = builder().connect_timeout(SECOND).connect().await.unwrap_err();
    assert!(error.to_string().contains("answered"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_crashes_and_returns_is_connected_to_again() {
    let mock = mock();
    let kafka = connect(&mock).await;
    let (cluster, world) = (kafka.cluster(), kafka.world());
    let call = async |node| {
        let deadline = world.now() + SECOND * 3;
        cluster.call(Target::Node(node), DescribeClusterRequest::default(), deadline).await
    };
    call(NodeId(2)).await.unwrap();
    mock.crash(NodeId(2)).unwrap();
    assert!(call(NodeId(2)).await.unwrap_err().is_retriable());
    call(NodeId(3)).await.unwrap();
    mock.restart(NodeId(2)).unwrap();
    cluster.refresh("test");
    tokio::time::sleep(SECOND * 2).await;
    call(NodeId(2)).await.unwrap();
    cluster.link(NodeId(2), TrafficClass::Produce, world.now() + SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_older_broker_is_spoken_to_in_its_versions() {
    let mock = mock();
    mock.cap_version(ApiKey::Metadata, 4);
    mock.cap_version(ApiKey::FindCoordinator, 1);
    mock.cap_version(ApiKey::ApiVersions, 2);
    let kafka = connect(&mock).await;
    let deadline = kafka.world().now() + SECOND;
    let topic = kafka.cluster().topic("orders", deadline).await.unwrap();
    assert!(topic.id.is_zero() && topic.partition_count() == 6);
    kafka.cluster().coordinator(CoordinatorKind::Group, "billing", deadline).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_with_errors_and_cut_connections_are_survived() {
    let mock = mock();
    mock.inject(Fault::on(ApiKey::Metadata).times(2).cut_after());
    mock.inject(Fault::on(ApiKey::FindCoordinator).times(2).error(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    let kafka = connect(&mock).await;
    let deadline = kafka.world().now() + SECOND * 10;
    kafka.cluster().topic("orders", deadline).await.unwrap();
    kafka.cluster().coordinator(CoordinatorKind::Group, "billing", deadline).await.unwrap();
    assert_eq!(mock.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_request_can_carry_is_refused_alone() {
    let mock = mock();
    let kafka = connect(&mock).await;
    let deadline = kafka.world().now() + SECOND;
    let endless = "x".repeat(40_000);
    let error = kafka.cluster().topic(&endless, deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broker(ErrorCode::INVALID_TOPIC_EXCEPTION));
    assert_eq!(kafka.world().now(), deadline - SECOND, "nobody has to be asked");
    let lease = kafka.cluster().want_topics([&*endless]);
    assert_eq!(kafka.cluster().topic("orders", deadline).await.unwrap().partitions.len(), 6);
    drop(lease);
}
