//! What a program may get wrong: each is a typed error in plain words, and the record comes back.
use courant_broker_mock::Fault;
use courant_client::ErrorKind;
use courant_producer::{Producer, Record};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;

use crate::stage::{SECOND, Stage, play, record};

/// Sends a record that comes back unchanged, and says why.
async fn refusal(producer: &Producer, record: Record) -> (ErrorKind, String, Option<String>) {
    let refused = producer.send(record.clone()).await.unwrap_err();
    assert_eq!(refused.record.as_deref(), Some(&record), "{refused}");
    assert!(!refused.possibly_written());
    (refused.kind(), refused.to_string(), refused.hint().map(str::to_owned))
}

#[test]
fn a_record_that_is_too_large() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().max_request_size_bytes(1000).start().await.unwrap();
        let (kind, text, hint) = refusal(&producer, record("x".repeat(1000))).await;
        assert_eq!(kind, ErrorKind::InvalidInput);
        assert_eq!(
            text,
            "the record takes 1086 bytes and may take 1000 (topic t); max.request.size sets the limit"
        );
        assert_eq!(hint.as_deref(), Some("max.request.size sets the limit"));
        let producer = stage.builder().buffer_memory_bytes(100).start().await.unwrap();
        let (_, text, _) = refusal(&producer, record("x".repeat(100))).await;
        assert_eq!(
            text,
            "the record takes 186 bytes and may take 100 (topic t); buffer.memory sets the limit"
        );
    });
}

#[test]
fn a_negative_timestamp_and_a_partition_that_does_not_exist() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().max_block(SECOND).start().await.unwrap();
        let (kind, text, _) = refusal(&producer, record("x").timestamp(-1)).await;
        assert_eq!(
            (kind, text.as_str()),
            (ErrorKind::InvalidInput, "the record's timestamp is negative (topic t)")
        );
        for partition in [3, -1] {
            let (kind, text, _) = refusal(&producer, Record::to("t").partition(partition).value("x")).await;
            assert_eq!(kind, ErrorKind::InvalidInput);
            let expected = format!(
                "the record names a partition that does not exist; the topic has 3 (partition t-{partition})"
            );
            assert_eq!(text, expected);
        }
    });
}

#[test]
fn a_producer_that_is_closed() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        producer.close(SECOND).await.unwrap();
        let (kind, text, _) = refusal(&producer, record("x")).await;
        assert_eq!((kind, text.as_str()), (ErrorKind::Closed, "the producer was closed (topic t)"));
    });
}

#[test]
fn a_topic_that_may_not_be_seen() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        stage.cluster.inject(
            Fault::on(ApiKey::Metadata).topic("t").always().error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        );
        let (kind, text, _) = refusal(&producer, record("x")).await;
        assert_eq!(kind, ErrorKind::Authorization);
        assert_eq!(
            text,
            "cannot use the topic: the broker answered TOPIC_AUTHORIZATION_FAILED (29) (topic t); \
             check the topic's ACLs for this user"
        );
        // Whoever is allowed to from now on need not wait until the metadata is old.
        stage.cluster.clear_faults();
        producer.send(record("allowed")).await.unwrap();
        assert_eq!(stage.values(0), ["allowed"]);
    });
}

#[test]
fn a_topic_that_may_not_be_written() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        let refused = producer.send(record("x").timestamp(1)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Authorization);
        assert_eq!(
            refused.to_string(),
            "the broker did not take the record: the broker answered TOPIC_AUTHORIZATION_FAILED (29) \
             (partition t-0); check the topic's ACLs for this user"
        );
        assert_eq!(refused.record.as_deref(), Some(&record("x").timestamp(1)), "read back from its batch");
    });
}

#[test]
fn a_producer_id_that_is_refused_for_a_while() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let refuse =
            Fault::on(ApiKey::InitProducerId).always().error(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
        stage.cluster.inject(refuse);
        let start = tokio::time::Instant::now();
        for _ in 0..2 {
            let refused = producer.send(record("x").timestamp(1)).await.unwrap_err();
            assert_eq!((refused.kind(), refused.is_fatal()), (ErrorKind::Authorization, false), "{refused}");
            assert_eq!(refused.record.as_deref(), Some(&record("x").timestamp(1)));
        }
        stage.cluster.clear_faults();
        producer.send(record("allowed")).await.unwrap();
        assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
        assert_eq!(stage.values(0), ["allowed"]);
    });
}
