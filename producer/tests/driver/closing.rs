//! Flush, close and drop.
use std::time::Duration;

use courant_broker_mock::{Fault, MockClusterBuilder};
use courant_client::ErrorKind;
use courant_producer::{Codec, Record};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::UnixMillis;

use crate::stage::{SECOND, Stage, play, record, texts};

#[test]
fn a_flush_ends_lingering() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(30 * SECOND).start().await.unwrap();
        let delivery = producer.enqueue(record("a")).await.unwrap();
        assert!(delivery.now().is_none());
        let start = tokio::time::Instant::now();
        producer.flush().await.unwrap();
        assert!(delivery.now().unwrap().is_ok());
        assert!(start.elapsed() < SECOND);
    });
}

#[test]
fn a_flush_is_not_held_up_by_what_is_enqueued_meanwhile() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).always().delay(SECOND));
        let busy = producer.clone();
        let busy = tokio::spawn(async move {
            for n in 0.. {
                let _ = busy.enqueue(record(n)).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        tokio::time::sleep(SECOND / 10).await;
        let start = tokio::time::Instant::now();
        tokio::time::timeout(60 * SECOND, producer.flush()).await.expect("the flush never ends").unwrap();
        assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
        busy.abort();
    });
}

#[test]
fn a_flush_does_not_hurry_what_comes_after_it() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(5 * SECOND).start().await.unwrap();
        drop(producer.enqueue(record("before")).await.unwrap());
        let flush = producer.flush();
        let later = async {
            let start = tokio::time::Instant::now();
            producer.enqueue(record("after")).await.unwrap().await.unwrap();
            start.elapsed()
        };
        let (flushed, lingered) = tokio::join!(flush, later);
        flushed.unwrap();
        assert!(lingered >= 5 * SECOND, "{lingered:?}");
    });
}

#[test]
fn a_flush_tells_what_failed() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::INVALID_RECORD));
        for n in 0..3 {
            drop(producer.enqueue(record(n)).await.unwrap());
        }
        let error = producer.flush().await.unwrap_err();
        assert!(error.to_string().starts_with("3 records were not delivered"), "{error}");
        producer.flush().await.unwrap();
        producer.send(record("after")).await.unwrap();
        assert_eq!(stage.values(0), ["after"]);
    });
}

#[test]
fn closing_sends_what_is_left_and_takes_nothing_more() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(30 * SECOND).start().await.unwrap();
        for n in 0..10 {
            drop(producer.enqueue(record(n)).await.unwrap());
        }
        let other = producer.clone();
        producer.close(5 * SECOND).await.unwrap();
        assert_eq!(stage.values(0), texts(0..10));
        let error = other.send(record("late")).await.unwrap_err();
        assert_eq!((error.kind(), error.record.as_deref()), (ErrorKind::Closed, Some(&record("late"))));
        other.close(SECOND).await.unwrap();
        other.flush().await.unwrap();
    });
}

#[test]
fn closing_names_and_counts_what_it_gives_up() {
    play(|| async {
        let stage = Stage::new().await;
        let one_at_a_time = stage.builder().set("max.in.flight.requests.per.connection", 1);
        let producer = one_at_a_time.start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).always().silence());
        let sent = producer.enqueue(record("a")).await.unwrap();
        tokio::time::sleep(SECOND).await;
        let unsent = producer.enqueue(late("b")).await.unwrap();
        let start = tokio::time::Instant::now();
        let error = producer.close(2 * SECOND).await.unwrap_err();
        assert!((2 * SECOND..3 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("2 records not delivered (t-0: 1, t-1: 1)"), "{error}");
        let sent = sent.await.unwrap_err();
        assert!(sent.possibly_written() && sent.record.is_none(), "nobody knows of it");
        let unsent = unsent.await.unwrap_err();
        assert_eq!((unsent.kind(), unsent.possibly_written()), (ErrorKind::Closed, false));
        assert_eq!(unsent.record.as_deref(), Some(&late("b")), "this one comes back");
        producer.flush().await.unwrap();
    });
}

#[test]
fn closing_at_once_still_ends_every_future() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(30 * SECOND).start().await.unwrap();
        let delivery = producer.enqueue(late("a")).await.unwrap();
        assert!(producer.close(Duration::ZERO).await.is_err());
        let error = delivery.await.unwrap_err();
        assert!(!error.possibly_written(), "{error}");
        assert_eq!(error.record.as_deref(), Some(&late("a")));
        assert_eq!(stage.produce_requests(), 0);
    });
}

