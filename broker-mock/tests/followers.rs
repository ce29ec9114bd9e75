//! Followers that lag, readers that are sent to them, and what is left of a log that one of them comes to lead.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_broker_mock::{MockCluster, ProducerIdAndEpoch, TransactionResult};
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::FetchRequest;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset};
use support::reading::{aborted, committed_from, epoch_end, fetch_from, fetched, listed, offsets};
use support::{Client, START, batch, produce, produced, sealed, virtual_world};

const LEADER: NodeId = NodeId(1);
const FOLLOWER: NodeId = NodeId(2);
const THIRD: NodeId = NodeId(3);
const LATEST: i64 = -1;

/// Brokers 1 (rack a), 2 and 3 (rack b) hold `orders`; the first leads it.
fn cluster(change: &[(&str, &str)]) -> MockCluster {
    let builder = MockCluster::builder().brokers(3).racks(["a", "b", "b"]).world(virtual_world());
    let builder = change.iter().fold(builder, |builder, (name, value)| builder.config(*name, *value));
    builder.topic_with("orders", 1, Some(3), [("retention.ms", "-1")]).build().unwrap()
}

fn rack_aware() -> MockCluster {
    cluster(&[("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector")])
}

fn append(cluster: &MockCluster, count: usize) {
    for _ in 0..count {
        cluster.append_raw("orders", 0, batch(&["value"], None, Codec::None)).unwrap();
    }
}

fn from_rack(rack: &str, offset: i64) -> FetchRequest {
    FetchRequest { rack_id: rack.into(), ..fetch_from(offset) }
}

