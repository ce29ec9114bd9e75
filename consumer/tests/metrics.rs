//! What a consumer tells about itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod batches;
mod world;

use std::collections::BTreeSet;

use batches::{Spec, log};
use courant_broker_mock::Fault;
use courant_consumer::{Consumer, ConsumerMetrics};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::Offset;
use world::{cluster, connect, ms, poll, poll_records, reader, run};

#[test]
fn fetches_records_and_bytes_are_counted_where_they_arrive_and_where_they_go_out() {
    run(async {
        let cluster = cluster(|builder| builder);
        let zipped = Spec::at(6).value(vec![7; 10_000]).codec(Codec::Zstd).bytes();
        let bytes = log([Spec::at(0).records(6).bytes(), zipped, Spec::at(7).marker(1, true).bytes()]);
        cluster.append_raw("a", 0, bytes.clone()).unwrap();
        cluster.inject(Fault::on(ApiKey::Fetch).delay(ms(300)).throttle(200));
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).max_poll_records(4).start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap().len(), 4);

        let metrics = consumer.metrics();
        assert_eq!(metrics.records_consumed_total, 4);
        assert_eq!((metrics.records_lag_max, metrics.records_lead_min), (Some(4), Some(4)));
        assert_eq!(metrics.fetch_size.max(), Some(bytes.len() as f64));
        assert_eq!(metrics.records_per_request.max(), Some(7.0), "a marker is no record");
        assert_eq!(metrics.fetch_latency.max(), Some(300.0));
        assert_eq!(metrics.fetch_throttle_time.max(), Some(200.0));
        assert_eq!((metrics.assigned_partitions, metrics.commit_latency.count()), (1, 0));
        assert!(metrics.buffered_bytes > 0);

        poll_records(&mut consumer, 3).await;
        drop(tokio::time::timeout(ms(2_000), consumer.poll()).await);
        let metrics = consumer.metrics();
        assert_eq!((metrics.records_consumed_total, metrics.records_lag_max), (7, Some(0)));
        assert!(metrics.bytes_consumed_total > 10_000, "as they are decompressed: {metrics:?}");
        assert_eq!(metrics.buffered_bytes, 0);
    });
}

#[test]
fn polls_tell_how_much_of_the_time_they_wait() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).fetch_max_wait(ms(100)).start().await.unwrap();
        let write = async {
            kafka.world().sleep(ms(2_000)).await;
            cluster.append_raw("a", 0, Spec::at(0).records(2).bytes()).unwrap();
        };
        let (batch, ()) = tokio::join!(consumer.poll(), write);
        assert_eq!(consumer.metrics().poll_idle_ratio.count(), 0);
        kafka.world().sleep(ms(6_000)).await;
        drop(batch);
        cluster.append_raw("a", 0, Spec::at(2).records(2).bytes()).unwrap();
        poll(&mut consumer).await.unwrap();
        let metrics = consumer.metrics();
        assert_eq!(metrics.time_between_poll.average(), Some(8_000.0));
        assert_eq!(metrics.poll_idle_ratio.average(), Some(0.25));
    });
}

#[test]
fn commits_heartbeats_and_rebalances_are_counted_with_their_times() {
    run(async {
        let cluster = cluster(|builder| builder.config("group.initial.rebalance.delay.ms", "3000"));
        cluster.append_raw("a", 0, Spec::at(0).records(5).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let member = || Consumer::builder(&kafka).group("g").subscribe(["a"]).auto_offset_reset("earliest");
        cluster.inject(Fault::on(ApiKey::SyncGroup).error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        let mut consumer = member().auto_commit(false).start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap().len(), 5);
        cluster.inject(Fault::on(ApiKey::OffsetCommit).delay(ms(70)));
        consumer.commit().await.unwrap();
        kafka.world().sleep(ms(10_000)).await;
        let metrics = consumer.metrics();
        assert_eq!(metrics.assigned_partitions, 3);
        assert_eq!((metrics.commit_latency.count(), metrics.commit_latency.max()), (1, Some(70.0)));
        assert_eq!(
            (metrics.join_time.count(), metrics.sync_time.count()),
            (3, 2),
            "an id is given first, and the failure begins anew"
        );
        assert_eq!((metrics.rebalance_latency.count(), metrics.failed_rebalance_total), (1, 1));
        assert!(metrics.rebalance_latency.max() > metrics.join_time.max());
        assert!(metrics.join_time.max() >= Some(3_000.0), "{metrics:?}");
        assert!((2..=4).contains(&metrics.heartbeat_response_time.count()), "{metrics:?}");

        let mut other = member().start().await.unwrap();
        for _ in 0..40 {
            drop(tokio::time::timeout(ms(250), consumer.poll()).await);
            drop(tokio::time::timeout(ms(250), other.poll()).await);
        }
        let metrics = consumer.metrics();
        assert_eq!((metrics.rebalance_latency.count(), metrics.failed_rebalance_total), (2, 1));
        assert!(metrics.assigned_partitions < 3);
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(5)));
    });
}

#[test]
fn everything_has_one_of_javas_names_and_what_was_not_measured_none() {
    let names: Vec<_> = ConsumerMetrics::default().values().map(|(name, _)| name).collect();
    assert!(names.contains(&"records-consumed-total") && !names.contains(&"records-lag-max"), "{names:?}");
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(5).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        poll(&mut consumer).await.unwrap();
        let values: Vec<_> = consumer.metrics().values().collect();
        let names: BTreeSet<_> = values.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), values.len());
        assert!(
            values.contains(&("records-consumed-total", 5.0)) && values.contains(&("records-lag-max", 0.0))
        );
        assert!(values.iter().all(|(_, value)| value.is_finite() && *value >= 0.0), "{values:?}");
    });
}
