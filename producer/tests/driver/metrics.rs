//! What a producer tells about itself.
use std::collections::BTreeSet;

use courant_broker_mock::Fault;
use courant_producer::{Codec, ProducerMetrics, Record, TopicMetrics};
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
fn each_topic_counts_what_was_sent_to_it() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.topic("t", 2).topic("other", 1)).await;
        let producer = stage.producer().await;
        producer.send(record("one")).await.unwrap();
        producer.send(record("two").partition(1)).await.unwrap();
        producer.send(Record::to("other").value("three")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        producer.send(record("again")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::INVALID_RECORD));
        producer.send(record("refused")).await.unwrap_err();

        let topics = producer.metrics().topics;
        let [other, t] = ["other", "t"].map(|name| topics[name]);
        let counts = |of: TopicMetrics| (of.record_send_total, of.record_retry_total, of.record_error_total);
        assert_eq!((counts(other), counts(t)), ((1, 0, 0), (5, 1, 1)));
        let stored = stage.cluster.log("other", 0)[0].bytes.len() as u64;
        assert_eq!((other.byte_total, other.compression_rate.average()), (stored, Some(1.0)));
        assert_eq!(t.compression_rate.count(), 5);
        let names: Vec<&str> = other.values().map(|(name, _)| name).collect();
        let javas = [
            "byte-total",
            "compression-rate",
            "record-error-total",
            "record-retry-total",
            "record-send-total",
        ];
        assert_eq!(names, javas);
    });
}

#[test]
fn each_broker_counts_requests_and_bytes_of_all_its_connections() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        producer.send(record("first")).await.unwrap();
        let nodes = producer.metrics().nodes;
        assert_eq!(nodes.len(), 1);
        let (&node, &first) = nodes.first_key_value().unwrap();
        // ApiVersions, in the version that the broker knows, and Produce.
        assert_eq!((first.traffic.request_size.count(), first.traffic.response_total), (3, 3));
        assert_eq!(first.request_latency.count(), 1);
        let stored = stage.cluster.log("t", 0)[0].bytes.len() as f64;
        assert!(first.traffic.request_size.max() > Some(stored), "the batch is a part of its request");

        stage.cluster.inject(Fault::on(ApiKey::Produce).cut_before());
        producer.send(record("second")).await.unwrap();
        let then = producer.metrics().nodes[&node];
        let requests = then.traffic.request_size;
        assert_eq!((requests.count(), then.traffic.response_total), (7, 6), "of two connections");
        assert!(requests.sum() > 2.0 * first.traffic.request_size.sum());
        assert!(then.traffic.response_bytes_total > first.traffic.response_bytes_total);
        assert_eq!(then.request_latency.count(), 2, "what was cut off has no latency");
        let values: Vec<(&str, f64)> = then.values().collect();
        assert!(values.contains(&("request-total", 7.0)) && values.contains(&("response-total", 6.0)));
        assert_eq!(values.len(), 8);
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
