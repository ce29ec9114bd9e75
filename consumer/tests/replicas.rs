//! Followers that lag and leaders that have lost records: nothing is skipped, nothing is read twice, and a loss is told.
#![allow(clippy::unwrap_used, reason = "a test panics")]
mod batches;
mod world;

use batches::Spec;
use courant_broker_mock::{Fault, MockCluster};
use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerBuilder, ErrorKind, OffsetReset};
use courant_protocol::api::ApiKey;
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::{NodeId, Offset, TopicPartition};
use world::{cluster, connect, ms, poll, requests_of, run};

const LEADER: NodeId = NodeId(1);
const FOLLOWER: NodeId = NodeId(2);

/// Topic `b` with one partition on brokers 1 (rack x, the leader), 2 and 3 (rack y), and readers sent to their rack.
fn racks() -> MockCluster {
    let cluster = cluster(|builder| {
        let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        let builder = builder.racks(["x", "y", "y"]).config("replica.selector.class", selector);
        builder.topic_with("b", 1, Some(3), [("retention.ms", "-1")])
    });
    cluster.move_leader("b", 0, LEADER).unwrap();
    cluster.set_in_sync("b", 0, NodeId(3), false).unwrap();
    cluster
}

fn append(cluster: &MockCluster, count: i64) {
    for _ in 0..count {
        let end = cluster.log_end("b", 0).unwrap().0;
        cluster.append_raw("b", 0, Spec::at(end).records(1).bytes()).unwrap();
    }
}

fn reader(kafka: &Kafka) -> ConsumerBuilder {
    Consumer::builder(kafka).assign([("b", 0)]).auto_offset_reset("earliest")
}

/// Polls until so many offsets have come; none comes twice or out of order.
async fn offsets(consumer: &mut Consumer, count: usize) -> Vec<i64> {
    let mut got = Vec::new();
    while got.len() < count {
        got.extend(poll(consumer).await.unwrap());
    }
    got
}

/// Who was fetched from, in order, without repetitions.
fn asked(cluster: &MockCluster) -> Vec<i32> {
    let fetches = cluster.request_log().into_iter().filter(|logged| logged.api == ApiKey::Fetch);
    let names_partition = |request: &AnyRequest| match request {
        AnyRequest::Fetch(fetch) => !fetch.topics.is_empty(),
        _ => false,
    };
    let mut nodes: Vec<i32> =
        fetches.filter(|logged| names_partition(&logged.request)).map(|logged| logged.node.0).collect();
    nodes.dedup();
    nodes
}

#[test]
fn a_follower_in_the_readers_rack_is_read_as_far_as_it_has_come() {
    run(async {
        let cluster = racks();
        append(&cluster, 6);
        cluster.set_follower("b", 0, FOLLOWER, Offset(6), Offset(3)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).client_rack("y").start().await.unwrap();
        assert_eq!(offsets(&mut consumer, 3).await, [0, 1, 2]);
        tokio::time::timeout(ms(5000), consumer.poll()).await.unwrap_err();
        assert_eq!(consumer.position(("b", 0)).await.unwrap(), Offset(3), "nothing is skipped");
        cluster.set_follower("b", 0, FOLLOWER, Offset(6), Offset(5)).unwrap();
        assert_eq!(offsets(&mut consumer, 2).await, [3, 4]);
        append(&cluster, 2);
        cluster.release_follower("b", 0, FOLLOWER).unwrap();
        assert_eq!(offsets(&mut consumer, 3).await, [5, 6, 7]);
        assert_eq!(asked(&cluster), [1, 2], "the leader was asked once, and named the follower");
        assert_eq!(requests_of(&cluster, ApiKey::ListOffsets), 1, "only to find the beginning");
    });
}

#[test]
fn a_follower_that_has_fallen_behind_the_position_is_left_for_the_leader_without_a_reset() {
    run(async {
        let cluster = racks();
        append(&cluster, 4);
        let kafka = connect(&cluster).await;
        let mut consumer =
            reader(&kafka).client_rack("y").offset_reset(OffsetReset::None).start().await.unwrap();
        consumer.seek(("b", 0), 0).unwrap();
        assert_eq!(offsets(&mut consumer, 4).await, [0, 1, 2, 3]);
        // It has lost its disk, so to speak, and is out of sync.
        cluster.set_follower("b", 0, FOLLOWER, Offset(2), Offset(2)).unwrap();
        append(&cluster, 2);
        assert_eq!(offsets(&mut consumer, 2).await, [4, 5]);
        assert_eq!(asked(&cluster), [1, 2, 1]);
        assert_eq!(requests_of(&cluster, ApiKey::ListOffsets), 0, "nothing was reset");
    });
}

#[test]
fn a_follower_that_cannot_be_reached_is_left_for_the_leader() {
    run(async {
        let cluster = racks();
        append(&cluster, 2);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).client_rack("y").start().await.unwrap();
        assert_eq!(offsets(&mut consumer, 2).await, [0, 1]);
        cluster.crash(FOLLOWER).unwrap();
        append(&cluster, 2);
        assert_eq!(offsets(&mut consumer, 2).await, [2, 3]);
    });
}

/// The leader in office has everything, the next one lacks what came after the first four records.
fn loses_all_but_four(cluster: &MockCluster, lost: i64) {
    append(cluster, 4);
    cluster.hold_follower("b", 0, FOLLOWER).unwrap();
    cluster.set_in_sync("b", 0, FOLLOWER, false).unwrap();
    append(cluster, lost);
}

