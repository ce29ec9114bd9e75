//! Topics that nothing is written to any more are forgotten, and those that never were there are counted (KIP-526).
use courant_broker_mock::Fault;
use courant_client::ErrorKind;
use courant_producer::Record;
use courant_protocol::api::ApiKey;

use crate::stage::{SECOND, Stage, play, record};

/// How long the producers of these stories keep a topic.
const IDLE: u32 = 60;

#[test]
fn a_topic_that_comes_back_starts_under_a_younger_epoch() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.topic("t", 1).topic("other", 1)).await;
        let producer = stage.builder().set("metadata.max.idle.ms", IDLE * 1000).start().await.unwrap();
        for n in 0..3 {
            producer.send(record(n)).await.unwrap();
        }
        producer.send(Record::to("other").value("x")).await.unwrap();
        assert_eq!(stage.stamps(0), [(0, 0, 1), (0, 1, 1), (0, 2, 1)]);
        for _ in 0..3 {
            tokio::time::sleep(IDLE * 2 / 3 * SECOND).await;
            producer.send(Record::to("other").value("still in use")).await.unwrap();
        }
        assert!(stage.kafka.cluster().snapshot().topic("other").is_some());
        producer.send(record("back")).await.unwrap();
        producer.send(record("again")).await.unwrap();
        assert_eq!(stage.stamps(0)[3..], [(1, 0, 1), (1, 1, 1)]);
        assert_eq!(stage.values(0), ["0", "1", "2", "back", "again"]);
        let other: Vec<i16> =
            stage.cluster.log("other", 0).iter().map(|batch| batch.header.producer_epoch.0).collect();
        assert_eq!(other, [0; 4], "a topic in use keeps its epoch");
    });
}

#[test]
fn a_forgotten_topic_is_asked_for_no_longer() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().set("metadata.max.idle.ms", IDLE * 1000).start().await.unwrap();
        producer.send(record("a")).await.unwrap();
        let is_kept = || stage.kafka.cluster().snapshot().topic("t").is_some();
        stage.kafka.cluster().refresh("a test looks");
        tokio::time::sleep(SECOND).await;
        assert!(is_kept());
        tokio::time::sleep(IDLE * SECOND).await;
        stage.kafka.cluster().refresh("a test looks");
        tokio::time::sleep(SECOND).await;
        assert!(!is_kept());
        producer.send(record("b")).await.unwrap();
        assert!(is_kept());
    });
}

#[test]
fn what_is_on_its_way_keeps_its_topic() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().set("metadata.max.idle.ms", 5000).start().await.unwrap();
        producer.send(record("a")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(25 * SECOND));
        assert_eq!(producer.send(record("b")).await.unwrap().offset.0, 1);
        producer.send(record("c")).await.unwrap();
        assert_eq!(stage.stamps(0), [(0, 0, 1), (0, 1, 1), (0, 2, 1)]);

        let producer = stage.builder().set("metadata.max.idle.ms", 5000).linger(25 * SECOND);
        let producer = producer.start().await.unwrap();
        let first = producer.enqueue(record("d")).await.unwrap();
        tokio::time::sleep(20 * SECOND).await;
        let second = producer.enqueue(record("e")).await.unwrap();
        assert_eq!((first.await.unwrap().offset.0, second.await.unwrap().offset.0), (3, 4));
        assert_eq!(stage.stamps(0)[3..], [(0, 0, 2)], "the open batch was kept");
    });
}

#[test]
fn a_topic_that_never_turned_up_is_given_up() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.config("auto.create.topics.enable", "false")).await;
        let producer = stage.producer().await;
        let error = producer.try_enqueue(Record::to("nowhere").value("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let is_asked = || stage.kafka.cluster().snapshot().topic("nowhere").is_some();
        tokio::time::sleep(SECOND).await;
        assert!(is_asked());
        tokio::time::sleep(61 * SECOND).await;
        stage.kafka.cluster().refresh("a test looks");
        tokio::time::sleep(SECOND).await;
        assert!(!is_asked(), "nobody asked for it for a minute");
    });
}

#[test]
fn made_up_topics_are_counted_and_one_too_many_is_refused() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.config("auto.create.topics.enable", "false")).await;
        let producer = stage.producer().await;
        for n in 0..10_000 {
            let error = producer.try_enqueue(Record::to(format!("made-up-{n}")).value("a")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        for error in [
            producer.try_enqueue(Record::to("one-more").value("a")).unwrap_err(),
            producer.enqueue(Record::to("one-more").value("a")).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::UnknownTopic);
            assert!(error.to_string().contains("10000 other topics"), "{error}");
            assert_eq!(error.record.as_deref(), Some(&Record::to("one-more").value("a")));
        }
    });
}
