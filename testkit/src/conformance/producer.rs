//! What a producer must do.
use std::collections::BTreeSet;

use bytes::Bytes;
use courant::ErrorCode;
use courant::client::ErrorKind;
use courant::producer::Producer;
use courant::{Offset, PartitionId, Record, UnixMillis};

use super::world::{
    PATIENCE, Subject, fill, fresh, numbers, producer, producer_with, read, read_one, topic, topic_with,
};

super::case::declare! {
    ($) producer_suite;
    a_sent_record_is_acknowledged_with_its_place: "P10" "P26";
    offsets_of_one_partition_are_dense_from_zero: "P14";
    keys_choose_the_partition_that_java_chooses: "P1";
    an_empty_key_is_hashed_and_a_missing_one_is_not: "P1";
    an_explicit_partition_is_obeyed: "P4";
    records_without_keys_stick_to_a_partition_for_a_while: "P3";
    order_in_a_partition_is_the_order_of_sending: "P14";
    headers_keep_order_twins_and_nulls: "P8";
    null_and_empty_are_told_apart: "P8";
    timestamps_are_the_senders: "P26";
    a_record_without_a_timestamp_gets_the_present: "P26";
    log_append_time_is_reported: "P26" "C4";
    gzip_round_trips: "P9";
    snappy_round_trips: "P9";
    lz4_round_trips: "P9";
    zstd_round_trips: "P9";
    acks_zero_waits_for_nothing: "P10";
    acks_one_is_acknowledged_by_the_leader: "P10";
    without_idempotence_records_arrive_too: "P13";
    a_batch_over_the_topics_limit_is_split: "P7";
    a_single_record_over_the_topics_limit_fails_alone: "P7";
    a_record_over_max_request_size_is_given_back: "P7";
    a_large_record_passes: "P7";
    flush_waits_for_what_was_sent_before: "P23";
    close_sends_what_is_left: "P23";
    a_closed_producer_gives_the_record_back: "P23";
    an_unknown_topic_is_a_typed_error: "P24";
    an_unknown_partition_is_a_typed_error: "P4";
    a_small_buffer_holds_up_but_loses_nothing: "P6" "P5";
    two_producers_on_one_handle_do_not_mix: "P13";
    a_dropped_delivery_is_delivered_all_the_same: "P23";
    linger_zero_sends_at_once: "P5";
    a_batch_size_of_zero_still_sends: "P5";
    many_partitions_travel_together: "P14";
    one_request_in_flight_is_enough: "P13" "P14";
    varint_lengths_at_their_edges_round_trip: "P8";
}

async fn a_sent_record_is_acknowledged_with_its_place(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "acknowledged", 3).await;
    let producer = producer(&kafka).await;
    let at = producer.send(Record::to(&topic).partition(2).value("v")).await.expect("acknowledged");
    assert_eq!(
        (&*at.topic_partition.topic, at.topic_partition.partition, at.offset),
        (&*topic, PartitionId(2), Offset(0))
    );
    assert_eq!(at.to_string(), format!("{topic}-2@0"));
}

async fn offsets_of_one_partition_are_dense_from_zero(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "dense", 1).await;
    let producer = producer(&kafka).await;
    let mut deliveries = Vec::new();
    for value in numbers(500) {
        deliveries.push(producer.enqueue(Record::to(&topic).value(value)).await.expect("accepted"));
    }
    for (expected, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.await.expect("acknowledged").offset, Offset(expected as i64));
    }
}

async fn keys_choose_the_partition_that_java_chooses(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "keyed", 6).await;
    let producer = producer(&kafka).await;
    // Hashes from Kafka's UtilsTest: the sign bit is masked away, not turned round.
    let vectors = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("abc", 479_470_107),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ];
    for (key, hash) in vectors {
        let at = producer.send(Record::to(&topic).key(key).value("v")).await.expect("acknowledged");
        assert_eq!(at.topic_partition.partition, PartitionId((hash & i32::MAX) % 6), "{key}");
    }
}

