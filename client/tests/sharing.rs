//! The shared connections: calls, cancelled calls, throttles, timeouts, closing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use courant_client::{Cluster, CoordinatorKind, ErrorKind, Kafka, Target};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{
    AnyRequest, ApiVersionsResponse, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorResponse,
};
use courant_protocol::types::NodeId;

mod support;
use support::{Asked, MS, Network, Peer, Reply, SECOND, usual};

async fn connect(network: &Network) -> Kafka {
    let builder = Kafka::builder().bootstrap("mock-1:9092,mock-2:9092").world(network.world());
    builder.connect().await.expect("the brokers are there")
}

/// Describes the cluster; the endpoint type is a mark that the scripted brokers recognise the call by.
async fn describe(
    cluster: &Cluster,
    target: Target,
    within: Duration,
) -> Result<String, courant_client::Error> {
    let deadline = cluster.world().now() + within;
    let (response, _) = cluster.call(target, DescribeClusterRequest::default(), deadline).await?;
    Ok(response.cluster_id.to_string())
}

fn described(asked: &Asked, name: &str) -> Option<DescribeClusterResponse> {
    matches!(asked.request, AnyRequest::DescribeCluster(_))
        .then(|| DescribeClusterResponse { cluster_id: name.into(), ..Default::default() })
}

#[tokio::test(start_paused = true)]
async fn a_call_reaches_the_broker_that_it_is_meant_for() {
    let network =
        Network::brokers(|asked| described(asked, &asked.address.host).map(|r| Reply::Now(r.into())));
    let kafka = connect(&network).await;
    assert_eq!(kafka.cluster_id().as_deref(), Some("test-cluster"));
    let cluster = kafka.cluster();
    assert_eq!(describe(cluster, Target::Node(NodeId(1)), SECOND).await.unwrap(), "mock-1");
    assert_eq!(describe(cluster, Target::Controller, SECOND).await.unwrap(), "mock-2");
    let coordinator = Target::Coordinator(CoordinatorKind::Group, "billing".into());
    assert_eq!(describe(cluster, coordinator, SECOND).await.unwrap(), "mock-3");
    assert!(describe(cluster, Target::Any, SECOND).await.is_ok());
    let error = describe(cluster, Target::Node(NodeId(9)), SECOND).await.unwrap_err();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::NoBroker, false));
    assert_eq!(error.to_string(), "the cluster's metadata has no broker 9");
}

#[tokio::test(start_paused = true)]
async fn calls_to_one_broker_share_one_connection() {
    let network = Network::brokers(|asked| described(asked, "x").map(|r| Reply::After(MS * 10, r.into())));
    let kafka = connect(&network).await;
    let calls = (0..40).map(|_| {
        let cluster = kafka.cluster().clone();
        tokio::spawn(async move { describe(&cluster, Target::Node(NodeId(3)), SECOND * 5).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), "x");
    }
    assert_eq!(network.attempts("mock-3:9092"), 1);
}

/// Trap 52: whoever gives up leaves the requests behind it alone: their answers come, once each, on the same connection.
#[tokio::test(start_paused = true)]
async fn a_cancelled_call_disturbs_none_of_those_pipelined_behind_it() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let network = Network::brokers(move |asked| {
        let nth = count.load(Ordering::Relaxed);
        let response = described(asked, &format!("answer {nth}"))?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(if nth == 0 { Reply::After(SECOND, response.into()) } else { Reply::Now(response.into()) })
    });
    let kafka = connect(&network).await;
    let cluster = kafka.cluster();
    let first = tokio::time::timeout(MS * 100, describe(cluster, Target::Node(NodeId(3)), SECOND * 30));
    let behind = async {
        tokio::time::sleep(MS * 50).await;
        let late = describe(cluster, Target::Node(NodeId(3)), MS * 200);
        let (late, second, third) = tokio::join!(
            late,
            describe(cluster, Target::Node(NodeId(3)), SECOND * 30),
            describe(cluster, Target::Node(NodeId(3)), SECOND * 30),
        );
        (late.unwrap_err(), second.unwrap(), third.unwrap())
    };
    let (cancelled, (late, second, third)) = tokio::join!(first, behind);
    assert!(cancelled.is_err(), "dropped while the broker was at it");
    assert_eq!((late.kind(), late.possibly_written()), (ErrorKind::Timeout, true));
    assert_eq!((second.as_str(), third.as_str()), ("answer 2", "answer 3"));
    assert_eq!(served.load(Ordering::Relaxed), 4, "nothing was asked twice");
    assert_eq!(network.attempts("mock-3:9092"), 1, "the connection lives");
}

