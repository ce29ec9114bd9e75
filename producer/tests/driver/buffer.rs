//! The buffer's limit: who waits, in which order, and for how long.
use courant_broker_mock::Fault;
use courant_client::ErrorKind;
use courant_protocol::api::ApiKey;

use crate::stage::{SECOND, Stage, play, record, texts};

#[test]
fn a_full_buffer_does_not_wait_for_linger() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(30 * SECOND).batch_size_bytes(1000).buffer_memory_bytes(2000);
        let producer = producer.start().await.unwrap();
        let start = tokio::time::Instant::now();
        for n in 0..3 {
            let record = courant_producer::Record::to("t").partition(n).value("x");
            drop(producer.enqueue(record).await.unwrap());
        }
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    });
}

#[test]
fn who_waits_too_long_for_space_gets_the_record_back() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(1000).max_block(2 * SECOND);
        let producer = producer.start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(10 * SECOND));
        let held = producer.enqueue(record("a")).await.unwrap();
        tokio::time::sleep(SECOND).await;
        let error = producer.enqueue(record("b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.hint().unwrap().contains("buffer.memory"), "{error}");
        assert_eq!(error.record, Some(record("b")));
        assert_eq!(producer.try_enqueue(record("c")).unwrap_err().record, Some(record("c")));
        held.await.unwrap();
        producer.send(error.record.unwrap()).await.unwrap();
        assert_eq!(stage.values(0), ["first", "a", "b"]);
    });
}

#[test]
fn those_who_wait_are_served_in_order() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        let mut tasks = Vec::new();
        for n in 0..20 {
            let producer = producer.clone();
            tasks.push(tokio::spawn(async move { producer.send(record(n)).await.unwrap() }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(stage.values(0)[1..], texts(0..20));
    });
}

#[test]
fn a_record_that_can_never_fit_is_refused_at_once() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().max_request_size_bytes(1000).start().await.unwrap();
        let error = producer.enqueue(record("x".repeat(1000))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("max.request.size"), "{error}");
        assert!(error.record.is_some());
        let producer = stage.builder().buffer_memory_bytes(500).start().await.unwrap();
        let error = producer.enqueue(record("x".repeat(1000))).await.unwrap_err();
        assert!(error.to_string().contains("buffer.memory"), "{error}");
    });
}