async fn an_empty_key_is_hashed_and_a_missing_one_is_not(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "empty-key", 6).await;
    let producer = producer_with(&kafka, &[("batch.size", "0")]).await;
    // Java's murmur2 of nothing, masked: Utils.murmur2(new byte[0]) = 275646681.
    let expected = PartitionId(275_646_681 % 6);
    let mut without_key = BTreeSet::new();
    for _ in 0..60 {
        assert_eq!(
            producer
                .send(Record::to(&topic).key("").value("v"))
                .await
                .expect("acknowledged")
                .topic_partition
                .partition,
            expected
        );
        without_key.insert(
            producer
                .send(Record::to(&topic).value("v"))
                .await
                .expect("acknowledged")
                .topic_partition
                .partition,
        );
    }
    assert!(without_key.len() > 1, "records without keys all went to {without_key:?}");
    let records = read(&kafka, &topic, 6, 120).await;
    let keys =
        |key: Option<&[u8]>| records.values().flatten().filter(|got| got.key.as_deref() == key).count();
    assert_eq!((keys(Some(b"")), keys(None)), (60, 60));
}

async fn an_explicit_partition_is_obeyed(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "explicit", 4).await;
    let producer = producer(&kafka).await;
    for partition in [3, 0, 2, 1, 3] {
        let sent = producer.send(Record::to(&topic).partition(partition).key("same").value("v")).await;
        assert_eq!(sent.expect("acknowledged").topic_partition.partition, PartitionId(partition));
    }
}

async fn records_without_keys_stick_to_a_partition_for_a_while(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "sticky", 6).await;
    let producer = producer_with(&kafka, &[("linger.ms", "1000"), ("batch.size", "16384")]).await;
    let mut deliveries = Vec::new();
    for value in numbers(50) {
        deliveries.push(producer.enqueue(Record::to(&topic).value(value)).await.expect("accepted"));
    }
    producer.flush().await.expect("flushed");
    let mut partitions = BTreeSet::new();
    for delivery in deliveries {
        partitions.insert(delivery.await.expect("acknowledged").topic_partition.partition);
    }
    assert_eq!(partitions.len(), 1, "50 small records fit one batch (KIP-480)");
}

async fn order_in_a_partition_is_the_order_of_sending(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "ordered", 3).await;
    let producer = producer_with(&kafka, &[("batch.size", "200"), ("linger.ms", "0")]).await;
    for i in 0..900 {
        let _delivery = producer
            .enqueue(Record::to(&topic).partition(i % 3).value(i.to_string()))
            .await
            .expect("accepted");
    }
    producer.flush().await.expect("flushed");
    for (partition, records) in read(&kafka, &topic, 3, 900).await {
        let values: Vec<i32> = records.iter().map(|got| got.text().parse().expect("a number")).collect();
        let expected: Vec<i32> = (0..300).map(|i| i * 3 + partition.0).collect();
        assert_eq!(values, expected, "partition {partition}");
    }
}

async fn headers_keep_order_twins_and_nulls(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "headers", 1).await;
    let record = Record::to(&topic)
        .value("v")
        .header("a", "1")
        .header("a", "2")
        .null_header("b")
        .header("", "")
        .header("é", "ü");
    producer(&kafka).await.send(record).await.expect("acknowledged");
    let text = |key: &str, value: &'static str| (key.to_owned(), Some(Bytes::from_static(value.as_bytes())));
    let expected = vec![text("a", "1"), text("a", "2"), ("b".to_owned(), None), text("", ""), text("é", "ü")];
    assert_eq!(read_one(&kafka, &topic, 1).await[0].headers, expected);
}

async fn null_and_empty_are_told_apart(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "nulls", 1).await;
    let producer = producer(&kafka).await;
    producer.send(Record::to(&topic)).await.expect("acknowledged");
    producer.send(Record::to(&topic).key("").value("")).await.expect("acknowledged");
    let records = read_one(&kafka, &topic, 2).await;
    assert_eq!((&records[0].key, &records[0].value), (&None, &None));
    assert_eq!((&records[1].key, &records[1].value), (&Some(Bytes::new()), &Some(Bytes::new())));
}