fn high_watermarks(cluster: &MockCluster) -> [i64; 3] {
    [LEADER, FOLLOWER, THIRD].map(|node| cluster.high_watermark("orders", 0, node).unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn a_follower_in_sync_holds_back_the_high_watermark_until_it_follows_or_is_out() {
    let cluster = cluster(&[]);
    append(&cluster, 2);
    cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
    append(&cluster, 3);
    assert_eq!(high_watermarks(&cluster), [2, 2, 2]);
    let mut leader = Client::connect(&cluster, 1).await;
    let data = fetched(&mut leader, &fetch_from(0)).await;
    assert_eq!((offsets(&data), data.high_watermark), (vec![0, 1], 2));
    assert_eq!(listed(&mut leader, LATEST, 0).await, (0, 2));
    cluster.set_in_sync("orders", 0, FOLLOWER, false).unwrap();
    assert_eq!(high_watermarks(&cluster), [5, 2, 5]);
    let refused = cluster.set_in_sync("orders", 0, FOLLOWER, true).unwrap_err().to_string();
    assert!(refused.contains("lacks records below the high watermark"), "{refused}");
    cluster.release_follower("orders", 0, FOLLOWER).unwrap();
    cluster.set_in_sync("orders", 0, FOLLOWER, true).unwrap();
    assert_eq!(high_watermarks(&cluster), [5, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_serves_what_it_has_up_to_its_own_high_watermark() {
    let cluster = cluster(&[]);
    append(&cluster, 6);
    cluster.set_follower("orders", 0, FOLLOWER, Offset(4), Offset(2)).unwrap();
    let mut follower = Client::connect(&cluster, 2).await;
    for (offset, error, found) in [
        (0, ErrorCode::NONE, vec![0, 1]),
        (2, ErrorCode::NONE, vec![]),
        (4, ErrorCode::NONE, vec![]),
        (5, ErrorCode::OFFSET_OUT_OF_RANGE, vec![]),
    ] {
        let data = fetched(&mut follower, &fetch_from(offset)).await;
        assert_eq!((data.error_code, offsets(&data)), (error.0, found), "from {offset}");
    }
    assert_eq!(fetched(&mut follower, &fetch_from(0)).await.high_watermark, 2);
    let error = fetched(&mut Client::connect(&cluster, 3).await, &fetch_from(5)).await;
    assert_eq!(offsets(&error), [5], "who does not lag has everything");
    assert_eq!(listed(&mut follower, LATEST, 0).await.0, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
}

#[tokio::test(start_paused = true)]
async fn a_follower_out_of_sync_still_serves() {
    let cluster = cluster(&[]);
    append(&cluster, 2);
    cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
    cluster.set_in_sync("orders", 0, FOLLOWER, false).unwrap();
    append(&cluster, 2);
    let mut follower = Client::connect(&cluster, 2).await;
    assert_eq!(offsets(&fetched(&mut follower, &fetch_from(0)).await), [0, 1]);
    // Versions before KIP-392 are served by leaders only.
    let old = follower.call(&fetch_from(0), 10).await;
    assert_eq!(old.responses[0].partitions[0].error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
}

#[tokio::test(start_paused = true)]
async fn a_follower_knows_only_the_transactions_that_it_has() {
    let cluster = cluster(&[]);
    let write = |id: i64| {
        let batch = sealed(START, &["value"], Codec::None);
        cluster.append_transactional(ProducerIdAndEpoch::new(id, 0), "orders", 0, &batch).unwrap();
    };
    let abort = |id: i64| {
        let producer = ProducerIdAndEpoch::new(id, 0);
        cluster.append_marker(producer, "orders", 0, TransactionResult::Abort).unwrap();
    };
    write(1);
    abort(1);
    write(2);
    write(3);
    abort(2);
    abort(3);
    let mut follower = Client::connect(&cluster, 2).await;
    for (log_end, high_watermark, stable, list) in [
        (6, 6, 6, vec![(1, 0), (2, 2), (3, 3)]),
        (6, 5, 3, vec![(1, 0), (2, 2), (3, 3)]),
        (5, 5, 3, vec![(1, 0), (2, 2)]),
        (5, 3, 2, vec![(1, 0), (2, 2)]),
        (4, 4, 2, vec![(1, 0)]),
    ] {
        cluster.set_follower("orders", 0, FOLLOWER, Offset(log_end), Offset(high_watermark)).unwrap();
        let data = fetched(&mut follower, &committed_from(0)).await;
        assert_eq!((data.last_stable_offset, aborted(&data)), (stable, list), "{log_end} {high_watermark}");
        assert_eq!(offsets(&data), (0..stable).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_sent_to_the_replica_of_its_rack_that_has_come_furthest() {
    let cluster = rack_aware();
    append(&cluster, 4);
    let mut leader = Client::connect(&cluster, 1).await;
    cluster.set_follower("orders", 0, THIRD, Offset(4), Offset(3)).unwrap();
    cluster.set_follower("orders", 0, FOLLOWER, Offset(4), Offset(2)).unwrap();
    append(&cluster, 2);
    cluster.set_follower("orders", 0, THIRD, Offset(5), Offset(3)).unwrap();
    for (rack, offset, replica) in
        [("b", 0, 3), ("b", 5, 3), ("b", 6, -1), ("a", 0, -1), ("", 0, -1), ("c", 0, -1)]
    {
        let data = fetched(&mut leader, &from_rack(rack, offset)).await;
        assert_eq!(data.preferred_read_replica, replica, "rack {rack} from {offset}");
        assert_eq!(
            offsets(&data).is_empty(),
            replica != -1 || offset > 3,
            "nothing comes with a replica's name"
        );
        assert_eq!(data.high_watermark, 4);
    }
    cluster.set_in_sync("orders", 0, THIRD, false).unwrap();
    assert_eq!(fetched(&mut leader, &from_rack("b", 0)).await.preferred_read_replica, 2);
    cluster.set_in_sync("orders", 0, FOLLOWER, false).unwrap();
    assert_eq!(fetched(&mut leader, &from_rack("b", 0)).await.preferred_read_replica, -1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_anywhere_without_the_rack_aware_selector() {
    let cluster = cluster(&[]);
    append(&cluster, 1);
    let data = fetched(&mut Client::connect(&cluster, 1).await, &from_rack("b", 0)).await;
    assert_eq!((data.preferred_read_replica, offsets(&data)), (-1, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_laggard_that_comes_to_lead_cuts_the_log_and_the_epochs() {
    let cluster = cluster(&[]);
    append(&cluster, 3);
    cluster.move_leader("orders", 0, THIRD).unwrap();
    append(&cluster, 1);
    cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
    cluster.set_in_sync("orders", 0, FOLLOWER, false).unwrap();
    append(&cluster, 4);
    cluster.move_leader("orders", 0, LEADER).unwrap();
    append(&cluster, 1);
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(9)));

    cluster.move_leader("orders", 0, FOLLOWER).unwrap();
    assert_eq!(cluster.log_end("orders", 0), Some(Offset(4)));
    assert_eq!(cluster.leader_epoch("orders", 0), Some(LeaderEpoch(3)));
    append(&cluster, 2);
    assert_eq!(high_watermarks(&cluster), [6, 6, 6], "the others have cut their logs and follow");
    let mut leader = Client::connect(&cluster, 2).await;
    for (asked, epoch, end) in [(3, 3, 6), (2, 1, 4), (1, 1, 4), (0, 0, 3), (4, -1, -1)] {
        let answer = epoch_end(&mut leader, 3, asked).await;
        assert_eq!((answer.error_code, answer.leader_epoch, answer.end_offset), (0, epoch, end), "{asked}");
    }
    assert_eq!(epoch_end(&mut leader, 2, 1).await.error_code, ErrorCode::FENCED_LEADER_EPOCH.0);
    assert_eq!(epoch_end(&mut leader, 4, 1).await.error_code, ErrorCode::UNKNOWN_LEADER_EPOCH.0);
    let epochs: Vec<i32> = cluster.log("orders", 0).iter().map(|batch| batch.header.leader_epoch.0).collect();
    assert_eq!(epochs, [0, 0, 0, 1, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_names_its_last_epoch_is_told_where_the_logs_part() {
    let cluster = cluster(&[]);
    append(&cluster, 2);
    cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
    cluster.set_in_sync("orders", 0, FOLLOWER, false).unwrap();
    append(&cluster, 3);
    cluster.move_leader("orders", 0, FOLLOWER).unwrap();
    append(&cluster, 5);
    let mut leader = Client::connect(&cluster, 2).await;
    let after = |offset: i64, last_fetched_epoch: i32| {
        let mut request = fetch_from(offset);
        request.topics[0].partitions[0].last_fetched_epoch = last_fetched_epoch;
        request
    };
    let data = fetched(&mut leader, &after(5, 0)).await;
    assert_eq!((data.diverging_epoch.epoch, data.diverging_epoch.end_offset), (0, 2));
    assert!(offsets(&data).is_empty());
    let data = fetched(&mut leader, &after(2, 0)).await;
    assert_eq!((data.diverging_epoch.end_offset, offsets(&data).first()), (-1, Some(&2)));
    let unknown = fetched(&mut leader, &after(3, 7)).await;
    assert_eq!(unknown.error_code, ErrorCode::OFFSET_OUT_OF_RANGE.0, "an epoch that nobody has seen");
}

#[tokio::test(start_paused = true)]
async fn a_producer_goes_on_where_the_cut_log_left_it() {
    let cluster = cluster(&[]);
    let mut first = Client::connect(&cluster, 1).await;
    let send = |sequence: i32| produce("orders", 0, batch(&["value"], Some((9, 0, sequence)), Codec::None));
    for sequence in 0..8 {
        if sequence == 2 {
            cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
            cluster.set_in_sync("orders", 0, FOLLOWER, false).unwrap();
        }
        assert_eq!(produced(&first.call(&send(sequence), 9).await), (0, i64::from(sequence)));
    }
    cluster.move_leader("orders", 0, FOLLOWER).unwrap();
    let mut second = Client::connect(&cluster, 2).await;
    let out_of_order = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0;
    assert_eq!(produced(&second.call(&send(8), 9).await), (out_of_order, -1));
    assert_eq!(produced(&second.call(&send(1), 9).await), (0, 1), "a twin of what is left");
    assert_eq!(produced(&second.call(&send(2), 9).await), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_names_no_end_before_the_replicas_have_its_epoch() {
    let cluster = cluster(&[]);
    append(&cluster, 1);
    cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
    append(&cluster, 1);
    cluster.move_leader("orders", 0, THIRD).unwrap();
    let mut leader = Client::connect(&cluster, 3).await;
    assert_eq!(listed(&mut leader, LATEST, 0).await.0, ErrorCode::OFFSET_NOT_AVAILABLE.0);
    assert_eq!(offsets(&fetched(&mut leader, &fetch_from(0)).await), [0]);
    cluster.release_follower("orders", 0, FOLLOWER).unwrap();
    assert_eq!(listed(&mut leader, LATEST, 0).await, (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_comes_back_has_caught_up() {
    let cluster = cluster(&[]);
    cluster.hold_follower("orders", 0, FOLLOWER).unwrap();
    append(&cluster, 2);
    assert_eq!(high_watermarks(&cluster), [0, 0, 0]);
    cluster.crash(FOLLOWER).unwrap();
    assert_eq!(high_watermarks(&cluster), [2, 0, 2], "who is down is not in sync");
    cluster.restart(FOLLOWER).unwrap();
    assert_eq!(high_watermarks(&cluster), [2, 2, 2]);
}

#[test]
fn what_cannot_be_is_refused() {
    let cluster = cluster(&[]);
    append(&cluster, 2);
    for node in [LEADER, NodeId(9)] {
        assert!(cluster.hold_follower("orders", 0, node).is_err(), "{node}");
    }
    assert!(cluster.hold_follower("orders", 4, FOLLOWER).is_err());
    for (log_end, high_watermark) in [(3, 0), (1, 2), (2, -1)] {
        let set = cluster.set_follower("orders", 0, FOLLOWER, Offset(log_end), Offset(high_watermark));
        assert!(set.is_err(), "{log_end} {high_watermark}");
    }
    assert_eq!(cluster.replicas("orders", 0), [LEADER, FOLLOWER, THIRD]);
}
