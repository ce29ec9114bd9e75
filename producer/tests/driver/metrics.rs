//! What a producer tells about itself.
use std::collections::BTreeSet;

use courant_broker_mock::Fault;
use courant_producer::{Codec, ProducerMetrics};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;

use crate::stage::{SECOND, Stage, play, record};

#[test]
fn records_batches_and_requests_are_counted_where_they_happen() {
    play(|| async {
        let stage =
            Stage::with(|cluster| cluster.topic_with("t", 1, None, [("max.message.bytes", "1024")])).await;
        let producer = stage.builder().linger(SECOND).start().await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(2 * SECOND).throttle(500));
        for n in 0..4 {
            drop(producer.enqueue(record(n)).await.unwrap());
        }
        producer.flush().await.unwrap();
        let metrics = producer.metrics();
        assert_eq!((metrics.record_send_total, metrics.records_per_request.average()), (4, Some(4.0)));
        assert_eq!(metrics.request_latency.max(), Some(2000.0));
        assert_eq!(metrics.produce_throttle_time.max(), Some(500.0));
        assert_eq!(metrics.record_queue_time.count(), 1);
        assert_eq!(metrics.compression_rate.average(), Some(1.0));
        let bytes = stage.cluster.log("t", 0)[0].bytes.len() as f64;
        assert_eq!(metrics.batch_size.average(), Some(bytes));

        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        producer.send(record("again")).await.unwrap();
        let metrics = producer.metrics();
        assert_eq!((metrics.record_send_total, metrics.record_retry_total), (6, 1));
        assert!(metrics.record_queue_time.max() >= Some(1000.0), "it lingered: {metrics:?}");

        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::INVALID_RECORD));
        producer.send(record("refused")).await.unwrap_err();
        for n in 0..6 {
            drop(producer.enqueue(record(format!("{n:0>300}"))).await.unwrap());
        }
        producer.flush().await.unwrap();
        let metrics = producer.metrics();
        assert_eq!(metrics.record_error_total, 1);
        assert!(metrics.batch_split_total >= 1, "{metrics:?}");
        assert_eq!(metrics.requests_in_flight, 0);
        assert_eq!(metrics.buffer_available_bytes, metrics.buffer_total_bytes);
    });
}

#[test]
fn the_buffer_tells_what_is_free_and_who_waits() {
    play(|| async {
        let stage = Stage::new().await;
        let builder = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(1500).max_block(2 * SECOND);
        let producer = builder.compression(Codec::Gzip).start().await.unwrap();
        producer.send(record("x".repeat(500))).await.unwrap();
        let rate = producer.metrics().compression_rate.average();
        assert!(rate < Some(0.5), "{rate:?}");
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(5 * SECOND));
        drop(producer.enqueue(record("held")).await.unwrap());
        let waiting = tokio::spawn({
            let producer = producer.clone();
            async move { producer.enqueue(record("in vain").partition(1)).await }
        });
        tokio::time::sleep(SECOND).await;
        let metrics = producer.metrics();
        assert_eq!((metrics.buffer_total_bytes, metrics.buffer_available_bytes), (1500, 500));
        assert_eq!((metrics.waiting_callers, metrics.requests_in_flight), (1, 1));
        waiting.await.unwrap().unwrap_err();
        let metrics = producer.metrics();
        assert_eq!((metrics.waiting_callers, metrics.buffer_exhausted_total), (0, 1));
        assert_eq!(metrics.bufferpool_wait_time_total, 2 * SECOND);
    });
}

#[test]
fn names_are_javas_and_come_once() {
    let mut metrics = ProducerMetrics::default();
    assert_eq!(metrics.values().count(), 10, "what was never measured is left out");
    metrics.batch_size.record(7.0);
    let values: Vec<(&str, f64)> = metrics.values().collect();
    assert!(values.contains(&("batch-size-avg", 7.0)) && values.contains(&("batch-size-max", 7.0)));
    let names: BTreeSet<&str> = values.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), values.len());
}
