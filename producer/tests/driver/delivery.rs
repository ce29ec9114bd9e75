//! Records on their way: order, retries, unknown outcomes, splitting, headers and time.
use std::time::Duration;

use courant_broker_mock::Fault;
use courant_client::ErrorKind;
use courant_producer::{Acks, Codec, Record};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{NodeId, Offset, TopicPartition, UnixMillis};

use crate::stage::{SECOND, Stage, play, record, texts};

#[test]
fn a_record_comes_back_with_its_place() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let at = producer.send(record("a").timestamp(UnixMillis(5))).await.unwrap();
        assert_eq!(at.topic_partition, TopicPartition::new("t", 0));
        assert_eq!((at.offset, at.timestamp), (Offset(0), UnixMillis(5)));
        assert_eq!(producer.send(record("b")).await.unwrap().to_string(), "t-0@1");
        assert_eq!(stage.values(0), ["a", "b"]);
    });
}

#[test]
fn a_send_is_accepted_as_it_is_called() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        // Of an unknown topic nothing can be accepted.
        drop(producer.send(record("lost")));
        producer.send(record("a")).await.unwrap();
        drop(producer.send(record("b")));
        let never_polled = producer.send(record("c"));
        producer.flush().await.unwrap();
        assert_eq!(stage.values(0), ["a", "b", "c"]);
        assert_eq!(never_polled.await.unwrap().offset, Offset(2));
    });
}

#[test]
fn a_send_that_is_called_outside_of_the_runtime_goes_by_the_runtimes_clock() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (stage, producer) = runtime.block_on(async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        producer.send(record("a")).await.unwrap();
        // Longer than delivery.timeout.ms, while the machine's clock stands nearly still.
        tokio::time::sleep(200 * SECOND).await;
        (stage, producer)
    });
    runtime.block_on(producer.send(record("b"))).unwrap();
    assert_eq!(stage.values(0), ["a", "b"]);
}

#[test]
fn a_record_without_a_time_gets_that_of_its_enqueueing() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(SECOND).start().await.unwrap();
        tokio::time::sleep(3 * SECOND).await;
        let first = producer.enqueue(record("a")).await.unwrap();
        tokio::time::sleep(SECOND / 2).await;
        let second = producer.enqueue(record("b")).await.unwrap();
        let error = producer.enqueue(record("c").timestamp(UnixMillis(-2))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (first, second) = (first.await.unwrap().timestamp.0, second.await.unwrap().timestamp.0);
        assert!((first - 1_700_000_003_000).abs() < 100, "{first}");
        assert!((480..=500).contains(&(second - first)), "{first} {second}");
        assert_eq!(stage.stamps(0), [(0, 0, 2)]);
    });
}

#[test]
fn records_linger_into_one_batch() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let mut deliveries = Vec::new();
        for n in 0..100 {
            deliveries.push(producer.enqueue(record(n)).await.unwrap());
        }
        for (n, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.unwrap().offset, Offset(n as i64));
        }
        assert_eq!(stage.stamps(0), [(0, 0, 100)]);
    });
}

#[test]
fn a_full_batch_goes_out_though_the_driver_was_left_asleep_when_it_was_opened() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().linger(30 * SECOND).batch_size_bytes(1000).start().await.unwrap();
        producer.send(record("x".repeat(1000))).await.unwrap();
        // From now on the driver comes back every few milliseconds, for the clock that stamps records.
        let lingering = producer.enqueue(record("lingers")).await.unwrap();
        tokio::time::sleep(SECOND / 1000).await;
        let start = tokio::time::Instant::now();
        let to = |value: String| Record::to("t").partition(1).value(value);
        let opening = producer.enqueue(to("opens".to_owned())).await.unwrap();
        let filling = producer.enqueue(to("y".repeat(1000))).await.unwrap();
        opening.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!((filling.now().is_some(), lingering.now().is_some()), (true, false));
    });
}

#[test]
fn every_codec_arrives() {
    play(|| async {
        let stage = Stage::new().await;
        for codec in Codec::ALL {
            let producer = stage.builder().compression(codec).start().await.unwrap();
            producer.send(record("x".repeat(1000))).await.unwrap();
            producer.close(SECOND).await.unwrap();
        }
        let log = stage.cluster.log("t", 0);
        let codecs: Vec<Codec> = log.iter().map(|batch| batch.header.attributes.codec().unwrap()).collect();
        assert_eq!(codecs, Codec::ALL);
        assert!(stage.values(0).iter().all(|value| value.len() == 1000));
    });
}

