//! What is gone from a log, or was never a record: expired records and commits, compacted and empty batches.
#![allow(clippy::unwrap_used, reason = "a test panics")]
mod batches;
mod world;

use batches::{Spec, log};
use courant_broker_mock::MockCluster;
use courant_consumer::{Consumer, ConsumerBuilder, ErrorKind, OffsetReset};
use courant_protocol::types::Offset;
use world::{cluster, connect, ms, poll, reader, run};

/// Ten records, of which the last three are left.
fn three_of_ten(cluster: &MockCluster) {
    for at in 0..10 {
        cluster.append_raw("a", 0, Spec::at(at).records(1).bytes()).unwrap();
    }
    cluster.delete_records("a", 0, Offset(7)).unwrap();
}

#[test]
fn records_that_expire_under_a_reader_are_passed_by_its_policy() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(2).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let start = async |builder: ConsumerBuilder| {
            let mut consumer = builder.start().await.unwrap();
            consumer.seek(("a", 0), 0).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1]);
            consumer.pause([("a", 0)]).unwrap();
            tokio::time::timeout(ms(2000), consumer.poll()).await.unwrap_err();
            consumer
        };
        let mut earliest = start(reader(&kafka)).await;
        let mut latest = start(reader(&kafka).auto_offset_reset("latest")).await;
        let mut strict = start(reader(&kafka).offset_reset(OffsetReset::None)).await;
        for at in 2..10 {
            cluster.append_raw("a", 0, Spec::at(at).records(1).bytes()).unwrap();
        }
        cluster.delete_records("a", 0, Offset(7)).unwrap();
        for consumer in [&mut earliest, &mut latest, &mut strict] {
            assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(2));
            consumer.resume([("a", 0)]).unwrap();
        }
        assert_eq!(poll(&mut earliest).await.unwrap().first(), Some(&7));
        tokio::time::timeout(ms(2000), latest.poll()).await.unwrap_err();
        assert_eq!(latest.position(("a", 0)).await.unwrap(), Offset(10));
        let error = strict.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::OffsetOutOfRange, Some(Offset(2))));
        strict.seek_to_beginning([("a", 0)]).unwrap();
        assert_eq!(poll(&mut strict).await.unwrap().first(), Some(&7));
    });
}

#[test]
fn a_commit_that_expired_is_none_and_the_policy_decides() {
    run(async {
        let cluster = cluster(|builder| {
            builder
                .config("offsets.retention.minutes", "10")
                .config("offsets.retention.check.interval.ms", "1000")
        });
        three_of_ten(&cluster);
        let kafka = connect(&cluster).await;
        let grouped = |builder: ConsumerBuilder| builder.group("g").max_poll_records(1).start();
        let mut first = grouped(reader(&kafka)).await.unwrap();
        assert_eq!(poll(&mut first).await.unwrap(), [7]);
        first.commit().await.unwrap();
        first.close(ms(5000)).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(8)));
        kafka.world().sleep(ms(11 * 60_000)).await;
        assert_eq!(cluster.committed("g", "a", 0), None);

        let mut earliest = grouped(reader(&kafka)).await.unwrap();
        assert_eq!(poll(&mut earliest).await.unwrap(), [7]);
        let latest = grouped(reader(&kafka).auto_offset_reset("latest")).await.unwrap();
        assert_eq!(latest.position(("a", 0)).await.unwrap(), Offset(10));
        let mut strict = grouped(reader(&kafka).offset_reset(OffsetReset::None)).await.unwrap();
        let error = strict.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::NoOffset, None));
    });
}

#[test]
fn a_commit_before_the_logs_start_is_out_of_range_and_no_loop() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        cluster.append_raw("a", 0, Spec::at(0).records(2).bytes()).unwrap();
        let mut first = reader(&kafka).group("g").max_poll_records(1).start().await.unwrap();
        assert_eq!(poll(&mut first).await.unwrap(), [0]);
        first.commit().await.unwrap();
        cluster.delete_records("a", 0, Offset(2)).unwrap();
        cluster.append_raw("a", 0, Spec::at(2).records(2).bytes()).unwrap();
        let mut next = reader(&kafka).group("g").start().await.unwrap();
        assert_eq!(poll(&mut next).await.unwrap(), [2, 3]);
        let mut strict = reader(&kafka).group("g").offset_reset(OffsetReset::None).start().await.unwrap();
        let error = strict.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::OffsetOutOfRange, Some(Offset(1))));
    });
}

#[test]
fn a_compacted_topic_is_read_through_its_holes() {
    run(async {
        let cluster =
            cluster(|builder| builder.topic_with("table", 1, None, [("cleanup.policy", "compact")]));
        // Every record of these batches has the key `k`, so that compaction keeps the very last.
        for at in 0..5 {
            cluster.append_raw("table", 0, Spec::at(at * 3).records(3).bytes()).unwrap();
        }
        cluster.run_compaction();
        let kafka = connect(&cluster).await;
        let table = Consumer::builder(&kafka).assign([("table", 0)]).auto_offset_reset("earliest");
        let mut consumer = table.start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [14]);
        assert_eq!(consumer.position(("table", 0)).await.unwrap(), Offset(15));
        for offset in [0, 4, 13] {
            consumer.seek(("table", 0), offset).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [14], "from {offset}");
        }
    });
}

#[test]
fn batches_without_records_are_passed_by_their_last_offset() {
    run(async {
        let cluster = cluster(|builder| builder);
        let batches = [
            Spec::at(0).emptied().producer(1).last_offset(41).bytes(),
            Spec::at(42).records(2).last_offset(60).bytes(),
            Spec::at(61).emptied().producer(2).last_offset(99).bytes(),
        ];
        cluster.append_raw("a", 0, log(batches)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [42, 43]);
        tokio::time::timeout(ms(2000), consumer.poll()).await.unwrap_err();
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(100));
        cluster.append_raw("a", 0, Spec::at(100).records(1).bytes()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [100]);
        // Straight into the holes.
        for (from, found) in [(5, 42), (50, 100), (70, 100)] {
            consumer.seek(("a", 0), from).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap().first(), Some(&found), "from {from}");
        }
        assert_eq!(consumer.current_lag(("a", 0)), Some(0));
    });
}

#[test]
fn a_log_of_nothing_but_empty_batches_is_read_to_its_end() {
    run(async {
        let cluster = cluster(|builder| builder);
        let batches =
            (0..50).map(|at| Spec::at(at * 10).emptied().producer(at).last_offset(at * 10 + 9).bytes());
        cluster.append_raw("a", 0, log(batches)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).max_partition_fetch_bytes(200).start().await.unwrap();
        tokio::time::timeout(ms(5000), consumer.poll()).await.unwrap_err();
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(500));
    });
}
