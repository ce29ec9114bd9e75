//! Transactions that a test writes: what readers of committed records get, and what brokers tell of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::io::Read;
use std::time::Duration;

use TransactionResult::{Abort, Commit};
use courant_broker_mock::{MockCluster, ProducerIdAndEpoch, TransactionResult};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::frame::decode_response_header;
use courant_protocol::messages::describe_producers::{ProducerState, TopicRequest};
use courant_protocol::messages::{AnyResponse, DescribeProducersRequest};
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::Offset;
use courant_protocol::wire::Reader;
use support::reading::{aborted, committed_from, fetch_from, fetched, listed, offsets};
use support::{Client, START, batch, produce, produced, sealed, virtual_world};
use tokio::time::Instant;

const LATEST: i64 = -1;
const MAX_TIMESTAMP: i64 = -3;

fn cluster() -> MockCluster {
    MockCluster::builder().brokers(2).topic("orders", 1).world(virtual_world()).seed(5).build().unwrap()
}

/// Writes `count` records inside the producer's transaction; gives the first offset.
fn write(cluster: &MockCluster, producer: ProducerIdAndEpoch, count: usize) -> i64 {
    let batch = sealed(START, &vec!["value"; count], Codec::None);
    cluster.append_transactional(producer, "orders", 0, &batch).unwrap().0
}

fn end(cluster: &MockCluster, producer: ProducerIdAndEpoch, result: TransactionResult) -> i64 {
    cluster.append_marker(producer, "orders", 0, result).unwrap().0
}

fn a() -> ProducerIdAndEpoch {
    ProducerIdAndEpoch::new(1, 0)
}

fn b() -> ProducerIdAndEpoch {
    ProducerIdAndEpoch::new(2, 0)
}

async fn producers(client: &mut Client) -> Vec<ProducerState> {
    let topics =
        vec![TopicRequest { name: "orders".into(), partition_indexes: vec![0], ..Default::default() }];
    let request = DescribeProducersRequest { topics, ..Default::default() };
    client.call(&request, 0).await.topics.remove(0).partitions.remove(0).active_producers
}

#[tokio::test(start_paused = true)]
async fn readers_of_committed_records_stop_at_the_first_open_transaction() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    assert_eq!(write(&cluster, a(), 2), 0);
    assert_eq!(write(&cluster, b(), 1), 2);
    let data = fetched(&mut client, &committed_from(0)).await;
    assert_eq!((offsets(&data), data.high_watermark, data.last_stable_offset), (vec![], 3, 0));
    assert_eq!(offsets(&fetched(&mut client, &fetch_from(0)).await), [0, 1, 2]);

    assert_eq!(end(&cluster, a(), Commit), 3);
    let data = fetched(&mut client, &committed_from(0)).await;
    assert_eq!((offsets(&data), aborted(&data), data.last_stable_offset), (vec![0, 1], vec![], 2));
    assert_eq!(listed(&mut client, LATEST, 1).await, (0, 2));
    assert_eq!(listed(&mut client, LATEST, 0).await, (0, 4));
    assert_eq!(listed(&mut client, START.0, 1).await, (0, 0));

    assert_eq!(end(&cluster, b(), Abort), 4);
    let data = fetched(&mut client, &committed_from(0)).await;
    assert_eq!((offsets(&data), aborted(&data)), (vec![0, 1, 2, 3, 4], vec![(2, 2)]));
    assert_eq!(listed(&mut client, LATEST, 1).await, (0, 5));
}

#[tokio::test(start_paused = true)]
async fn a_time_behind_the_last_stable_offset_is_not_found() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1);
    assert_eq!(listed(&mut client, START.0, 1).await, (0, -1));
    assert_eq!(listed(&mut client, MAX_TIMESTAMP, 1).await, (0, -1));
    assert_eq!(listed(&mut client, START.0, 0).await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn interleaved_aborted_transactions_come_in_the_order_of_their_markers() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1);
    write(&cluster, b(), 1);
    end(&cluster, b(), Abort);
    end(&cluster, a(), Abort);
    write(&cluster, a(), 1);
    end(&cluster, a(), Commit);
    let data = fetched(&mut client, &committed_from(0)).await;
    assert_eq!(aborted(&data), [(2, 1), (1, 0)]);
    assert_eq!(aborted(&fetched(&mut client, &committed_from(3)).await), [(1, 0)], "b ended before");
    assert_eq!(aborted(&fetched(&mut client, &committed_from(4)).await), []);
    assert_eq!(fetched(&mut client, &fetch_from(0)).await.aborted_transactions, None);
}

