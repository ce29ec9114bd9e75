//! What becomes of a Produce request.
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
use courant_protocol::messages::ProduceRequest;
use courant_protocol::record::{BatchHeader, Batches, ReadOptions};
use courant_protocol::types::{NodeId, Offset, UnixMillis};
use support::{Client, START, batch, batch_at, produce, produced, virtual_world};

fn cluster() -> MockCluster {
    MockCluster::builder().topic("orders", 1).world(virtual_world()).build().unwrap()
}

async fn send(client: &mut Client, request: &ProduceRequest) -> (i16, i64) {
    produced(&client.call(request, 12).await)
}

#[tokio::test(start_paused = true)]
async fn a_batch_keeps_its_bytes_but_for_its_place_in_the_log() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let large = "x".repeat(5000);
    for (codec, value) in [
        (Codec::None, "a"),
        (Codec::Gzip, &large),
        (Codec::Lz4, &large),
        (Codec::Zstd, &large),
        (Codec::None, &large),
    ] {
        let sent = batch(&[value, "second"], None, codec);
        let at = cluster.log_end("orders", 0).unwrap();
        assert_eq!(send(&mut client, &produce("orders", 0, sent.clone())).await, (0, at.0));
        let stored = cluster.log("orders", 0).pop().unwrap();
        assert_eq!(stored.bytes[8..12], sent[8..12]);
        assert_eq!(stored.bytes[16..], sent[16..]);
        let header = BatchHeader::parse(&stored.bytes).unwrap();
        assert_eq!((header, header.base_offset, header.leader_epoch.0), (stored.header, at, 0));
        assert_eq!(header.attributes.codec(), Ok(codec));
        assert!(Batches::new(stored.bytes, ReadOptions::default()).next().unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_sent_again_is_answered_with_its_first_offset() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let batches: Vec<_> = (0..6).map(|n| batch(&["v"], Some((9, 0, n)), Codec::None)).collect();
    for (offset, batch) in (0..).zip(&batches) {
        assert_eq!(send(&mut client, &produce("orders", 0, batch.clone())).await, (0, offset));
    }
    assert_eq!(
        send(&mut client, &produce("orders", 0, batches[1].clone())).await,
        (0, 1),
        "one of the last five"
    );
    let forgotten = send(&mut client, &produce("orders", 0, batches[0].clone())).await;
    assert_eq!(forgotten, (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0, -1));
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(6)));
}

