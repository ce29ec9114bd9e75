//! What a Fetch request gets, and when.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::fetch::PartitionData;
use courant_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use courant_protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest, MetadataRequest};
use courant_protocol::types::{NodeId, Offset, UnixMillis};
use support::reading::{epoch_end, fetch_from, offsets};
use support::{Client, batch, batch_at, produce, virtual_world};
use tokio::time::Instant;

fn cluster() -> MockCluster {
    MockCluster::builder().brokers(2).topic("orders", 1).world(virtual_world()).build().unwrap()
}

fn fetch(offset: i64, wait_ms: i32) -> FetchRequest {
    FetchRequest { max_wait_ms: wait_ms, ..fetch_from(offset) }
}

fn only(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

async fn append(cluster: &MockCluster, values: &[&str]) {
    let response = Client::connect(cluster, 1)
        .await
        .call(&produce("orders", 0, batch(values, None, Codec::None)), 9)
        .await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_at_the_end_waits_to_the_millisecond() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let begun = Instant::now();
    let response = client.call(&fetch(0, 500), 12).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(500));
    assert!(offsets(only(&response)).is_empty());
}

#[tokio::test(start_paused = true)]
async fn data_wakes_a_waiting_fetch_at_once() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let begun = Instant::now();
    client.send(&fetch(0, 500), 12).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (response, ()) = tokio::join!(client.receive::<FetchRequest>(12), append(&cluster, &["a", "b"]));
    assert_eq!(begun.elapsed(), Duration::from_millis(20));
    let response = response.unwrap();
    assert_eq!(offsets(only(&response)), [0, 1]);
    assert_eq!(only(&response).high_watermark, 2);
}