/// Without an index entry behind what was read, Kafka takes the read to go to the segment's end.
#[tokio::test(start_paused = true)]
async fn a_short_read_is_told_of_what_the_index_cannot_tell_apart() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = committed_from(0);
    request.topics[0].partitions[0].partition_max_bytes = 1;
    write(&cluster, a(), 1);
    end(&cluster, a(), Abort);
    let second = write(&cluster, b(), 1);
    end(&cluster, b(), Abort);
    let data = fetched(&mut client, &request).await;
    assert_eq!((offsets(&data), aborted(&data)), (vec![0], vec![(1, 0), (2, second)]));
    for _ in 0..200 {
        write(&cluster, a(), 1);
    }
    end(&cluster, a(), Abort);
    let far = write(&cluster, b(), 1);
    end(&cluster, b(), Abort);
    let data = fetched(&mut client, &request).await;
    assert_eq!(aborted(&data), [(1, 0), (2, second), (1, second + 2)]);
    request.topics[0].partitions[0].partition_max_bytes = 1 << 20;
    assert!(aborted(&fetched(&mut client, &request).await).contains(&(2, far)));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_and_told_of_aborted_transactions_ends_with_the_segment() {
    let cluster = MockCluster::builder()
        .topic_with("orders", 1, None, [("segment.ms", "1000"), ("retention.ms", "-1")])
        .world(virtual_world())
        .build()
        .unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1); // 0
    tokio::time::advance(Duration::from_secs(2)).await;
    end(&cluster, ProducerIdAndEpoch::new(3, 0), Commit); // 1, in a segment of its own
    write(&cluster, b(), 1); // 2
    end(&cluster, a(), Abort); // 3
    end(&cluster, b(), Abort); // 4
    let mut request = committed_from(0);
    (request.min_bytes, request.max_wait_ms) = (1000, 60_000);
    let begun = Instant::now();
    let data = fetched(&mut client, &request).await;
    assert_eq!((offsets(&data), aborted(&data)), (vec![0], vec![(1, 0)]));
    assert_eq!(begun.elapsed(), Duration::ZERO, "a segment that is closed is not waited for");
    let data = fetched(&mut client, &committed_from(1)).await;
    assert_eq!((offsets(&data), aborted(&data)), (vec![1, 2, 3, 4], vec![(1, 0), (2, 2)]));
}

#[tokio::test(start_paused = true)]
async fn the_aborted_list_comes_in_any_order_where_a_test_wants_it() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    for id in 0..20 {
        let producer = ProducerIdAndEpoch::new(id, 0);
        write(&cluster, producer, 1);
        end(&cluster, producer, Abort);
    }
    let in_order = aborted(&fetched(&mut client, &committed_from(0)).await);
    cluster.shuffle_aborted_transactions(true);
    let mut shuffled = aborted(&fetched(&mut client, &committed_from(0)).await);
    assert_ne!(shuffled, in_order);
    shuffled.sort_unstable();
    assert_eq!(shuffled, in_order);
}

#[tokio::test(start_paused = true)]
async fn producers_are_described_with_what_they_have_open() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 3);
    end(&cluster, a(), Commit);
    let open = write(&cluster, a(), 2);
    end(&cluster, ProducerIdAndEpoch::new(2, 4), Abort);
    let described: Vec<_> = producers(&mut client)
        .await
        .iter()
        .map(|seen| {
            (
                seen.producer_id,
                seen.producer_epoch,
                seen.last_sequence,
                seen.coordinator_epoch,
                seen.current_txn_start_offset,
            )
        })
        .collect();
    assert_eq!(described, [(1, 0, 4, 0, open), (2, 4, -1, 0, -1)]);
    assert_eq!(
        cluster.last_stable_offset("orders", 0),
        Some(Offset(open)),
        "an empty one holds nothing back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_a_newer_epoch_fences_the_producer() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1);
    end(&cluster, ProducerIdAndEpoch::new(1, 1), Abort);
    let data = fetched(&mut client, &committed_from(0)).await;
    assert_eq!(aborted(&data), [(1, 0)]);
    let batch = sealed(START, &["late"], Codec::None);
    let refused = cluster.append_transactional(a(), "orders", 0, &batch).unwrap_err().to_string();
    assert!(refused.contains("smaller than the last seen epoch"), "{refused}");
    assert!(cluster.append_marker(a(), "orders", 0, Commit).is_err());
    assert!(cluster.append_marker(a(), "orders", 7, Commit).is_err());
    write(&cluster, ProducerIdAndEpoch::new(1, 1), 1);
    assert_eq!(producers(&mut client).await[0].last_sequence, 0, "the new epoch begins with sequence 0");
}