#[test]
fn headers_keep_order_doubles_and_nulls() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let record = record("a").header("a", "1").header("a", "2").null_header("b").header("c", "");
        producer.send(record).await.unwrap();
        let bytes = stage.cluster.log("t", 0).remove(0).bytes;
        let mut batches = courant_protocol::record::Batches::new(bytes, Default::default());
        let batch = batches.next().unwrap().unwrap();
        let records = batch.records(&mut Default::default()).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        let headers: Vec<_> = record.headers().map(|header| (header.key, header.value)).collect();
        let expected: [(&[u8], Option<&[u8]>); 4] =
            [(b"a", Some(b"1")), (b"a", Some(b"2")), (b"b", None), (b"c", Some(b""))];
        assert_eq!(headers, expected);
    });
}

/// Sends 200 records of 100 bytes in batches of about ten, through whatever faults the stage has.
async fn send_many(stage: &Stage) -> Vec<Offset> {
    let producer = stage.builder().batch_size_bytes(1100).start().await.unwrap();
    let mut deliveries = Vec::new();
    for n in 0..200 {
        deliveries.push(producer.enqueue(record(format!("{n:0>100}"))).await.unwrap());
    }
    let mut offsets = Vec::new();
    for delivery in deliveries {
        offsets.push(delivery.await.unwrap().offset);
    }
    offsets
}

fn many() -> Vec<String> {
    (0..200).map(|n| format!("{n:0>100}")).collect()
}

#[test]
fn a_batch_that_the_leader_refuses_in_the_middle_is_retried_in_order() {
    play(|| async {
        let stage = Stage::new().await;
        stage.cluster.inject(Fault::on(ApiKey::Produce).nth(4).error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        let offsets = send_many(&stage).await;
        assert_eq!(stage.values(0), many());
        assert_eq!(offsets, (0..200).map(Offset).collect::<Vec<_>>());
        let stamps = stage.stamps(0);
        assert!(stamps.windows(2).all(|pair| pair[1].1 == pair[0].1 + pair[0].2), "{stamps:?}");
        assert!(stamps.iter().all(|(epoch, ..)| *epoch == 0), "{stamps:?}");
    });
}

#[test]
fn a_batch_that_was_written_before_the_connection_broke_is_not_written_twice() {
    play(|| async {
        let stage = Stage::new().await;
        for nth in [2, 5, 9] {
            stage.cluster.inject(Fault::on(ApiKey::Produce).nth(nth).cut_after());
        }
        let offsets = send_many(&stage).await;
        assert_eq!(stage.values(0), many());
        assert_eq!(offsets, (0..200).map(Offset).collect::<Vec<_>>());
    });
}

#[test]
fn a_connection_that_breaks_before_writing_loses_nothing() {
    play(|| async {
        let stage = Stage::new().await;
        for nth in [1, 4, 6] {
            stage.cluster.inject(Fault::on(ApiKey::Produce).nth(nth).cut_before());
        }
        send_many(&stage).await;
        assert_eq!(stage.values(0), many());
    });
}

#[test]
fn records_follow_a_leader_that_moves() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.brokers(3).topic("t", 3)).await;
        let producer = stage.producer().await;
        for n in 0..6 {
            producer.send(record(n)).await.unwrap();
            let next = stage.cluster.leader("t", 0).unwrap().0 % 3 + 1;
            stage.cluster.move_leader("t", 0, NodeId(next)).unwrap();
        }
        assert_eq!(stage.values(0), texts(0..6));
        assert!(stage.stamps(0).iter().all(|(epoch, ..)| *epoch == 0));
    });
}

#[test]
fn a_batch_above_the_brokers_limit_is_split() {
    play(|| async {
        let stage =
            Stage::with(|cluster| cluster.topic_with("t", 3, None, [("max.message.bytes", "1024")])).await;
        let producer = stage.producer().await;
        let mut deliveries = Vec::new();
        for n in 0..10 {
            deliveries.push(producer.enqueue(record(format!("{n:0>300}"))).await.unwrap());
        }
        for (n, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.unwrap().offset, Offset(n as i64));
        }
        let values: Vec<String> = (0..10).map(|n| format!("{n:0>300}")).collect();
        assert_eq!(stage.values(0), values);
        let stamps = stage.stamps(0);
        assert!(
            stamps.len() > 1 && stamps.windows(2).all(|pair| pair[1].1 == pair[0].1 + pair[0].2),
            "{stamps:?}"
        );
        producer.flush().await.unwrap();
    });
}

#[test]
fn nothing_waits_for_an_answer_without_acknowledgements() {
    play(|| async {
        let stage = Stage::new().await;
        stage.cluster.inject(Fault::on(ApiKey::Produce).always().silence());
        let producer = stage.builder().acks(Acks::None).start().await.unwrap();
        let delivery = producer.enqueue(record("a")).await.unwrap();
        tokio::time::timeout(SECOND, producer.flush()).await.expect("flush waits").unwrap();
        let at = delivery.await.unwrap();
        assert_eq!((at.offset, at.to_string()), (Offset::NONE, "t-0@?".to_owned()));
        producer.close(SECOND).await.unwrap();
    });
}

