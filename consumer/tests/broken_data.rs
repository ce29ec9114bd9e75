//! Data that cannot be read: told with its place and its bytes, left behind by a seek, and never passed over by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod batches;
mod world;

use batches::{Spec, log};
use bytes::Bytes;
use courant_broker_mock::MockCluster;
use courant_consumer::{Consumer, ErrorKind};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::types::{Offset, TopicPartition};
use futures_util::FutureExt;
use world::{cluster, connect, ms, poll, reader, requests_of, run};

/// A log of a good batch, a bad one of these bytes, and another good one of an offset.
fn around(bad: Bytes, next: i64) -> Bytes {
    log([Spec::at(0).records(2).bytes(), bad, Spec::at(next).records(1).bytes()])
}

/// Reads `log` up to its bad batch, which begins at offset 2, and tells what is said of it.
async fn read_up_to_the_bad_one(cluster: &MockCluster, log: Bytes) -> (Consumer, courant_consumer::Error) {
    cluster.append_raw("a", 0, log).unwrap();
    let kafka = connect(cluster).await;
    let mut consumer = reader(&kafka).group("g").start().await.unwrap();
    assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1]);
    let error = consumer.poll().await.unwrap_err();
    assert_eq!(error.topic_partition(), Some(&TopicPartition::new("a", 0)));
    (consumer, error)
}

#[test]
fn a_wrong_checksum_in_the_middle_of_a_response_is_told_with_its_bytes_and_skipped() {
    run(async {
        let cluster = cluster(|builder| builder);
        let bad = Spec::at(2).epoch(0).records(3).broken();
        let (mut consumer, error) = read_up_to_the_bad_one(&cluster, around(bad.clone(), 5)).await;
        assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(Offset(2))));
        assert_eq!((error.raw_batch(), error.resume_at()), (Some(&bad), Some(Offset(5))));

        // It is neither passed over nor fetched again and again; the position is where the trouble is.
        let fetched = requests_of(&cluster, ApiKey::Fetch);
        for _ in 0..3 {
            assert_eq!(consumer.poll().await.unwrap_err().offset(), Some(Offset(2)));
        }
        connect(&cluster).await.world().sleep(ms(10_000)).await;
        assert_eq!(requests_of(&cluster, ApiKey::Fetch), fetched);
        consumer.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(2)));

        consumer.seek(("a", 0), error.resume_at().unwrap()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [5]);
    });
}

#[test]
fn without_checking_checksums_the_same_bytes_are_read_as_they_are() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).value("abc").headers(&[("h", Some(b"x"))]).broken()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).set("check.crcs", false).start().await.unwrap();
        let batch = consumer.poll().await.unwrap().unwrap();
        assert_eq!(batch.iter().next().unwrap().value(), Some(&b"abc"[..]));
    });
}

#[test]
fn a_malformed_record_stops_at_itself_and_those_before_it_are_handed_out() {
    run(async {
        let cluster = cluster(|builder| builder);
        let bad = Spec::at(2).epoch(0).records(5).malformed(3);
        cluster.append_raw("a", 0, around(bad.clone(), 7)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let mut got = Vec::new();
        let error = loop {
            match poll(&mut consumer).await {
                Ok(offsets) => got.extend(offsets),
                Err(error) => break error,
            }
        };
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(Offset(5))));
        assert_eq!((error.raw_batch(), error.resume_at()), (Some(&bad), Some(Offset(7))));
        assert!(error.to_string().contains("record 3 of the batch at offset 2"), "{error}");
        consumer.seek(("a", 0), error.resume_at().unwrap()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [7]);
    });
}

#[test]
fn a_batch_that_decompresses_to_more_than_is_allowed_is_not_decompressed_in_any_codec() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        run(async {
            let cluster = cluster(|builder| builder);
            let bomb = Spec::at(2).epoch(0).value(vec![0; 1 << 20]).codec(codec).bytes();
            assert!(bomb.len() < 100_000, "{codec} makes {} bytes of it", bomb.len());
            cluster.append_raw("a", 0, around(bomb.clone(), 3)).unwrap();
            let kafka = connect(&cluster).await;
            let strict = reader(&kafka).set("max.decompressed.batch.bytes", 1 << 19);
            let mut consumer = strict.start().await.unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1]);
            let counted = allocation_counter::measure(|| {
                let error = consumer.poll().now_or_never().unwrap().unwrap_err();
                assert_eq!((error.kind(), error.offset()), (ErrorKind::RecordTooLarge, Some(Offset(2))));
                assert_eq!((error.raw_batch(), error.resume_at()), (Some(&bomb), Some(Offset(3))));
                assert!(error.to_string().contains("max.decompressed.batch.bytes"), "{error}");
            });
            assert!(counted.bytes_max < 3 << 19, "{codec}: {} bytes at a time", counted.bytes_max);
            consumer.seek(("a", 0), 3).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [3]);
        });
    }
}

#[test]
fn a_batch_above_the_whole_budget_is_read_alone_where_its_size_is_allowed() {
    run(async {
        let cluster = cluster(|builder| builder);
        let large = Spec::at(2).value(vec![0; 1 << 20]).codec(Codec::Lz4).bytes();
        cluster.append_raw("a", 0, around(large, 3)).unwrap();
        let kafka = connect(&cluster).await;
        let narrow = reader(&kafka).fetch_buffer_bytes(1 << 16).max_partition_fetch_bytes(1 << 14);
        let mut consumer = narrow.start().await.unwrap();
        let mut got = Vec::new();
        while got.len() < 4 {
            got.extend(poll(&mut consumer).await.unwrap());
        }
        assert_eq!(got, [0, 1, 2, 3]);
    });
}