#[tokio::test(start_paused = true)]
async fn min_bytes_are_waited_for() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = fetch(0, 1000);
    request.min_bytes = 200;
    client.send(&request, 12).await;
    let begun = Instant::now();
    let later = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            append(&cluster, &["0123456789"]).await;
        }
    };
    let (response, ()) = tokio::join!(client.receive::<FetchRequest>(12), later);
    assert_eq!(begun.elapsed(), Duration::from_millis(30));
    assert_eq!(offsets(only(&response.unwrap())).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_fetch_holds_back_its_connection_and_no_other() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let begun = Instant::now();
    client.send(&fetch(0, 300), 12).await;
    client.send(&MetadataRequest::default(), 12).await;
    let mut other = Client::connect(&cluster, 1).await;
    other.call(&MetadataRequest::default(), 12).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    client.receive::<FetchRequest>(12).await.unwrap();
    client.receive::<MetadataRequest>(12).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_moved_leader_ends_the_waiting_with_a_hint() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = fetch(0, 60_000);
    request.topics[0].topic_id = cluster.topic_id("orders").unwrap();
    request.topics[0].topic = "".into();
    client.send(&request, 17).await;
    cluster.move_leader("orders", 0, NodeId(2)).unwrap();
    let response = client.receive::<FetchRequest>(17).await.unwrap();
    assert_eq!(only(&response).error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
    assert_eq!(
        (only(&response).current_leader.leader_id, only(&response).current_leader.leader_epoch),
        (2, 1)
    );
    assert_eq!(response.node_endpoints.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_ends_the_waiting() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    client.send(&fetch(0, 60_000), 12).await;
    cluster.delete_topic("orders").unwrap();
    let response = client.receive::<FetchRequest>(12).await.unwrap();
    assert_eq!(only(&response).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
}

#[tokio::test(start_paused = true)]
async fn the_last_batch_is_cut_at_the_limit_and_the_first_never_is() {
    let cluster = cluster();
    append(&cluster, &[&"a".repeat(100)]).await;
    append(&cluster, &[&"b".repeat(100)]).await;
    let size = cluster.log("orders", 0)[0].bytes.len();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = fetch(0, 0);
    for (limit, wanted) in [(size + 30, size + 30), (30, size), (2 * size + 1, 2 * size)] {
        request.topics[0].partitions[0].partition_max_bytes = i32::try_from(limit).unwrap();
        let response = client.call(&request, 12).await;
        assert_eq!(only(&response).records.as_ref().unwrap().len(), wanted, "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_and_epochs_that_cannot_be_are_errors() {
    let cluster = cluster();
    append(&cluster, &["a", "b", "c"]).await;
    cluster.delete_records("orders", 0, Offset(1)).unwrap();
    cluster.move_leader("orders", 0, NodeId(2)).unwrap();
    cluster.move_leader("orders", 0, NodeId(1)).unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    for (offset, epoch, error) in [
        (0, -1, ErrorCode::OFFSET_OUT_OF_RANGE),
        (4, -1, ErrorCode::OFFSET_OUT_OF_RANGE),
        (1, 1, ErrorCode::FENCED_LEADER_EPOCH),
        (1, 3, ErrorCode::UNKNOWN_LEADER_EPOCH),
        (3, 2, ErrorCode::NONE),
    ] {
        let mut request = fetch(offset, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(only(&client.call(&request, 12).await).error_code, error.0, "{offset} {epoch}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_answer_news_alone_and_refuse_wrong_epochs() {
    let cluster = cluster();
    append(&cluster, &["a"]).await;
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = fetch(0, 0);
    request.session_epoch = 0;
    let first = client.call(&request, 12).await;
    assert!(first.session_id > 0);
    let mut next = FetchRequest { session_id: first.session_id, session_epoch: 1, ..fetch(1, 0) };
    assert!(client.call(&next, 12).await.responses.is_empty(), "nothing new at the end");
    append(&cluster, &["b"]).await;
    next.topics.clear();
    assert_eq!(client.call(&next, 12).await.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH.0);
    next.session_epoch = 2;
    assert_eq!(offsets(only(&client.call(&next, 12).await)), [1]);
    next.session_id += 1;
    assert_eq!(client.call(&next, 12).await.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND.0);
}

async fn list(client: &mut Client, timestamp: i64) -> (i64, i64) {
    let partitions = vec![ListOffsetsPartition { timestamp, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: "orders".into(), partitions, ..Default::default() }];
    let response = client.call(&ListOffsetsRequest { replica_id: -1, topics, ..Default::default() }, 9).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    (partition.offset, partition.timestamp)
}

#[tokio::test(start_paused = true)]
async fn offsets_are_found_by_time_even_where_time_goes_back() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    for (time, codec) in [(100, Codec::None), (300, Codec::Lz4), (200, Codec::Gzip), (400, Codec::Zstd)] {
        let batch = batch_at(UnixMillis(time), &["a", "b"], None, codec);
        client.call(&produce("orders", 0, batch), 9).await;
    }
    for (asked, found) in [(0, (0, 100)), (101, (2, 300)), (300, (2, 300)), (301, (6, 400)), (401, (-1, -1))]
    {
        assert_eq!(list(&mut client, asked).await, found, "{asked}");
    }
    assert_eq!(list(&mut client, -1).await, (8, -1));
    assert_eq!(list(&mut client, -2).await, (0, -1));
    assert_eq!(list(&mut client, -3).await, (6, 400));
    assert_eq!(list(&mut client, -5).await, (-1, -1));
    cluster.delete_records("orders", 0, Offset(3)).unwrap();
    assert_eq!(list(&mut client, 0).await, (3, 300), "what was deleted is not found");
}

#[tokio::test(start_paused = true)]
async fn an_unclean_leader_tells_where_the_logs_part() {
    let cluster = cluster();
    append(&cluster, &["a", "b", "c"]).await;
    cluster.truncate("orders", 0, Offset(0)).unwrap();
    append(&cluster, &["x"]).await;
    let mut client = Client::connect(&cluster, 1).await;
    let end = epoch_end(&mut client, 1, 0).await;
    assert_eq!((end.leader_epoch, end.end_offset), (0, 0));
    let mut request = fetch(3, 0);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let response = client.call(&request, 12).await;
    assert_eq!((only(&response).diverging_epoch.epoch, only(&response).diverging_epoch.end_offset), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn raw_batches_lie_where_they_say_and_hide_what_was_aborted() {
    let cluster = cluster();
    append(&cluster, &["a"]).await;
    let mut far = batch(&["b"], None, Codec::None).to_vec();
    far[..8].copy_from_slice(&41_i64.to_be_bytes());
    far[12..16].copy_from_slice(&0_i32.to_be_bytes());
    assert_eq!(cluster.append_raw("orders", 0, far.into()), Ok(Offset(41)), "a hole as compaction leaves it");
    let moved = cluster.append_raw("orders", 0, batch(&["c"], None, Codec::None));
    assert_eq!((moved, cluster.log_end("orders", 0)), (Ok(Offset(42)), Some(Offset(43))));
    let response = Client::connect(&cluster, 1).await.call(&fetch(1, 0), 12).await;
    assert_eq!(offsets(only(&response)), [41, 42]);
    assert!(cluster.append_raw("orders", 0, vec![1, 2, 3].into()).is_err());
}