#[test]
fn a_record_that_may_have_been_written_says_so() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().set("delivery.timeout.ms", 31_000).start().await.unwrap();
        producer.send(record("a")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).silence());
        stage.cluster.inject(Fault::on(ApiKey::Produce).always().cut_before());
        let error = producer.send(record("b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.possibly_written() && error.record.is_none(), "{error:?}");
        stage.cluster.clear_faults();
        producer.send(record("c")).await.unwrap();
        let stamps = stage.stamps(0);
        assert_eq!(stamps.last(), Some(&(1, 0, 1)), "{stamps:?}");
        assert_eq!(stage.values(0).iter().filter(|value| *value == "c").count(), 1);
    });
}

#[test]
fn a_topic_that_is_created_again_is_another_topic() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        producer.send(record("old")).await.unwrap();
        stage.cluster.delete_topic("t").unwrap();
        stage.cluster.create_topic("t", 2).unwrap();
        let error = producer.send(record("lost")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TopicRecreated, "{error}");
        assert!(error.is_retriable(), "it may go to the new topic");
        let at = producer.send(record("new")).await.unwrap();
        assert_eq!(at.offset, Offset(0));
        assert_eq!(stage.values(0), ["new"]);
        assert_eq!(stage.stamps(0), [(0, 0, 1)]);
    });
}

#[test]
fn a_record_that_nobody_takes_tells_why() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().set("delivery.timeout.ms", 31_000).start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        let refuse = Fault::on(ApiKey::Produce).always().error(ErrorCode::NOT_ENOUGH_REPLICAS);
        stage.cluster.inject(refuse);
        let error = producer.send(record("a")).await.unwrap_err();
        assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, false));
        assert!(error.to_string().contains("NOT_ENOUGH_REPLICAS"), "{error}");
        stage.cluster.clear_faults();
        stage.kafka.close(SECOND).await.unwrap();
        stage.cluster.cut_connections(NodeId(1)).unwrap();
        let error = producer.send(record("b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    });
}

#[test]
fn a_throttled_broker_gets_nothing_for_so_long_and_others_do() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.brokers(2).topic("t", 2)).await;
        let producer = stage.producer().await;
        let other = (0..2).find(|p| stage.cluster.leader("t", *p) != stage.cluster.leader("t", 0)).unwrap();
        let node = stage.cluster.leader("t", 0).unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).node(node).throttle(5000));
        producer.send(record("a")).await.unwrap();
        let start = tokio::time::Instant::now();
        producer.send(Record::to("t").partition(other).value("b")).await.unwrap();
        assert!(start.elapsed() < SECOND);
        producer.send(record("c")).await.unwrap();
        let waited = start.elapsed();
        assert!(waited > 4 * SECOND && waited < 6 * SECOND, "{waited:?}");
    });
}

#[test]
fn where_a_broker_does_not_know_the_codec_another_is_used() {
    play(|| async {
        let stage = Stage::new().await;
        stage.cluster.cap_version(ApiKey::Produce, 6);
        let builder = stage.builder().compression(Codec::Zstd).set("compression.zstd.level", 19);
        let producer = builder.linger(SECOND / 10).start().await.unwrap();
        for n in 0..3 {
            drop(producer.enqueue(record(format!("{n:0>300}"))).await.unwrap());
        }
        producer.flush().await.unwrap();
        producer.send(record(format!("{:0>300}", 3))).await.unwrap();
        let codecs: Vec<Codec> =
            stage.cluster.log("t", 0).iter().map(|batch| batch.header.attributes.codec().unwrap()).collect();
        assert_eq!(codecs, [Codec::Lz4, Codec::Lz4]);
        assert_eq!(stage.values(0), (0..4).map(|n| format!("{n:0>300}")).collect::<Vec<_>>());
        assert_eq!(stage.stamps(0), [(0, 0, 3), (0, 3, 1)], "it kept its sequence");
        assert_eq!(stage.produce_requests(), 3, "only the first batch was refused");
    });
}

#[test]
fn services_that_take_gzip_alone_get_gzip() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().compression(Codec::Lz4).start().await.unwrap();
        for nth in [1, 2] {
            let refusal = Fault::on(ApiKey::Produce).nth(nth).error(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
            stage.cluster.inject(refusal);
        }
        producer.send(record("x".repeat(300))).await.unwrap();
        assert_eq!(stage.cluster.log("t", 0)[0].header.attributes.codec(), Ok(Codec::Gzip));
    });
}

#[test]
fn a_broker_that_speaks_no_version_of_ours_is_an_error_at_once() {
    play(|| async {
        let stage = Stage::new().await;
        stage.cluster.cap_version(ApiKey::Produce, 2);
        let producer = stage.builder().start().await.unwrap();
        let start = tokio::time::Instant::now();
        let error = producer.send(record("a")).await.unwrap_err();
        assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::UnsupportedVersion, false));
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    });
}
