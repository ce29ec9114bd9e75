//! The sink: it waits like `enqueue`, flushes to the end, and reports each failure once.
use courant_broker_mock::Fault;
use courant_producer::Record;
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use futures_util::{SinkExt, StreamExt, stream};

use crate::cancel::{drop_after, sweep};
use crate::stage::{SECOND, Stage, play, record, texts};

#[test]
fn a_full_buffer_holds_the_sink_up_and_nobody_else_is_overtaken() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(200).start().await.unwrap();
        let mut records = stream::iter((0..50).map(record)).map(Ok);
        let mut sink = producer.sink();
        let other = async {
            for n in 100..110 {
                producer.send(record(n)).await.unwrap();
            }
        };
        let (sent, ()) = tokio::join!(sink.send_all(&mut records), other);
        sent.unwrap();
        let values = stage.values(0);
        assert_eq!(values.len(), 60);
        let place = |value: &str| values.iter().position(|v| v == value).unwrap();
        assert!(place("109") < place("40"), "who asked in between was served in between: {values:?}");
    });
}

#[test]
fn each_failure_is_reported_once_and_the_sink_goes_on() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        producer.send(record("first")).await.unwrap();
        let mut sink = producer.sink();
        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        sink.feed(record(0)).await.unwrap();
        sink.feed(record(1)).await.unwrap();
        let failed = sink.flush().await.unwrap_err();
        assert_eq!(failed.record.unwrap().value.unwrap(), "0");
        let failed = sink.flush().await.unwrap_err();
        assert_eq!(failed.record.unwrap().value.unwrap(), "1");
        let refused = sink.send(record(2).timestamp(-1)).await.unwrap_err();
        assert_eq!(refused.record.as_deref(), Some(&record(2).timestamp(-1)));
        sink.send(record(3)).await.unwrap();
        sink.close().await.unwrap();
        assert_eq!(stage.values(0), ["first", "3"]);
        producer.send(record(4)).await.unwrap();
    });
}

#[test]
fn a_dropped_send_or_flush_of_a_sink_loses_nothing_that_went_in() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        let mut sink = producer.sink();
        let mut ended = true;
        for n in 0..6 {
            // A record that `feed` was dropped with before the sink was ready is dropped with it.
            ended &= drop_after(steps, sink.feed(Record::to("t").partition(0).value(n.to_string())))
                .await
                .is_some();
            ended &= drop_after(steps, sink.flush()).await.is_some();
        }
        sink.close().await.unwrap();
        let values = stage.values(0);
        let mut sorted = values.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(values, sorted, "in order and none twice");
        if ended {
            assert_eq!(values, texts(0..6));
        }
        producer.close(SECOND).await.unwrap();
        ended
    });
}