/// Trap 49: silence is kept towards the broker that asked for it, and towards no other.
#[tokio::test(start_paused = true)]
async fn a_throttle_mutes_one_connection_and_no_other() {
    let throttled = AtomicBool::new(false);
    let network = Network::brokers(move |asked| {
        let mut response = described(asked, "x")?;
        if asked.address.host == "mock-1" && !throttled.swap(true, Ordering::Relaxed) {
            response.throttle_time_ms = 5_000;
        }
        Some(Reply::Now(response.into()))
    });
    let kafka = connect(&network).await;
    let (cluster, world) = (kafka.cluster(), kafka.world());
    describe(cluster, Target::Node(NodeId(1)), SECOND).await.unwrap();
    let start = world.now();
    describe(cluster, Target::Node(NodeId(2)), SECOND).await.unwrap();
    describe(cluster, Target::Node(NodeId(3)), SECOND).await.unwrap();
    assert_eq!(world.now() - start, Duration::ZERO, "other brokers asked for nothing");
    describe(cluster, Target::Node(NodeId(1)), SECOND * 10).await.unwrap();
    let waited = world.now() - start;
    assert!(waited >= SECOND * 5 && waited < SECOND * 5 + MS * 10, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_broker_forgets_ends_its_connection_and_the_next_one_works() {
    let forgets = AtomicBool::new(true);
    let network = Network::brokers(move |asked| {
        let response = described(asked, "x")?;
        Some(if forgets.swap(false, Ordering::Relaxed) { Reply::Never } else { Reply::Now(response.into()) })
    });
    let kafka = connect(&network).await;
    let start = kafka.world().now();
    let error = describe(kafka.cluster(), Target::Node(NodeId(3)), SECOND * 60).await.unwrap_err();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, true));
    assert_eq!(kafka.world().now() - start, SECOND * 30, "request.timeout.ms");
    assert_eq!(error.hint(), Some("request.timeout.ms sets the time for one request"));
    describe(kafka.cluster(), Target::Node(NodeId(3)), SECOND).await.unwrap();
    assert_eq!(network.attempts("mock-3:9092"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_after_the_request_says_that_it_may_have_taken_effect() {
    let network = Network::brokers(|asked| described(asked, "x").map(|_| Reply::Cut));
    let kafka = connect(&network).await;
    let error = describe(kafka.cluster(), Target::Node(NodeId(3)), SECOND).await.unwrap_err();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Transport, true));
    assert!(error.is_retriable());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_and_the_next_call_opens_another_without_delay() {
    let network = Network::brokers(|asked| described(asked, "x").map(|r| Reply::Now(r.into())));
    let kafka = connect(&network).await;
    describe(kafka.cluster(), Target::Node(NodeId(3)), SECOND).await.unwrap();
    tokio::time::sleep(SECOND * 541).await;
    let start = kafka.world().now();
    describe(kafka.cluster(), Target::Node(NodeId(3)), SECOND).await.unwrap();
    assert_eq!(kafka.world().now() - start, Duration::ZERO, "idleness is no failure");
    assert_eq!(network.attempts("mock-3:9092"), 2);
}

/// Trap 48, with real bytes: the refusal is read, and the question is put again in a version that the broker lists.
#[tokio::test(start_paused = true)]
async fn an_older_broker_is_spoken_to_in_the_version_that_it_lists() {
    let network = Network::brokers(|asked| {
        let too_new = asked.header.api_version > 2;
        let refused = matches!(asked.request, AnyRequest::ApiVersions(_)) && too_new;
        let listed = support::versions().api_keys;
        refused.then(|| {
            let mut response =
                ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION.0, ..Default::default() };
            response.api_keys = listed.into_iter().filter(|api| api.api_key == 18).collect();
            response.api_keys.iter_mut().for_each(|api| api.max_version = 2);
            Reply::Now(response.into())
        })
    });
    connect(&network).await;
    assert_eq!(network.asked(ApiKey::ApiVersions).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_not_there_yet_is_asked_for_again_and_then_remembered() {
    let asked_before = AtomicUsize::new(0);
    let network = Network::brokers(move |asked| {
        let AnyRequest::FindCoordinator(request) = &asked.request else { return None };
        let mut response: FindCoordinatorResponse = support::coordinator(request);
        if asked_before.fetch_add(1, Ordering::Relaxed) < 2 {
            response
                .coordinators
                .iter_mut()
                .for_each(|c| c.error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE.0);
        }
        Some(Reply::Now(response.into()))
    });
    let kafka = connect(&network).await;
    let (cluster, deadline) = (kafka.cluster(), kafka.world().now() + SECOND * 10);
    for _ in 0..2 {
        assert_eq!(cluster.coordinator(CoordinatorKind::Group, "g", deadline).await.unwrap(), NodeId(3));
    }
    assert_eq!(network.asked(ApiKey::FindCoordinator).len(), 3);
    cluster.forget_coordinator(CoordinatorKind::Group, "g");
    cluster.coordinator(CoordinatorKind::Group, "g", deadline).await.unwrap();
    assert_eq!(network.asked(ApiKey::FindCoordinator).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_what_was_sent_and_takes_nothing_new() {
    let network = Network::brokers(|asked| described(asked, "x").map(|r| Reply::After(SECOND, r.into())));
    let kafka = connect(&network).await;
    let cluster = kafka.cluster().clone();
    let call = tokio::spawn(async move { describe(&cluster, Target::Node(NodeId(3)), SECOND * 5).await });
    tokio::time::sleep(MS * 10).await;
    kafka.close(SECOND * 10).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap(), "x");
    assert_eq!(kafka.cluster().open_connections(), 0);
    let error = describe(kafka.cluster(), Target::Any, SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    kafka.close(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_ends_at_its_deadline_although_a_broker_is_silent() {
    let network = Network::brokers(|asked| described(asked, "x").map(|_| Reply::Never));
    let kafka = connect(&network).await;
    let cluster = kafka.cluster().clone();
    let call = tokio::spawn(async move { describe(&cluster, Target::Node(NodeId(3)), SECOND * 20).await });
    tokio::time::sleep(MS * 10).await;
    let start = kafka.world().now();
    assert_eq!(kafka.close(SECOND * 2).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(kafka.world().now() - start, SECOND * 2);
    assert_eq!(kafka.cluster().open_connections(), 0);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Closed, true));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_that_is_dropped_ends_every_connection() {
    let network = Network::brokers(|_| None);
    let kafka = connect(&network).await;
    let second = kafka.clone();
    drop(kafka);
    tokio::time::sleep(SECOND).await;
    assert!(second.cluster().open_connections() > 0, "a clone keeps them");
    drop(second);
    tokio::time::sleep(SECOND).await;
    assert_eq!(network.live(), 0);
}

/// Trap 50: while everything is down there are few attempts, further and further apart, and not in step.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_down_for_a_minute_is_not_stormed() {
    let network = Network::brokers(|_| None);
    let kafka = connect(&network).await;
    let before: usize = (1..=3).map(|node| network.attempts(&format!("mock-{node}:9092"))).sum();
    (1..=3).for_each(|node| network.set(&format!("mock-{node}:9092"), Peer::Nothing));
    let world = kafka.world().clone();
    let end = world.now() + SECOND * 60;
    while world.now() < end {
        let failed = kafka.cluster().link(NodeId(3), courant_client::TrafficClass::Produce, end).await;
        assert!(failed.is_err());
    }
    let after: usize = (1..=3).map(|node| network.attempts(&format!("mock-{node}:9092"))).sum();
    assert!((after - before) < 90, "{} attempts in a minute", after - before);
    let broker = Peer::Broker(Arc::new(usual));
    (1..=3).for_each(|node| network.set(&format!("mock-{node}:9092"), broker.clone()));
    kafka
        .cluster()
        .link(NodeId(3), courant_client::TrafficClass::Produce, world.now() + SECOND * 3)
        .await
        .unwrap();
}
