//! Records of partitions, asked from their leaders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use bytes::{Bytes, BytesMut};
use courant_admin::{DeleteBefore, ErrorKind, IsolationLevel, ListedOffset, OffsetSpec};
use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::AnyRequest;
use courant_protocol::record::{BatchWriter, NO_HEADERS, Stamp, WriterOptions};
use courant_protocol::types::{NodeId, Offset, TopicPartition, UnixMillis};
use world::{admin, asked, cluster, ms, run};

/// A batch with a record at each of these times.
fn batch(timestamps: &[i64], base_offset: i64) -> Bytes {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for timestamp in timestamps {
        writer.append(UnixMillis(*timestamp), None, Some(b"v"), NO_HEADERS).unwrap();
    }
    let batch = writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap();
    batch.to_bytes(&Stamp::default().at(Offset(base_offset), 0.into()))
}

/// Three records in each partition of `orders`.
fn filled() -> MockCluster {
    let cluster = cluster(|builder| builder);
    for partition in 0..3 {
        cluster.append_raw("orders", partition, batch(&[1_000, 3_000, 2_000], 0)).unwrap();
    }
    cluster
}

fn offsets(found: &[(TopicPartition, ListedOffset)]) -> Vec<Option<i64>> {
    found.iter().map(|(_, listed)| listed.offset.map(|offset| offset.0)).collect()
}

#[test]
fn offsets_are_found_at_the_ends_and_by_time() {
    run(async {
        let cluster = filled();
        let admin = admin(&cluster).await;
        let wanted = [
            (("orders", 0), OffsetSpec::Earliest),
            (("orders", 1), OffsetSpec::Latest),
            (("orders", 2), OffsetSpec::ForTimestamp(UnixMillis(2_500))),
        ];
        let found = admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await.all().unwrap();
        assert_eq!(offsets(&found), [Some(0), Some(3), Some(1)]);
        assert_eq!(found[2].1.timestamp, Some(UnixMillis(3_000)));
        let later = [(("orders", 0), OffsetSpec::ForTimestamp(UnixMillis(9_000)))];
        let found = admin.list_offsets(later, IsolationLevel::ReadUncommitted).await.all().unwrap();
        assert_eq!(offsets(&found), [None]);
        let newest = [(("orders", 0), OffsetSpec::MaxTimestamp)];
        let found = admin.list_offsets(newest, IsolationLevel::ReadCommitted).await.all().unwrap();
        assert_eq!(offsets(&found), [Some(1)]);
    });
}

#[test]
fn a_partition_that_is_asked_for_twice_comes_once_in_a_request() {
    run(async {
        let cluster = filled();
        let admin = admin(&cluster).await;
        let both = (0..3).flat_map(|partition| {
            [(("orders", partition), OffsetSpec::Latest), (("orders", partition), OffsetSpec::Earliest)]
        });
        let found = admin.list_offsets(both, IsolationLevel::ReadUncommitted).await.all().unwrap();
        assert_eq!(offsets(&found), [Some(3), Some(0), Some(3), Some(0), Some(3), Some(0)]);
        // Real brokers refuse a partition that comes twice with INVALID_REQUEST.
        for logged in cluster.request_log() {
            if let AnyRequest::ListOffsets(request) = &*logged.request {
                let mut asked: Vec<_> = request
                    .topics
                    .iter()
                    .flat_map(|topic| &topic.partitions)
                    .map(|p| p.partition_index)
                    .collect();
                let count = asked.len();
                asked.dedup();
                assert_eq!(asked.len(), count);
            }
        }
    });
}

#[test]
fn a_leader_that_moved_is_looked_up_again() {
    run(async {
        let cluster = filled();
        let admin = admin(&cluster).await;
        let wanted = || (0..3).map(|partition| (("orders", partition), OffsetSpec::Latest));
        admin.list_offsets(wanted(), IsolationLevel::ReadUncommitted).await.all().unwrap();
        let to = NodeId(if cluster.leader("orders", 0) == Some(NodeId(1)) { 2 } else { 1 });
        cluster.move_leader("orders", 0, to).unwrap();
        cluster.clear_request_log();
        let found = admin.list_offsets(wanted(), IsolationLevel::ReadUncommitted).await.all().unwrap();
        assert_eq!(offsets(&found), [Some(3); 3]);
        assert_eq!(asked(&cluster, ApiKey::ListOffsets).last(), Some(&to));
    });
}

#[test]
fn records_before_an_offset_are_deleted() {
    run(async {
        let cluster = filled();
        let admin = admin(&cluster).await;
        let wanted = [
            (("orders", 0), DeleteBefore::Offset(Offset(2))),
            (("orders", 1), DeleteBefore::HighWatermark),
            (("orders", 2), DeleteBefore::Offset(Offset(99))),
        ];
        let results = admin.delete_records(wanted).await;
        let starts: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().ok().map(|start| start.0)).collect();
        assert_eq!(starts, [Some(2), Some(3), None]);
        let error = results.get(&TopicPartition::new("orders", 2)).unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
        assert_eq!(cluster.log_start("orders", 0), Some(Offset(2)));
        assert!(error.to_string().contains("partition orders-2"), "{error}");
    });
}

#[test]
fn a_missing_topic_holds_up_no_other_and_fails_when_the_time_is_up() {
    run(async {
        let cluster = filled();
        let admin = admin(&cluster).await.with_timeout(ms(5_000));
        let wanted = [
            (("missing", 0), OffsetSpec::Latest),
            (("orders", 0), OffsetSpec::Latest),
            (("orders", 77), OffsetSpec::Latest),
        ];
        let started = tokio::time::Instant::now();
        let results = admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [Some(ErrorKind::UnknownTopic), None, Some(ErrorKind::UnknownTopic)]);
        assert!(started.elapsed() <= ms(5_100), "{:?}", started.elapsed());
        assert!(!cluster.topics().contains(&"missing".to_owned()), "looking a topic up does not create it");
    });
}

#[test]
fn retriable_refusals_are_tried_again() {
    run(async {
        let cluster = filled();
        let admin = admin(&cluster).await;
        let refused = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        cluster.inject(Fault::on(ApiKey::DeleteRecords).times(2).error(refused));
        let deleted = admin.delete_records([(("orders", 0), Offset(1))]).await.all().unwrap();
        assert_eq!(deleted[0].1, Offset(1));
        assert_eq!(asked(&cluster, ApiKey::DeleteRecords).len(), 3);
    });
}
