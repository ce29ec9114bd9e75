//! Every public async function is dropped after every number of polls; nothing may leak, hang, or disturb others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use courant_client::{Cluster, CoordinatorKind, Kafka, Target, TrafficClass};
use courant_protocol::api::ApiKey;
use courant_protocol::messages::{AnyRequest, DescribeClusterRequest, DescribeClusterResponse};
use courant_protocol::types::NodeId;

mod support;
use support::{MS, Network, Reply, SECOND, usual};

/// Polls at most `polls` times, whenever the future is woken, and drops it then.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The next poll comes with the wake-up; for the last one there is none to wait for.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Brokers that take a millisecond for every answer, so that every wait is a real one.
fn network() -> Network {
    Network::brokers(|asked| {
        let response = match &asked.request {
            AnyRequest::DescribeCluster(_) => DescribeClusterResponse::default().into(),
            _ => match usual(asked) {
                Reply::Now(response) => response,
                other => return Some(other),
            },
        };
        Some(Reply::After(MS, response))
    })
}

fn builder(network: &Network) -> courant_client::KafkaBuilder {
    Kafka::builder().bootstrap("mock-1:9092").world(network.world())
}

async fn still_works(cluster: &Cluster) {
    let deadline = cluster.world().now() + SECOND * 5;
    let request = DescribeClusterRequest::default();
    cluster.call(Target::Node(NodeId(3)), request, deadline).await.expect("later calls are not disturbed");
    cluster.topic("orders", deadline).await.expect("metadata is still kept");
}

async fn nothing_is_left(network: &Network) {
    tokio::time::sleep(SECOND).await;
    assert_eq!(network.live(), 0, "every connection has ended");
}

/// Drops what `make` makes after 0, 1, 2, … polls, each time on a fresh client, until it runs to its end.
async fn sweep<T>(make: impl AsyncFn(&Kafka) -> T) {
    for polls in 0.. {
        assert!(polls < 200, "the function never ends");
        let network = network();
        let kafka = builder(&network).connect().await.unwrap();
        let ended = dropped_after(polls, make(&kafka)).await.is_some();
        still_works(kafka.cluster()).await;
        drop(kafka);
        nothing_is_left(&network).await;
        if ended {
            assert!(polls > 1, "the function has something to wait for");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connect_leaves_nothing_behind() {
    for polls in 0.. {
        let network = network();
        let ended = dropped_after(polls, builder(&network).connect()).await.is_some();
        nothing_is_left(&network).await;
        if ended {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_goes_on_by_itself() {
    for polls in 0.. {
        let network = network();
        let kafka = builder(&network).connect().await.unwrap();
        let cluster = kafka.cluster().clone();
        let deadline = kafka.world().now() + SECOND;
        let _call = tokio::spawn(async move {
            cluster.call(Target::Node(NodeId(3)), DescribeClusterRequest::default(), deadline).await
        });
        tokio::task::yield_now().await;
        let ended = dropped_after(polls, kafka.close(SECOND * 5)).await.is_some();
        if polls > 0 {
            nothing_is_left(&network).await;
        }
        kafka.close(SECOND).await.unwrap();
        nothing_is_left(&network).await;
        if ended {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn call_asks_at_most_once_and_keeps_no_permit() {
    let network = network();
    let kafka = builder(&network).connect().await.unwrap();
    let cluster = kafka.cluster();
    for polls in 0.. {
        let before = network.asked(ApiKey::DescribeCluster).len();
        let mut ended = 0;
        let attempts = 100;
        for _ in 0..attempts {
            let deadline = cluster.world().now() + SECOND * 5;
            let call = cluster.call(Target::Node(NodeId(3)), DescribeClusterRequest::default(), deadline);
            ended += usize::from(dropped_after(polls, call).await.is_some());
        }
        tokio::time::sleep(SECOND).await;
        let asked = network.asked(ApiKey::DescribeCluster).len() - before;
        assert!(
            asked <= attempts && asked >= ended,
            "{asked} requests for {attempts} calls, {ended} answered"
        );
        still_works(cluster).await;
        if ended == attempts {
            break;
        }
    }
    assert_eq!(network.attempts("mock-3:9092"), 1, "one connection carried it all");
}

#[tokio::test(start_paused = true)]
async fn call_by_version_can_be_dropped_anywhere() {
    sweep(async |kafka: &Kafka| {
        let options = courant_client::CallOptions::until(kafka.world().now() + SECOND);
        let request = |_| DescribeClusterRequest::default();
        kafka.cluster().call_by_version(Target::Node(NodeId(2)), request, options).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn topic_can_be_dropped_anywhere() {
    sweep(async |kafka: &Kafka| kafka.cluster().topic("orders", kafka.world().now() + SECOND).await.unwrap())
        .await;
}

#[tokio::test(start_paused = true)]
async fn existing_topic_can_be_dropped_anywhere() {
    sweep(async |kafka: &Kafka| {
        kafka.cluster().existing_topic("orders", kafka.world().now() + SECOND).await.unwrap()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn coordinator_can_be_dropped_anywhere() {
    sweep(async |kafka: &Kafka| {
        let deadline = kafka.world().now() + SECOND;
        kafka.cluster().coordinator(CoordinatorKind::Group, "g", deadline).await.unwrap()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn link_can_be_dropped_anywhere() {
    sweep(async |kafka: &Kafka| {
        let deadline = kafka.world().now() + SECOND;
        kafka.cluster().link(NodeId(2), TrafficClass::Fetch, deadline).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_for_news_loses_none() {
    sweep(async |kafka: &Kafka| {
        let mut watch = kafka.cluster().watch();
        kafka.cluster().refresh("test");
        for polls in 0..3 {
            // However often this is given up, the news is still there afterwards.
            if dropped_after(polls, watch.changed()).await.is_some() {
                return;
            }
        }
        tokio::time::timeout(SECOND, watch.changed()).await.expect("the news was not lost");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_for_the_end_changes_nothing() {
    let network = network();
    let kafka = builder(&network).connect().await.unwrap();
    for polls in 0..=1 {
        assert!(dropped_after(polls, kafka.cluster().closed()).await.is_none(), "nobody has closed it");
        still_works(kafka.cluster()).await;
    }
    let (closed, ()) = tokio::join!(kafka.close(SECOND), kafka.cluster().closed());
    closed.unwrap();
    nothing_is_left(&network).await;
}