#[tokio::test(start_paused = true)]
async fn a_plain_batch_of_a_producer_is_refused_inside_its_transaction_and_taken_after_it() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1);
    let plain = || produce("orders", 0, batch(&["plain"], Some((1, 0, 1)), Codec::None));
    let invalid_txn_state = 48;
    assert_eq!(produced(&client.call(&plain(), 9).await), (invalid_txn_state, -1));
    end(&cluster, a(), Abort);
    assert_eq!(produced(&client.call(&plain(), 9).await), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_reader_of_committed_records_is_woken_by_the_marker() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    let mut request = committed_from(0);
    request.max_wait_ms = 60_000;
    write(&cluster, a(), 1);
    client.send(&request, 12).await;
    let begun = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        write(&cluster, b(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        end(&cluster, a(), Commit);
    };
    let (response, ()) = tokio::join!(client.receive::<courant_protocol::messages::FetchRequest>(12), later);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(offsets(&response.unwrap().responses[0].partitions[0]), [0]);
}

#[tokio::test(start_paused = true)]
async fn an_open_transaction_outlives_its_deleted_records() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1);
    write(&cluster, b(), 1);
    end(&cluster, b(), Abort);
    cluster.delete_records("orders", 0, Offset(1)).unwrap();
    assert_eq!(cluster.last_stable_offset("orders", 0), Some(Offset(1)), "where the log begins");
    assert_eq!(producers(&mut client).await[0].current_txn_start_offset, 0);
    end(&cluster, a(), Abort);
    let data = fetched(&mut client, &committed_from(1)).await;
    assert_eq!((offsets(&data), aborted(&data)), (vec![1, 2, 3], vec![(2, 1), (1, 0)]));
    cluster.delete_records("orders", 0, Offset(3)).unwrap();
    assert_eq!(aborted(&fetched(&mut client, &committed_from(3)).await), [(1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_loses_the_marker_has_the_transaction_open_again() {
    let cluster = cluster();
    let mut client = Client::connect(&cluster, 1).await;
    write(&cluster, a(), 1);
    write(&cluster, b(), 1);
    end(&cluster, a(), Commit);
    end(&cluster, b(), Abort);
    cluster.truncate("orders", 0, Offset(2)).unwrap();
    assert_eq!(cluster.last_stable_offset("orders", 0), Some(Offset(0)));
    let open: Vec<_> =
        producers(&mut client).await.iter().map(|seen| seen.current_txn_start_offset).collect();
    assert_eq!(open, [0, 1]);
    end(&cluster, a(), Abort);
    end(&cluster, b(), Commit);
    assert_eq!(aborted(&fetched(&mut client, &committed_from(0)).await), [(1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn compaction_drops_what_was_aborted_and_stops_at_an_open_transaction() {
    let builder = MockCluster::builder().topic_with("orders", 1, None, [("cleanup.policy", "compact")]);
    let cluster = builder.world(virtual_world()).build().unwrap();
    let mut client = Client::connect(&cluster, 1).await;
    // All records have one key.
    write(&cluster, a(), 2); // 0, 1
    end(&cluster, a(), Commit); // 2
    write(&cluster, b(), 2); // 3, 4: later than the committed ones, and void
    end(&cluster, b(), Abort); // 5
    write(&cluster, a(), 1); // 6: open
    write(&cluster, b(), 1); // 7
    end(&cluster, b(), Commit); // 8
    cluster.run_compaction();
    let data = fetched(&mut client, &fetch_from(0)).await;
    let records: Vec<i32> = Batches::new(data.records.unwrap().into_bytes(), ReadOptions::default())
        .map(|batch| batch.unwrap().header().count)
        .collect();
    // Of the first batch the second record, and nothing of the aborted one.
    assert_eq!(records, [1, 1, 1, 1, 1, 1]);
    assert_eq!(cluster.last_stable_offset("orders", 0), Some(Offset(6)));
    let data = fetched(&mut client, &committed_from(0)).await;
    assert_eq!(aborted(&data), [(2, 3)]);
}

/// What brokers 3.9.2 answered to readers of committed records, and the logs that they read from.
#[tokio::test(start_paused = true)]
async fn aborted_transactions_are_listed_as_kafka_lists_them() {
    let mut text = String::new();
    let file = &include_bytes!("golden/aborted-transactions.jsonl.gz")[..];
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut compared = 0;
    for line in text.lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let hex = json["hex"].as_str().unwrap();
        let frame: Vec<u8> =
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
        let version = i16::try_from(json["version"].as_i64().unwrap()).unwrap();
        let mut reader = Reader::new(frame.into());
        decode_response_header(&mut reader, ApiKey::Fetch, version).unwrap();
        let AnyResponse::Fetch(recorded) = AnyResponse::decode(ApiKey::Fetch, version, &mut reader).unwrap()
        else {
            unreachable!()
        };
        for wanted in recorded.responses.iter().flat_map(|topic| &topic.partitions) {
            let records = wanted.records.clone().unwrap_or_default();
            if records.is_empty() {
                continue;
            }
            let cluster = cluster();
            let first = cluster.append_raw("orders", 0, records.into_bytes()).unwrap();
            if cluster.log_end("orders", 0) != Some(Offset(wanted.high_watermark)) {
                continue;
            }
            let mut client = Client::connect(&cluster, 1).await;
            let got = fetched(&mut client, &committed_from(first.0)).await;
            assert_eq!(aborted(&got), aborted(wanted), "{} {}", json["client"], json["broker"]);
            assert_eq!(got.last_stable_offset, wanted.last_stable_offset);
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}