async fn timestamps_are_the_senders(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "times", 1).await;
    let producer = producer(&kafka).await;
    let times = [1_356_998_400_000, 1_700_000_000_000, 0, 1_356_998_400_001];
    for time in times {
        let at = producer
            .send(Record::to(&topic).timestamp(UnixMillis(time)).value("v"))
            .await
            .expect("acknowledged");
        assert_eq!(at.timestamp, UnixMillis(time));
    }
    let read: Vec<i64> = read_one(&kafka, &topic, 4).await.iter().map(|got| got.timestamp.0).collect();
    assert_eq!(read, times);
}

async fn a_record_without_a_timestamp_gets_the_present(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "present", 1).await;
    let before = subject.world.unix_millis();
    producer(&kafka).await.send(Record::to(&topic).value("v")).await.expect("acknowledged");
    let after = subject.world.unix_millis();
    let time = read_one(&kafka, &topic, 1).await[0].timestamp;
    // The producer's clock is coarse: it may lag behind the world's by some milliseconds.
    assert!(time.0 >= before.0 - 100 && time <= after, "{before} … {time} … {after}");
}

async fn log_append_time_is_reported(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic_with(&kafka, "append-time", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let record = Record::to(&topic).timestamp(UnixMillis(1)).value("v");
    let at = producer(&kafka).await.send(record).await.expect("acknowledged");
    assert!(at.timestamp.0 > 1_600_000_000_000, "the broker's time, not the sender's: {}", at.timestamp);
    assert_eq!(read_one(&kafka, &topic, 1).await[0].timestamp, at.timestamp);
}

async fn gzip_round_trips(subject: Subject) {
    round_trip(subject, "gzip").await;
}

async fn snappy_round_trips(subject: Subject) {
    round_trip(subject, "snappy").await;
}

async fn lz4_round_trips(subject: Subject) {
    round_trip(subject, "lz4").await;
}

async fn zstd_round_trips(subject: Subject) {
    round_trip(subject, "zstd").await;
}

/// More than one snappy and lz4 block, so that block borders are crossed.
async fn round_trip(subject: Subject, codec: &str) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, codec, 1).await;
    let properties = [("compression.type", codec), ("batch.size", "200000"), ("linger.ms", "100")];
    let producer = producer_with(&kafka, &properties).await;
    let value = |i: usize| format!("{i} {}", "the same words again ".repeat(40));
    for i in 0..200 {
        let _delivery =
            producer.enqueue(Record::to(&topic).key(i.to_string()).value(value(i))).await.expect("accepted");
    }
    producer.close(PATIENCE).await.expect("closed");
    for (i, got) in read_one(&kafka, &topic, 200).await.iter().enumerate() {
        assert_eq!((got.key.as_deref(), got.text()), (Some(i.to_string().as_bytes()), value(i).as_str()));
    }
}

async fn acks_zero_waits_for_nothing(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "acks-0", 1).await;
    let producer = producer_with(&kafka, &[("acks", "0"), ("enable.idempotence", "false")]).await;
    for value in numbers(20) {
        let at = producer.send(Record::to(&topic).value(value)).await.expect("sent");
        assert_eq!(at.offset, Offset::NONE, "nobody says which offset it got");
    }
    producer.flush().await.expect("flush ends although nothing answers");
    assert_eq!(read_one(&kafka, &topic, 20).await.len(), 20);
}

async fn acks_one_is_acknowledged_by_the_leader(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "acks-1", 1).await;
    let producer = producer_with(&kafka, &[("acks", "1"), ("enable.idempotence", "false")]).await;
    assert_eq!(producer.send(Record::to(&topic).value("v")).await.expect("acknowledged").offset, Offset(0));
}

async fn without_idempotence_records_arrive_too(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "plain", 1).await;
    let producer = producer_with(&kafka, &[("enable.idempotence", "false")]).await;
    for value in numbers(50) {
        let _delivery = producer.enqueue(Record::to(&topic).value(value)).await.expect("accepted");
    }
    producer.close(PATIENCE).await.expect("closed");
    assert_eq!(read_one(&kafka, &topic, 50).await.len(), 50);
}

