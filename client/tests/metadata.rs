//! How metadata is kept up to date, with the driver and the network between the machine and the brokers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use courant_client::{ErrorKind, Kafka};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{AnyRequest, MetadataResponse};
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicId};
use courant_runtime::Address;

mod support;
use support::{Asked, MS, Network, Peer, Reply, SECOND, usual};

async fn connect(network: &Network) -> Kafka {
    Kafka::builder().bootstrap("mock-1:9092").world(network.world()).connect().await.unwrap()
}

/// Brokers whose metadata a test changes before it goes out.
fn brokers(change: impl Fn(&Asked, &mut MetadataResponse) + Send + Sync + 'static) -> Network {
    Network::brokers(move |asked| {
        let AnyRequest::Metadata(request) = &asked.request else { return None };
        let mut response = support::metadata(request);
        change(asked, &mut response);
        Some(Reply::After(MS, response.into()))
    })
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_for_topics_are_served_by_few_requests() {
    let network = brokers(|_, _| {});
    let kafka = connect(&network).await;
    let before = network.asked(ApiKey::Metadata).len();
    let deadline = kafka.world().now() + SECOND * 5;
    let waits = (0..50).map(|_| {
        let cluster = kafka.cluster().clone();
        tokio::spawn(async move { cluster.topic("orders", deadline).await.unwrap().partition_count() })
    });
    for wait in waits.collect::<Vec<_>>() {
        assert_eq!(wait.await.unwrap(), 3);
    }
    assert_eq!(network.asked(ApiKey::Metadata).len() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn refreshes_that_are_asked_for_together_make_one_request() {
    let network = brokers(|_, _| {});
    let kafka = connect(&network).await;
    let _lease = kafka.cluster().want_topics(["orders"]);
    tokio::time::sleep(SECOND * 5).await;
    let before = network.asked(ApiKey::Metadata).len();
    (0..100).for_each(|_| kafka.cluster().refresh("test"));
    tokio::time::sleep(SECOND * 5).await;
    assert_eq!(network.asked(ApiKey::Metadata).len() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_wakes_when_a_topic_gets_partitions() {
    let count = Arc::new(AtomicI32::new(2));
    let shown = Arc::clone(&count);
    let network = brokers(move |_, response| {
        for topic in &mut response.topics {
            topic.partitions.truncate(shown.load(Ordering::Relaxed) as usize);
        }
    });
    let kafka = connect(&network).await;
    let cluster = kafka.cluster();
    let _lease = cluster.want_topics(["orders"]);
    let deadline = kafka.world().now() + SECOND * 5;
    assert_eq!(cluster.topic("orders", deadline).await.unwrap().partition_count(), 2);
    let mut watch = cluster.watch();
    count.store(3, Ordering::Relaxed);
    cluster.refresh("test");
    watch.changed().await;
    assert_eq!(cluster.snapshot().topic("orders").unwrap().partition_count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_recreated_topic_shows_its_former_id() {
    let id = Arc::new(AtomicU8::new(1));
    let shown = Arc::clone(&id);
    let network = brokers(move |_, response| {
        let id = TopicId([shown.load(Ordering::Relaxed); 16]);
        response.topics.iter_mut().for_each(|topic| topic.topic_id = id);
    });
    let kafka = connect(&network).await;
    let cluster = kafka.cluster();
    let _lease = cluster.want_topics(["orders"]);
    let first = cluster.topic("orders", kafka.world().now() + SECOND).await.unwrap();
    id.store(2, Ordering::Relaxed);
    let mut watch = cluster.watch();
    cluster.refresh("test");
    watch.changed().await;
    let second = cluster.snapshot().topic("orders").cloned().unwrap();
    assert_eq!((second.id, second.former_id), (TopicId([2; 16]), Some(first.id)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_comes_into_being_while_somebody_waits_is_found() {
    let asked_before = AtomicI32::new(0);
    let network = brokers(move |_, response| {
        if !response.topics.is_empty() && asked_before.fetch_add(1, Ordering::Relaxed) < 5 {
            response.topics.iter_mut().for_each(|topic| {
                topic.error_code = ErrorCode::LEADER_NOT_AVAILABLE.0;
                topic.partitions.clear();
            });
        }
    });
    let kafka = connect(&network).await;
    let deadline = kafka.world().now() + SECOND * 10;
    assert_eq!(kafka.cluster().topic("orders", deadline).await.unwrap().partition_count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_forbidden_is_refused_at_once() {
    let network = brokers(|_, response| {
        for topic in &mut response.topics {
            topic.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED.0;
            topic.partitions.clear();
        }
    });
    let kafka = connect(&network).await;
    let start = kafka.world().now();
    let error = kafka.cluster().topic("orders", start + SECOND * 60).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authorization);
    assert!(kafka.world().now() - start < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_leader_hint_is_seen_at_once_and_outlives_an_older_answer() {
    let network = brokers(|_, _| {});
    let kafka = connect(&network).await;
    let cluster = kafka.cluster();
    let _lease = cluster.want_topics(["orders"]);
    cluster.topic("orders", kafka.world().now() + SECOND).await.unwrap();
    let endpoint = Some(Address::new("mock-9", 9092));
    assert!(cluster.apply_leader_hint("orders", PartitionId(0), NodeId(9), LeaderEpoch(4), endpoint));
    let leader = |cluster: &courant_client::Cluster| {
        let snapshot = cluster.snapshot();
        snapshot.topic("orders").unwrap().partition(PartitionId(0)).unwrap().leader
    };
    assert_eq!(leader(cluster), Some(NodeId(9)));
    let mut watch = cluster.watch();
    cluster.refresh("test");
    watch.changed().await;
    assert_eq!(leader(cluster), Some(NodeId(9)), "the brokers still speak of epoch 0");
}

/// Trap 51: every broker has moved to another address; only bootstrap.servers leads to them.
#[tokio::test(start_paused = true)]
async fn brokers_that_have_all_moved_are_found_again_by_bootstrap() {
    let network = Network::default().with("boot:9092", Peer::Broker(Arc::new(usual)));
    let old = Peer::Broker(Arc::new(usual));
    (1..=3).for_each(|node| network.set(&format!("mock-{node}:9092"), old.clone()));
    let kafka = Kafka::builder().bootstrap("boot:9092").world(network.world()).connect().await.unwrap();
    let cluster = kafka.cluster();
    let _lease = cluster.want_topics(["orders"]);
    cluster.topic("orders", kafka.world().now() + SECOND).await.unwrap();
    cluster.refresh("so that a broker is asked, no longer the bootstrap address");
    tokio::time::sleep(SECOND).await;

    let moved = Peer::Broker(Arc::new(|asked: &Asked| {
        let AnyRequest::Metadata(request) = &asked.request else { return usual(asked) };
        let mut response = support::metadata(request);
        response.brokers.iter_mut().for_each(|broker| broker.host = format!("new-{}", broker.node_id).into());
        Reply::Now(response.into())
    }));
    (1..=3).for_each(|node| network.set(&format!("mock-{node}:9092"), Peer::Nothing));
    network.set("boot:9092", moved.clone());
    (1..=3).for_each(|node| network.set(&format!("new-{node}:9092"), moved.clone()));
    network.cut_all();
    cluster.refresh("the brokers are gone");
    tokio::time::sleep(SECOND * 5).await;
    assert_eq!(cluster.snapshot().broker(NodeId(2)).unwrap().address.host, "new-2");
    assert!(cluster.snapshot().topic("orders").is_some(), "topics stay");
    kafka
        .cluster()
        .link(NodeId(2), courant_client::TrafficClass::Produce, kafka.world().now() + SECOND)
        .await
        .unwrap();
}