#[test]
fn an_unclean_leader_is_read_on_from_where_the_logs_part() {
    run(async {
        let cluster = racks();
        loses_all_but_four(&cluster, 4);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).auto_offset_reset("latest").start().await.unwrap();
        consumer.seek(("b", 0), 0).unwrap();
        assert_eq!(offsets(&mut consumer, 8).await, [0, 1, 2, 3, 4, 5, 6, 7]);
        cluster.move_leader("b", 0, FOLLOWER).unwrap();
        append(&cluster, 6);
        // Whatever the policy: not from the log's end, as an offset out of range would be.
        assert_eq!(offsets(&mut consumer, 6).await, [4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn an_unclean_leader_is_told_with_the_offset_where_the_logs_part() {
    run(async {
        let cluster = racks();
        loses_all_but_four(&cluster, 2);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).offset_reset(OffsetReset::None).start().await.unwrap();
        consumer.seek(("b", 0), 0).unwrap();
        assert_eq!(offsets(&mut consumer, 6).await, [0, 1, 2, 3, 4, 5]);
        cluster.move_leader("b", 0, FOLLOWER).unwrap();
        // The new log is longer than what was read, so that no offset is out of range.
        append(&cluster, 10);
        let error = consumer.poll().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LogTruncated);
        assert_eq!(error.topic_partition(), Some(&TopicPartition::new("b", 0)));
        assert_eq!((error.offset(), error.resume_at()), (Some(Offset(6)), Some(Offset(4))));
        consumer.seek(("b", 0), error.resume_at().unwrap()).unwrap();
        assert_eq!(offsets(&mut consumer, 10).await, (4..14).collect::<Vec<_>>());
    });
}

#[test]
fn a_committed_offset_behind_the_cut_is_noticed_by_its_epoch() {
    run(async {
        let cluster = racks();
        loses_all_but_four(&cluster, 2);
        let kafka = connect(&cluster).await;
        let mut first = reader(&kafka).group("g").start().await.unwrap();
        offsets(&mut first, 6).await;
        first.commit().await.unwrap();
        first.close(ms(5000)).await.unwrap();
        cluster.move_leader("b", 0, FOLLOWER).unwrap();
        append(&cluster, 10);
        let mut next = reader(&kafka).group("g").start().await.unwrap();
        assert_eq!(poll(&mut next).await.unwrap().first(), Some(&4), "not 6, and not 0");
        let mut strict = reader(&kafka).group("g").offset_reset(OffsetReset::None).start().await.unwrap();
        let error = strict.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.resume_at()), (ErrorKind::LogTruncated, Some(Offset(4))));
    });
}

#[test]
fn a_clean_leader_is_read_on_from_without_a_word() {
    run(async {
        let cluster = racks();
        append(&cluster, 4);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).offset_reset(OffsetReset::None).start().await.unwrap();
        consumer.seek(("b", 0), 0).unwrap();
        offsets(&mut consumer, 4).await;
        cluster.move_leader("b", 0, FOLLOWER).unwrap();
        append(&cluster, 2);
        assert_eq!(offsets(&mut consumer, 2).await, [4, 5]);
    });
}

/// A leader whose epochs were cleaned away answers -1, -1 (KAFKA-8723): that proves nothing.
#[test]
fn a_leader_that_does_not_know_the_epoch_is_read_on_from() {
    run(async {
        let cluster = racks();
        append(&cluster, 4);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).offset_reset(OffsetReset::None).start().await.unwrap();
        consumer.seek(("b", 0), 0).unwrap();
        offsets(&mut consumer, 4).await;
        // An offset with an epoch that the log has never seen: the application's, or of a log that was restored.
        let unknown = courant_consumer::OffsetAndMetadata::after(Offset(4), 7.into());
        consumer.seek(("b", 0), unknown).unwrap();
        append(&cluster, 2);
        assert_eq!(offsets(&mut consumer, 2).await, [4, 5]);
        assert_eq!(requests_of(&cluster, ApiKey::OffsetForLeaderEpoch), 1);
    });
}

#[test]
fn trouble_while_a_position_is_checked_neither_skips_nor_resets() {
    run(async {
        let cluster = racks();
        append(&cluster, 4);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).offset_reset(OffsetReset::None).start().await.unwrap();
        consumer.seek(("b", 0), 0).unwrap();
        offsets(&mut consumer, 4).await;
        cluster.inject(Fault::on(ApiKey::OffsetForLeaderEpoch).times(3).cut_before());
        cluster.move_leader("b", 0, FOLLOWER).unwrap();
        append(&cluster, 1);
        assert_eq!(offsets(&mut consumer, 1).await, [4]);
        assert_eq!(cluster.faults_left(), 0);
    });
}

#[test]
fn a_new_leader_that_cannot_name_its_end_yet_is_asked_again() {
    run(async {
        let cluster = racks();
        append(&cluster, 1);
        cluster.hold_follower("b", 0, FOLLOWER).unwrap();
        append(&cluster, 1);
        cluster.move_leader("b", 0, NodeId(3)).unwrap();
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).auto_offset_reset("latest").start().await.unwrap();
        let release = async {
            kafka.world().sleep(ms(3000)).await;
            cluster.release_follower("b", 0, FOLLOWER).unwrap();
        };
        let (position, ()) = tokio::join!(consumer.position(("b", 0)), release);
        assert_eq!(position.unwrap(), Offset(2), "not 1, where the high watermark stood");
        assert!(requests_of(&cluster, ApiKey::ListOffsets) > 1);
    });
}