async fn a_batch_over_the_topics_limit_is_split(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic_with(&kafka, "split", 1, &[("max.message.bytes", "1024")]).await;
    let producer = producer_with(&kafka, &[("linger.ms", "50")]).await;
    let mut deliveries = Vec::new();
    for i in 0..10 {
        let record = Record::to(&topic).value(format!("{i:0>300}"));
        deliveries.push(producer.enqueue(record).await.expect("accepted"));
    }
    for (i, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.await.expect("acknowledged").offset, Offset(i as i64));
    }
    let records = read_one(&kafka, &topic, 10).await;
    assert!(records.iter().enumerate().all(|(i, got)| got.text() == format!("{i:0>300}")));
}

async fn a_single_record_over_the_topics_limit_fails_alone(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic_with(&kafka, "too-large", 1, &[("max.message.bytes", "1024")]).await;
    let producer = producer_with(&kafka, &[("linger.ms", "50")]).await;
    let small = producer.enqueue(Record::to(&topic).value("small")).await.expect("accepted");
    let large = producer.enqueue(Record::to(&topic).value("x".repeat(5_000))).await.expect("accepted");
    let after = producer.enqueue(Record::to(&topic).value("after")).await.expect("accepted");
    small.await.expect("acknowledged");
    let error = large.await.expect_err("the broker refuses it");
    assert_eq!(error.kind(), ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE), "{error}");
    after.await.expect("acknowledged");
    assert_eq!(read_one(&kafka, &topic, 2).await.len(), 2);
}

async fn a_record_over_max_request_size_is_given_back(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "over-request", 1).await;
    let producer = producer_with(&kafka, &[("max.request.size", "10000")]).await;
    let refused = producer.send(Record::to(&topic).value("x".repeat(20_000))).await.expect_err("refused");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    assert!(refused.error.to_string().contains("max.request.size"), "{}", refused.error);
    assert!(refused.record.is_some(), "the record comes back");
}

async fn a_large_record_passes(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "large", 1).await;
    let value = "y".repeat(900_000);
    producer(&kafka).await.send(Record::to(&topic).value(value.clone())).await.expect("acknowledged");
    assert_eq!(read_one(&kafka, &topic, 1).await[0].text(), value);
}

async fn flush_waits_for_what_was_sent_before(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "flush", 3).await;
    let producer = producer_with(&kafka, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]).await;
    for (i, value) in numbers(30).enumerate() {
        let record = Record::to(&topic).partition(i as i32 % 3).value(value);
        let _delivery = producer.enqueue(record).await.expect("accepted");
    }
    tokio::time::timeout(PATIENCE, producer.flush())
        .await
        .expect("flush ends the lingering")
        .expect("flushed");
    read(&kafka, &topic, 3, 30).await;
}

async fn close_sends_what_is_left(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "close", 1).await;
    let producer = producer_with(&kafka, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]).await;
    let delivery = producer.enqueue(Record::to(&topic).value("last")).await.expect("accepted");
    producer.close(PATIENCE).await.expect("closed");
    assert_eq!(delivery.await.expect("acknowledged").offset, Offset(0));
}

async fn a_closed_producer_gives_the_record_back(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "closed", 1).await;
    let producer = producer(&kafka).await;
    let other: Producer = producer.clone();
    producer.close(PATIENCE).await.expect("closed");
    let refused = other.send(Record::to(&topic).key("k").value("v")).await.expect_err("closed");
    assert_eq!(refused.error.kind(), ErrorKind::Closed);
    assert!(refused.record.is_some());
}

async fn an_unknown_topic_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = fresh("nobody-made-this");
    let producer = producer_with(&kafka, &[("max.block.ms", "500")]).await;
    let refused = producer.send(Record::to(&topic).value("v")).await.expect_err("unknown");
    assert_eq!(refused.error.kind(), ErrorKind::UnknownTopic, "{}", refused.error);
    assert!(refused.error.to_string().contains(&*topic) && refused.record.is_some(), "{}", refused.error);
}

async fn an_unknown_partition_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "two-partitions", 2).await;
    let producer = producer_with(&kafka, &[("max.block.ms", "500")]).await;
    let refused = producer.send(Record::to(&topic).partition(7).value("v")).await.expect_err("unknown");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput, "{}", refused.error);
}

