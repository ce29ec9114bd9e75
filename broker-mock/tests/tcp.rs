//! The same cluster over TCP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_broker_mock::MockCluster;
use courant_protocol::compression::Codec;
use courant_protocol::messages::fetch::{FetchPartition, FetchTopic};
use courant_protocol::messages::{FetchRequest, MetadataRequest};
use courant_protocol::types::NodeId;
use support::{Client, batch, produce, produced};

async fn listening() -> MockCluster {
    let cluster = MockCluster::builder().brokers(2).topic("orders", 2).build().unwrap();
    let addresses = cluster.listen(0).await.unwrap();
    let bootstrap: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(cluster.bootstrap(), bootstrap.join(","));
    cluster
}

fn addresses(cluster: &MockCluster) -> Vec<String> {
    cluster.bootstrap().split(',').map(str::to_owned).collect()
}

#[tokio::test]
async fn large_batches_travel_whole_both_ways_and_brokers_announce_their_ports() {
    let cluster = listening().await;
    let addresses = addresses(&cluster);
    let mut client = Client::tcp(&addresses[0]).await.unwrap();
    let response = client.call(&MetadataRequest::default(), 12).await;
    let announced: Vec<String> = response.brokers.iter().map(|b| format!("{}:{}", b.host, b.port)).collect();
    assert_eq!(announced, addresses);
    let leader = cluster.leader("orders", 0).unwrap();
    let mut client = Client::tcp(&addresses[usize::try_from(leader.0 - 1).unwrap()]).await.unwrap();
    let large = batch(&[&"x".repeat(900_000)], None, Codec::None);
    assert_eq!(produced(&client.call(&produce("orders", 0, large.clone()), 9).await), (0, 0));
    let request = FetchRequest {
        max_bytes: 1 << 24,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: "orders".into(),
            partitions: vec![FetchPartition { partition_max_bytes: 1 << 24, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = client.call(&request, 12).await;
    let records = response.responses[0].partitions[0].records.clone().unwrap().into_bytes();
    assert_eq!(records[16..], large[16..]);
}

#[tokio::test]
async fn a_crash_and_the_end_of_the_cluster_close_connections() {
    let cluster = listening().await;
    let addresses = addresses(&cluster);
    let mut first = Client::tcp(&addresses[0]).await.unwrap();
    let mut second = Client::tcp(&addresses[1]).await.unwrap();
    first.call(&MetadataRequest::default(), 12).await;
    second.call(&MetadataRequest::default(), 12).await;
    cluster.crash(NodeId(1)).unwrap();
    assert!(first.receive_frame().await.is_none());
    second.call(&MetadataRequest::default(), 12).await;
    cluster.shutdown().await;
    assert!(second.receive_frame().await.is_none());
    assert!(Client::tcp(&addresses[1]).await.is_err(), "nobody listens any more");
}

/// Tries to connect until it goes as wanted: a port closes and opens a moment after its broker.
async fn connects(address: &str, wanted: bool) {
    while Client::tcp(address).await.is_ok() != wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_port_of_a_crashed_broker_is_closed_until_it_comes_back() {
    let cluster = listening().await;
    let address = addresses(&cluster).swap_remove(0);
    cluster.crash(NodeId(1)).unwrap();
    connects(&address, false).await;
    cluster.restart(NodeId(1)).unwrap();
    connects(&address, true).await;
    let mut client = Client::tcp(&address).await.unwrap();
    client.call(&MetadataRequest::default(), 12).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let cluster = listening().await;
    let port: u16 = addresses(&cluster)[0].rsplit(':').next().unwrap().parse().unwrap();
    let other = MockCluster::builder().build().unwrap();
    assert_eq!(other.listen(port).await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(other.bootstrap(), "mock-1:9092", "nothing is announced that is not served");
}