#[tokio::test(start_paused = true)]
async fn sequences_must_follow_each_other_and_wrap() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut try_it = async |id, epoch, sequence| {
        send(&mut client, &produce("orders", 0, batch(&["v", "w"], Some((id, epoch, sequence)), Codec::None)))
            .await
            .0
    };
    assert_eq!(try_it(1, 0, 5).await, 0, "whoever is not known may begin anywhere");
    assert_eq!(try_it(1, 0, 8).await, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0);
    assert_eq!(try_it(1, 0, 7).await, 0);
    assert_eq!(try_it(1, 1, 9).await, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0, "a new epoch begins with 0");
    assert_eq!(try_it(1, 1, 0).await, 0);
    assert_eq!(try_it(1, 0, 9).await, ErrorCode::INVALID_PRODUCER_EPOCH.0);
    assert_eq!(try_it(2, 0, i32::MAX).await, 0, "the second record has sequence 0");
    assert_eq!(try_it(2, 0, 1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_producer_may_go_on() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    assert_eq!(
        send(&mut client, &produce("orders", 0, batch(&["v"], Some((1, 0, 0)), Codec::None))).await.0,
        0
    );
    cluster.forget_producers("orders", 0).unwrap();
    assert_eq!(
        send(&mut client, &produce("orders", 0, batch(&["v"], Some((1, 0, 7)), Codec::None))).await.0,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_batch_is_said() {
    let cluster = MockCluster::builder()
        .topic("orders", 1)
        .topic_with("small", 1, None, [("max.message.bytes", "100")])
        .topic_with("safe", 1, None, [("min.insync.replicas", "2")])
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    let good = batch(&["value"], None, Codec::None);
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let twice = [&good[..], &good[..]].concat();
    let far_ahead = batch_at(UnixMillis(START.0 + 4_000_000), &["v"], None, Codec::None);
    let large = batch(&[&"x".repeat(200)], None, Codec::None);
    for (topic, batch, error) in [
        ("orders", damaged.into(), ErrorCode::CORRUPT_MESSAGE),
        ("orders", twice.into(), ErrorCode::INVALID_RECORD),
        ("orders", bytes::Bytes::new(), ErrorCode::INVALID_RECORD),
        ("orders", far_ahead, ErrorCode::INVALID_TIMESTAMP),
        ("small", large, ErrorCode::MESSAGE_TOO_LARGE),
        ("safe", good.clone(), ErrorCode::NOT_ENOUGH_REPLICAS),
        ("none", good.clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        assert_eq!(send(&mut client, &produce(topic, 0, batch)).await, (error.0, -1), "{topic} {error}");
    }
    let mut odd = produce("orders", 0, good.clone());
    odd.acks = 2;
    assert_eq!(send(&mut client, &odd).await.0, ErrorCode::INVALID_REQUIRED_ACKS.0);
    assert_eq!(send(&mut client, &produce("orders", 0, good)).await, (0, 0), "and nothing of it was kept");
}

#[tokio::test(start_paused = true)]
async fn without_acknowledgement_nothing_is_answered_and_an_error_ends_the_connection() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut unacknowledged = produce("orders", 0, batch(&["a"], None, Codec::None));
    unacknowledged.acks = 0;
    client.send(&unacknowledged, 12).await;
    // The next answer is the next request's.
    assert_eq!(send(&mut client, &produce("orders", 0, batch(&["b"], None, Codec::None))).await, (0, 1));
    unacknowledged.topic_data[0].name = "none".into();
    client.send(&unacknowledged, 12).await;
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_brokers_clock_stamps_where_the_topic_says_so() {
    let cluster = MockCluster::builder()
        .topic_with("orders", 1, None, [("message.timestamp.type", "LogAppendTime")])
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    let request = produce("orders", 0, batch_at(UnixMillis(5), &["v"], None, Codec::None));
    let response = client.call(&request, 12).await;
    assert_eq!(response.responses[0].partition_responses[0].log_append_time_ms, START.0);
    let stored = cluster.log("orders", 0).remove(0);
    assert!(stored.header.attributes.is_log_append_time());
    assert_eq!(stored.header.max_timestamp, START);
    assert!(
        Batches::new(stored.bytes, ReadOptions::default()).next().unwrap().is_ok(),
        "the checksum was made anew"
    );
}

#[tokio::test(start_paused = true)]
async fn a_compacted_topic_names_the_records_without_a_key() {
    let cluster = MockCluster::builder()
        .topic_with("table", 1, None, [("cleanup.policy", "compact")])
        .world(virtual_world())
        .build()
        .unwrap();
    let mut writer = courant_protocol::record::BatchWriter::new(bytes::BytesMut::new(), Default::default());
    for key in [Some(&b"k"[..]), None] {
        writer.append(START, key, Some(b"v"), courant_protocol::record::NO_HEADERS).unwrap();
    }
    let mut scratch = courant_protocol::compression::CompressionScratch::new();
    let batch = writer.seal(Codec::None, None, &mut scratch).unwrap().to_bytes(&Default::default());
    let response = Client::connect(&cluster, 1).await.call(&produce("table", 0, batch), 12).await;
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.log_start_offset), (ErrorCode::INVALID_RECORD.0, 0));
    assert_eq!(partition.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_the_wrong_broker_is_told_of_the_right_one() {
    let cluster =
        MockCluster::builder().brokers(3).topic("orders", 1).world(virtual_world()).build().unwrap();
    cluster.move_leader("orders", 0, NodeId(3)).unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    let response = client.call(&produce("orders", 0, batch(&["v"], None, Codec::None)), 12).await;
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
    assert_eq!((partition.current_leader.leader_id, partition.current_leader.leader_epoch), (3, 1));
    assert_eq!(&*response.node_endpoints[0].host, "mock-3");
}