async fn a_small_buffer_holds_up_but_loses_nothing(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "small-buffer", 2).await;
    let producer =
        producer_with(&kafka, &[("buffer.memory", "4096"), ("batch.size", "1024"), ("linger.ms", "10000")])
            .await;
    let filling = async {
        for (i, value) in numbers(300).enumerate() {
            let record = Record::to(&topic).partition(i as i32 % 2).value(format!("{value:0>100}"));
            let _delivery = producer.enqueue(record).await.expect("accepted");
        }
        producer.flush().await.expect("flushed");
    };
    tokio::time::timeout(PATIENCE, filling).await.expect("a full buffer drains at once, linger or not");
    read(&kafka, &topic, 2, 300).await;
}

async fn two_producers_on_one_handle_do_not_mix(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "two-producers", 1).await;
    let (one, two) = (producer(&kafka).await, producer(&kafka).await);
    for i in 0..50 {
        let _one = one.enqueue(Record::to(&topic).key("one").value(i.to_string())).await.expect("accepted");
        let _two = two.enqueue(Record::to(&topic).key("two").value(i.to_string())).await.expect("accepted");
    }
    one.flush().await.expect("flushed");
    two.flush().await.expect("flushed");
    let records = read_one(&kafka, &topic, 100).await;
    for key in ["one", "two"] {
        let own = records
            .iter()
            .filter(|got| got.key.as_deref() == Some(key.as_bytes()))
            .map(|got| got.text().to_owned());
        assert!(own.eq(numbers(50)), "{key} keeps its order");
    }
}

async fn a_dropped_delivery_is_delivered_all_the_same(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "dropped", 1).await;
    let producer = producer(&kafka).await;
    drop(producer.enqueue(Record::to(&topic).value("kept")).await.expect("accepted"));
    producer.flush().await.expect("flushed");
    assert_eq!(read_one(&kafka, &topic, 1).await[0].text(), "kept");
}

async fn linger_zero_sends_at_once(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "at-once", 1).await;
    let producer = producer_with(&kafka, &[("linger.ms", "0")]).await;
    for i in 0..10 {
        let sent = tokio::time::timeout(PATIENCE, producer.send(Record::to(&topic).value("v"))).await;
        assert_eq!(sent.expect("in time").expect("acknowledged").offset, Offset(i));
    }
}

async fn a_batch_size_of_zero_still_sends(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "no-batching", 1).await;
    let producer = producer_with(&kafka, &[("batch.size", "0")]).await;
    for value in numbers(10) {
        producer.send(Record::to(&topic).value(value)).await.expect("acknowledged");
    }
    assert_eq!(read_one(&kafka, &topic, 10).await.len(), 10);
}

async fn many_partitions_travel_together(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "many-partitions", 24).await;
    let producer = producer(&kafka).await;
    for i in 0..240 {
        let _delivery = producer
            .enqueue(Record::to(&topic).partition(i % 24).value(i.to_string()))
            .await
            .expect("accepted");
    }
    producer.close(PATIENCE).await.expect("closed");
    let records = read(&kafka, &topic, 24, 240).await;
    assert!(records.len() == 24 && records.values().all(|partition| partition.len() == 10));
}

async fn one_request_in_flight_is_enough(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "one-in-flight", 1).await;
    let properties =
        [("max.in.flight.requests.per.connection", "1"), ("batch.size", "100"), ("linger.ms", "0")];
    let producer = producer_with(&kafka, &properties).await;
    for value in numbers(100) {
        let _delivery = producer.enqueue(Record::to(&topic).value(value)).await.expect("accepted");
    }
    producer.close(PATIENCE).await.expect("closed");
    assert!(read_one(&kafka, &topic, 100).await.iter().map(|got| got.text().to_owned()).eq(numbers(100)));
}

async fn varint_lengths_at_their_edges_round_trip(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "varints", 1).await;
    let lengths = [0, 1, 62, 63, 64, 65, 126, 127, 128, 8_190, 8_191, 8_192, 8_193];
    fill(&kafka, &topic, 0, lengths.iter().map(|length| "z".repeat(*length))).await;
    let read: Vec<usize> =
        read_one(&kafka, &topic, lengths.len()).await.iter().map(|got| got.text().len()).collect();
    assert_eq!(read, lengths);
}
