//! Faults and failures: what a client sees of each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::time::Duration;

use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::metadata::MetadataRequestTopic;
use courant_protocol::messages::produce::PartitionProduceData;
use courant_protocol::messages::{FetchRequest, FindCoordinatorRequest, MetadataRequest, ProduceRequest};
use courant_protocol::types::{NodeId, Offset};
use support::{Client, batch, produce, produced, virtual_world};
use tokio::time::Instant;

fn cluster() -> MockCluster {
    MockCluster::builder()
        .brokers(3)
        .topic("orders", 1)
        .topic("other", 1)
        .world(virtual_world())
        .build()
        .unwrap()
}

fn one() -> ProduceRequest {
    produce("orders", 0, batch(&["v"], None, Codec::None))
}

#[tokio::test(start_paused = true)]
async fn an_error_falls_on_the_nth_call_alone_and_nothing_is_applied() {
    let cluster = cluster();
    cluster.inject(Fault::on(ApiKey::Produce).nth(2).times(2).error(ErrorCode::KAFKA_STORAGE_ERROR));
    let mut client = Client::connect(&cluster, 1).await;
    let mut errors = Vec::new();
    for _ in 0..5 {
        errors.push(produced(&client.call(&one(), 9).await).0);
    }
    assert_eq!(errors, [0, 56, 56, 0, 0]);
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(3)));
    assert_eq!(cluster.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_on_one_partition_leaves_the_others() {
    let cluster = MockCluster::builder().topic("orders", 2).world(virtual_world()).build().unwrap();
    cluster.inject(
        Fault::on(ApiKey::Produce).topic("orders").partition(1).error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    );
    let mut request = one();
    let records = request.topic_data[0].partition_data[0].records.clone();
    request.topic_data[0].partition_data.push(PartitionProduceData {
        index: 1,
        records,
        ..Default::default()
    });
    let response = Client::connect(&cluster, 1).await.call(&request, 9).await;
    let errors: Vec<i16> = response.responses[0].partition_responses.iter().map(|p| p.error_code).collect();
    assert_eq!(errors, [0, ErrorCode::NOT_LEADER_OR_FOLLOWER.0]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_meets_its_topic_its_node_and_its_client_only() {
    let cluster = cluster();
    for fault in [
        Fault::on(ApiKey::Produce).topic("other"),
        Fault::on(ApiKey::Produce).node(2),
        Fault::on(ApiKey::Produce).client_id("somebody else"),
        Fault::on(ApiKey::Produce).matching(|_| false),
    ] {
        cluster.inject(fault.always().error(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    assert_eq!(produced(&Client::connect(&cluster, 1).await.call(&one(), 9).await), (0, 0));
    assert_eq!(cluster.faults_left(), 4);
    cluster.clear_faults();
    assert_eq!(cluster.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cut_comes_before_or_after_the_request_was_applied_or_inside_its_answer() {
    let cluster = cluster();
    for (fault, applied, bytes) in [
        (Fault::on(ApiKey::Produce).cut_before(), 0, None),
        (Fault::on(ApiKey::Produce).cut_after(), 1, None),
        (Fault::on(ApiKey::Produce).cut_inside(6), 2, Some(6)),
    ] {
        cluster.inject(fault);
        let mut client = Client::connect(&cluster, 1).await;
        client.send(&one(), 9).await;
        assert!(client.receive_frame().await.is_none());
        assert_eq!(cluster.log_end("orders", 0), Some(Offset(applied)), "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_applies_at_once_and_a_hold_applies_late() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    cluster.inject(Fault::on(ApiKey::Produce).delay(Duration::from_millis(70)));
    let begun = Instant::now();
    client.send(&one(), 9).await;
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(1)));
    client.receive::<ProduceRequest>(9).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(70));
    cluster.inject(
        Fault::on(ApiKey::Produce).hold(Duration::from_millis(30)).error(ErrorCode::REQUEST_TIMED_OUT),
    );
    cluster.inject(Fault::on(ApiKey::Produce).nth(2).hold(Duration::from_millis(30)));
    client.send(&one(), 9).await;
    assert_eq!(
        produced(&client.receive::<ProduceRequest>(9).await.unwrap()).0,
        7,
        "a held request keeps its error"
    );
    client.send(&one(), 9).await;
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(1)));
    assert_eq!(produced(&client.receive::<ProduceRequest>(9).await.unwrap()), (0, 1));
    assert_eq!(begun.elapsed(), Duration::from_millis(130));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_told_and_holds_back_what_follows() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    cluster.inject(Fault::on(ApiKey::Produce).throttle(400));
    let begun = Instant::now();
    assert_eq!(client.call(&one(), 9).await.throttle_time_ms, 400);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(client.call(&one(), 9).await.throttle_time_ms, 0);
    assert_eq!(begun.elapsed(), Duration::from_millis(400));
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_neither_applies_nor_answers() {
    let cluster = cluster();
    cluster.inject(Fault::on(ApiKey::Produce).silence());
    let mut client = Client::connect(&cluster, 1).await;
    client.send(&one(), 9).await;
    assert!(tokio::time::timeout(Duration::from_secs(600), client.receive_frame()).await.is_err());
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(0)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_twice_and_records_may_be_damaged() {
    let cluster = cluster();
    cluster.inject(Fault::on(ApiKey::Produce).duplicate_response());
    let mut client = Client::connect(&cluster, 1).await;
    client.send(&one(), 9).await;
    let (first, second) = (client.receive_frame().await.unwrap(), client.receive_frame().await.unwrap());
    assert_eq!(first, second);
    cluster.inject(Fault::on(ApiKey::Fetch).topic("orders").corrupt_records());
    let request = FetchRequest {
        max_bytes: 1000,
        session_epoch: -1,
        topics: vec![courant_protocol::messages::fetch::FetchTopic {
            topic: "orders".into(),
            partitions: vec![courant_protocol::messages::fetch::FetchPartition {
                partition_max_bytes: 1000,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = client.call(&request, 12).await;
    let records = response.responses[0].partitions[0].records.clone().unwrap().into_bytes();
    assert_ne!(records, cluster.log("orders", 0)[0].bytes);
    assert_eq!(records.len(), cluster.log("orders", 0)[0].bytes.len());
}

#[tokio::test(start_paused = true)]
async fn a_crashed_broker_cuts_its_connections_and_the_next_in_sync_leads() {
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic_with("safe", 1, Some(3), [] as [(&str, &str); 0])
        .topic("alone", 1)
        .world(virtual_world())
        .build()
        .unwrap();
    let (safe, alone) = (cluster.leader("safe", 0).unwrap(), cluster.leader("alone", 0).unwrap());
    let mut client = Client::connect(&cluster, safe.0).await;
    cluster.crash(safe).unwrap();
    assert!(client.receive_frame().await.is_none());
    assert!(Client::try_connect(&cluster, safe.0).await.is_err());
    assert_ne!(cluster.leader("safe", 0), Some(safe));
    assert_eq!(cluster.leader_epoch("safe", 0).unwrap().0, 1);
    cluster.crash(alone).unwrap();
    assert_eq!(cluster.leader("alone", 0), None);
    let left = cluster.nodes().into_iter().find(|node| *node != safe && *node != alone).unwrap();
    let response = Client::connect(&cluster, left.0)
        .await
        .call(&MetadataRequest { topics: None, ..Default::default() }, 9)
        .await;
    assert_eq!(response.brokers.len(), 1);
    let errors: Vec<(Option<&str>, i16)> =
        response.topics.iter().map(|topic| (topic.name.as_deref(), topic.partitions[0].error_code)).collect();
    assert_eq!(errors, [(Some("alone"), ErrorCode::LEADER_NOT_AVAILABLE.0), (Some("safe"), 0)]);
    cluster.restart(alone).unwrap();
    assert_eq!(cluster.leader("alone", 0), Some(alone));
    assert!(Client::try_connect(&cluster, alone.0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_last_replica_in_sync_stays_so_and_brings_the_others_back() {
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic_with("safe", 1, Some(3), [("min.insync.replicas", "2")])
        .world(virtual_world())
        .build()
        .unwrap();
    let last = cluster.leader("safe", 0).unwrap();
    let others: Vec<NodeId> = cluster.nodes().into_iter().filter(|node| *node != last).collect();
    cluster.crash(others[0]).unwrap();
    cluster.set_in_sync("safe", 0, others[1], false).unwrap();
    let refused = cluster.set_in_sync("safe", 0, last, false).unwrap_err();
    assert_eq!(refused.to_string(), format!("broker {} is the last one in sync for safe-0", last.0));
    cluster.crash(last).unwrap();
    assert_eq!(cluster.leader("safe", 0), None);
    let refused = cluster.set_in_sync("safe", 0, others[1], true).unwrap_err();
    assert_eq!(refused.to_string(), "safe-0 has no leader");
    cluster.restart(others[0]).unwrap();
    assert_eq!(cluster.leader("safe", 0), None, "it may lack records that were acknowledged");
    cluster.restart(last).unwrap();
    assert_eq!(cluster.leader("safe", 0), Some(last));
    let all = MetadataRequest { topics: None, ..Default::default() };
    let response = Client::connect(&cluster, last.0).await.call(&all, 9).await;
    assert_eq!(response.topics[0].partitions[0].isr_nodes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stale_broker_goes_on_with_its_old_view() {
    let cluster = cluster();
    let all = MetadataRequest { topics: None, ..Default::default() };
    let leader = async |node| {
        let response = Client::connect(&cluster, node).await.call(&all, 9).await;
        let partition = &response.topics[0].partitions[0];
        (partition.leader_id, partition.leader_epoch)
    };
    cluster.stale_metadata(NodeId(1)).unwrap();
    let before = leader(1).await;
    cluster.move_leader("orders", 0, NodeId(3)).unwrap();
    assert_eq!((leader(1).await, leader(2).await), (before, (3, 1)));
    cluster.fresh_metadata(NodeId(1)).unwrap();
    assert_eq!(leader(1).await, (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stale_broker_creates_no_topic_over_one_that_it_has_not_heard_of() {
    let cluster = cluster();
    cluster.stale_metadata(NodeId(1)).unwrap();
    cluster.create_topic("late", 4).unwrap();
    let late = MetadataRequestTopic { name: Some("late".into()), ..Default::default() };
    let asked =
        MetadataRequest { topics: Some(vec![late]), allow_auto_topic_creation: true, ..Default::default() };
    let response = Client::connect(&cluster, 1).await.call(&asked, 9).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
    assert_eq!(cluster.partition_count("late"), Some(4), "it is the one that was created");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_moves_with_a_crash_or_by_command() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    cluster.move_coordinator("g", NodeId(2)).unwrap();
    assert_eq!(client.call(&request, 4).await.coordinators[0].node_id, 2);
    cluster.crash(NodeId(2)).unwrap();
    assert_eq!(
        client.call(&request, 4).await.coordinators[0].error_code,
        ErrorCode::COORDINATOR_NOT_AVAILABLE.0
    );
}

#[tokio::test(start_paused = true)]
async fn the_request_log_tells_who_asked_what_of_whom() {
    let cluster = cluster();
    Client::connect(&cluster, 2).await.call(&MetadataRequest::default(), 9).await;
    tokio::time::advance(Duration::from_millis(5)).await;
    Client::connect(&cluster, 1).await.call(&one(), 9).await;
    let log = cluster.request_log();
    let seen: Vec<_> = log
        .iter()
        .map(|entry| (entry.sequence, entry.api, entry.node.0, entry.version, entry.connection))
        .collect();
    assert_eq!(seen, [(0, ApiKey::Metadata, 2, 9, 0), (1, ApiKey::Produce, 1, 9, 1)]);
    assert_eq!(log[1].at - log[0].at, Duration::from_millis(5));
    assert_eq!(log[1].client_id.as_deref(), Some("test"));
    cluster.clear_request_log();
    assert!(cluster.request_log().is_empty());
}
