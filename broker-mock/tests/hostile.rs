//! Frames of nobody's good will: they end their own connection and harm no other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_broker_mock::MockCluster;
use courant_protocol::messages::MetadataRequest;
use courant_runtime::Rng;
use support::{Client, virtual_world};

fn cluster() -> MockCluster {
    MockCluster::builder().topic("orders", 2).world(virtual_world()).build().unwrap()
}

async fn still_serves(cluster: &MockCluster) {
    let response = Client::connect(cluster, 1).await.call(&MetadataRequest::default(), 13).await;
    assert_eq!(response.brokers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_kafka_closes_the_connection() {
    let cluster = cluster();
    let openings: [&[u8]; 5] = [
        b"\x7f\xff\xff\xffxxxx",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0",
    ];
    for opening in openings {
        let mut client = Client::connect(&cluster, 1).await;
        client.send_bytes(opening).await.unwrap();
        assert!(client.receive_frame().await.is_none(), "{opening:?}");
    }
    still_serves(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn unknown_apis_and_versions_close_the_connection() {
    let cluster = cluster();
    for (key, version) in [(999_i16, 0_i16), (-1, 0), (3, 99), (3, -1), (0, 2), (71, 0), (11, 5)] {
        let mut client = Client::connect(&cluster, 1).await;
        let mut frame = Vec::new();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);
        client.send_frame(&frame).await;
        assert!(client.receive_frame().await.is_none(), "{key} {version}");
    }
    still_serves(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_over_the_limit_closes_the_connection_before_it_is_read() {
    let cluster = MockCluster::builder()
        .config("socket.request.max.bytes", "1000")
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    client.send_bytes(&1001_u32.to_be_bytes()).await.unwrap();
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn random_bodies_of_every_api_harm_nobody() {
    let cluster = cluster();
    let mut rng = Rng::new(7, "hostile");
    for _ in 0..3000 {
        let Ok(mut client) = Client::try_connect(&cluster, 1).await else { panic!("refused") };
        let mut frame = vec![0, rng.below(96) as u8, 0, rng.below(20) as u8];
        frame.extend((0..rng.below(200)).map(|_| rng.below(256) as u8));
        client.send_frame(&frame).await;
    }
    // Compact arrays that claim 2^32 - 2 elements.
    for (key, version) in [(0_u8, 9_u8), (1, 12), (3, 12), (9, 8), (18, 3), (19, 5)] {
        let mut frame = vec![0, key, 0, version, 0, 0, 0, 1, 0xff, 0xff, 0];
        frame.extend(b"\xff\xff\xff\xff\x0f".repeat(8));
        let mut client = Client::connect(&cluster, 1).await;
        client.send_frame(&frame).await;
        assert!(client.receive_frame().await.is_none(), "{key} {version}");
    }
    still_serves(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_silent_connections_cost_nothing() {
    let cluster = cluster();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Client::connect(&cluster, 1).await);
    }
    still_serves(&cluster).await;
}