#[test]
fn what_was_enqueued_is_sent_after_the_last_handle_is_gone() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(SECOND).start().await.unwrap();
        let delivery = producer.enqueue(record("a")).await.unwrap();
        drop(producer);
        delivery.await.unwrap();
        assert_eq!(stage.values(0), ["a"]);
    });
}

/// A record that knows its time, so that it comes back as it was.
fn late(value: &str) -> Record {
    record(value).partition(1).timestamp(UnixMillis(1))
}

#[test]
fn what_was_accepted_and_never_written_comes_back_as_it_was() {
    for codec in Codec::ALL {
        play(|| async {
            let stage = Stage::new().await;
            let producer = stage.builder().compression(codec).start().await.unwrap();
            stage
                .cluster
                .inject(Fault::on(ApiKey::Produce).always().error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
            let records = [
                Record::to("t").partition(1).key("k").value("v".repeat(300)).timestamp(UnixMillis(7)),
                Record::to("t").partition(1).header("a", "1").null_header("a").timestamp(UnixMillis(5)),
                Record::to("t").partition(1).key("").value("").timestamp(UnixMillis(9)),
            ];
            let mut deliveries = Vec::new();
            for record in &records {
                deliveries.push(producer.enqueue(record.clone()).await.unwrap());
            }
            for (delivery, record) in deliveries.into_iter().zip(records) {
                let error = delivery.await.unwrap_err();
                assert_eq!(
                    (error.kind(), error.record.as_deref()),
                    (ErrorKind::Authorization, Some(&record))
                );
            }
        });
    }
}

#[test]
fn a_record_of_a_split_batch_comes_back_from_its_part() {
    play(|| async {
        let stage =
            Stage::with(|cluster| cluster.topic_with("t", 1, None, [("max.message.bytes", "1024")])).await;
        let producer = stage.producer().await;
        let mut deliveries = Vec::new();
        let long = record("x".repeat(2000)).timestamp(UnixMillis(3));
        for n in 0..6 {
            let record = if n == 4 { long.clone() } else { record(format!("{n:0>300}")) };
            deliveries.push(producer.enqueue(record).await.unwrap());
        }
        for (n, delivery) in deliveries.into_iter().enumerate() {
            match delivery.await {
                Ok(at) => assert!(n != 4, "{at}"),
                Err(error) => assert_eq!((n, error.record.as_deref()), (4, Some(&long))),
            }
        }
    });
}

#[test]
fn a_close_without_a_limit_waits_for_everything() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(20 * SECOND));
        let delivery = producer.enqueue(record("a")).await.unwrap();
        producer.close(Duration::MAX).await.unwrap();
        assert!(delivery.now().unwrap().is_ok());
    });
}

#[test]
fn who_waits_for_metadata_hears_that_the_producer_was_closed() {
    play(|| async {
        let build =
            |cluster: MockClusterBuilder| cluster.topic("t", 3).config("auto.create.topics.enable", "false");
        let stage = Stage::with(build).await;
        let producer = stage.producer().await;
        producer.send(record("a")).await.unwrap();
        let nowhere = || Record::to("nowhere").value("x");
        let no_partition = || Record::to("t").partition(7).value("x");
        let mut batch = producer.send_batch([nowhere(), nowhere()]);
        let start = tokio::time::Instant::now();
        let close = async {
            tokio::time::sleep(SECOND).await;
            producer.close(SECOND).await.unwrap();
        };
        let (topic, partition, sent, batch, ()) = tokio::join!(
            producer.enqueue(nowhere()),
            producer.enqueue(no_partition()),
            producer.send(nowhere()),
            &mut batch,
            close,
        );
        assert!(start.elapsed() < 3 * SECOND, "{:?}", start.elapsed());
        let refusals = [(topic.unwrap_err(), nowhere()), (partition.unwrap_err(), no_partition())];
        for (refused, record) in refusals.into_iter().chain([(sent.unwrap_err(), nowhere())]) {
            assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
            assert_eq!(refused.record.as_deref(), Some(&record));
        }
        let failures = batch.unwrap_err().failures;
        assert!(failures.len() == 2 && failures.iter().all(|(_, error)| error.kind() == ErrorKind::Closed));
    });
}
