//! What a consumer must do.
use courant::admin::{Admin, NewPartitions};
use courant::consumer::{Consumer, ErrorKind};
use courant::{Kafka, Offset, PartitionId, Record, TopicName, TopicPartition, UnixMillis};
use futures_util::StreamExt;

use super::world::{
    Got, PATIENCE, Subject, consumer_with, fill, fresh, next, numbers, producer, producer_with, read, take,
    topic,
};

super::case::declare! {
    ($) consumer_suite;
    earliest_reads_from_the_start: "C10";
    latest_reads_only_what_comes: "C10";
    no_reset_policy_is_a_typed_error: "C10";
    by_duration_starts_at_a_time: "C10";
    a_position_moves_when_records_are_handed_out: "C24";
    seek_goes_back_and_forth: "C24";
    seek_to_beginning_and_end: "C24";
    a_paused_partition_is_silent_and_loses_nothing: "C24";
    every_assigned_partition_is_read: "C1" "C25";
    batches_hold_at_most_max_poll_records: "C12";
    committed_offsets_are_where_the_next_one_starts: "C21" "C23";
    without_a_commit_there_is_none: "C23";
    an_asynchronous_commit_arrives: "C21";
    a_commit_covers_what_was_handed_out: "C21";
    auto_commit_leaves_out_the_batch_in_hand: "C22";
    close_commits_what_was_finished: "C22";
    a_commit_without_a_group_is_a_typed_error: "C25";
    offsets_for_times_find_the_first_record: "C24" "C11";
    beginning_and_end_offsets_are_the_logs: "C24";
    lag_counts_what_is_left: "C24";
    an_offset_out_of_range_resets: "C10";
    an_offset_out_of_range_without_policy_is_a_typed_error: "C10";
    a_log_that_lost_its_start_is_read_from_there: "C10" "C3";
    a_waiting_poll_wakes_when_data_comes: "C1";
    a_batch_larger_than_the_limits_is_still_read: "C1";
    a_fetch_may_start_inside_a_batch: "C3";
    the_stream_gives_owned_records: "C1";
    read_committed_reads_plain_records: "C5";
    a_changed_assignment_takes_effect: "C25" "C2";
    a_closed_consumer_ends: "C28";
    dropped_polls_lose_nothing: "C28";
    compressed_and_plain_batches_mix: "C3" "P9";
    many_partitions_share_one_fetch: "C1" "C2";
    a_grown_topic_can_be_assigned: "C26";
    an_unknown_topic_is_named: "C26";
}

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn texts(records: &[Got]) -> Vec<&str> {
    records.iter().map(Got::text).collect()
}

async fn filled(kafka: &Kafka, stem: &str, n: usize) -> TopicName {
    let topic = topic(kafka, stem, 1).await;
    fill(kafka, &topic, 0, numbers(n)).await;
    topic
}

async fn next_n(consumer: &mut Consumer, n: usize) -> Vec<Got> {
    take(consumer, n).await.into_values().flatten().collect()
}

async fn grouped(kafka: &Kafka, topic: &str, group: &str, properties: &[(&str, &str)]) -> Consumer {
    let mut all = vec![("group.id", group)];
    all.extend_from_slice(properties);
    consumer_with(kafka, topic, 1, &all).await
}

async fn earliest_reads_from_the_start(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "earliest", 10).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("auto.offset.reset", "earliest")]).await;
    assert_eq!(texts(&next_n(&mut consumer, 10).await), numbers(10).collect::<Vec<_>>());
}

async fn latest_reads_only_what_comes(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "latest", 5).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("auto.offset.reset", "latest")]).await;
    assert_eq!(consumer.position(at(&topic, 0)).await.expect("a position"), Offset(5));
    fill(&kafka, &topic, 0, ["new".to_owned()]).await;
    assert_eq!(texts(&next_n(&mut consumer, 1).await), ["new"]);
}

async fn no_reset_policy_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "no-policy", 1).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("auto.offset.reset", "none")]).await;
    let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("in time");
    let error = polled.expect_err("there is no offset to start from");
    assert_eq!(error.kind(), ErrorKind::NoOffset, "{error}");
    assert!(error.to_string().contains(&*topic), "{error}");
}

async fn by_duration_starts_at_a_time(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "by-duration", 1).await;
    let now = subject.world.unix_millis().0;
    let producer = producer(&kafka).await;
    for (age_ms, value) in [(7_200_000, "old"), (60_000, "young"), (0, "new")] {
        let record = Record::to(&topic).timestamp(UnixMillis(now - age_ms)).value(value);
        producer.send(record).await.expect("acknowledged");
    }
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("auto.offset.reset", "by_duration:PT1H")]).await;
    assert_eq!(texts(&next_n(&mut consumer, 2).await), ["young", "new"]);
}

async fn a_position_moves_when_records_are_handed_out(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "position", 10).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("max.poll.records", "4")]).await;
    assert_eq!(consumer.position(at(&topic, 0)).await.expect("a position"), Offset(0));
    let got = next(&mut consumer).await;
    assert_eq!(consumer.position(at(&topic, 0)).await.expect("a position"), Offset(got.len() as i64));
}

async fn seek_goes_back_and_forth(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "seek", 20).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("max.poll.records", "5")]).await;
    next(&mut consumer).await;
    for offset in [15, 3, 19, 0] {
        consumer.seek(at(&topic, 0), Offset(offset)).expect("assigned");
        assert_eq!(next(&mut consumer).await[0].offset, Offset(offset));
    }
}

async fn seek_to_beginning_and_end(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "seek-ends", 8).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    consumer.seek_to_end([at(&topic, 0)]).expect("assigned");
    assert_eq!(consumer.position(at(&topic, 0)).await.expect("a position"), Offset(8));
    consumer.seek_to_beginning([at(&topic, 0)]).expect("assigned");
    assert_eq!(next(&mut consumer).await[0].offset, Offset(0));
}

async fn a_paused_partition_is_silent_and_loses_nothing(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "pause", 2).await;
    fill(&kafka, &topic, 0, numbers(10)).await;
    fill(&kafka, &topic, 1, numbers(10)).await;
    let mut consumer = consumer_with(&kafka, &topic, 2, &[]).await;
    consumer.pause([at(&topic, 0)]).expect("assigned");
    let records = take(&mut consumer, 10).await;
    assert!(records.keys().eq([&PartitionId(1)]), "only the other partition speaks");
    consumer.resume([at(&topic, 0)]).expect("assigned");
    assert_eq!(texts(&take(&mut consumer, 10).await[&PartitionId(0)]), numbers(10).collect::<Vec<_>>());
}

async fn every_assigned_partition_is_read(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "all", 6).await;
    for partition in 0..6 {
        fill(&kafka, &topic, partition, numbers(20)).await;
    }
    let records = read(&kafka, &topic, 6, 120).await;
    assert!(records.len() == 6 && records.values().all(|r| texts(r) == numbers(20).collect::<Vec<_>>()));
}

async fn batches_hold_at_most_max_poll_records(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "slices", 25).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("max.poll.records", "7")]).await;
    let mut read = Vec::new();
    while read.len() < 25 {
        let got = next(&mut consumer).await;
        assert!((1..=7).contains(&got.len()), "{} records in a batch", got.len());
        read.extend(got);
    }
    assert_eq!(texts(&read), numbers(25).collect::<Vec<_>>());
}

async fn committed_offsets_are_where_the_next_one_starts(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "resume", 10).await;
    let group = fresh("resume-group");
    let properties = [("enable.auto.commit", "false"), ("max.poll.records", "4")];
    let mut first = grouped(&kafka, &topic, &group, &properties).await;
    next_n_at_most(&mut first, 4).await;
    first.commit().await.expect("committed");
    first.close(PATIENCE).await.expect("closed");
    let mut second = grouped(&kafka, &topic, &group, &properties).await;
    assert_eq!(next(&mut second).await[0].offset, Offset(4));
}

/// Polls until exactly `n` records were handed out, where batches hold at most `n`.
async fn next_n_at_most(consumer: &mut Consumer, n: usize) {
    let got = next(consumer).await;
    assert_eq!(got.len(), n, "one batch of the log holds them all");
}

async fn without_a_commit_there_is_none(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "uncommitted", 3).await;
    let consumer =
        grouped(&kafka, &topic, &fresh("uncommitted-group"), &[("enable.auto.commit", "false")]).await;
    let committed = consumer.committed([at(&topic, 0)]).await.expect("answered");
    assert_eq!(committed[&at(&topic, 0)], None);
}

async fn an_asynchronous_commit_arrives(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "async", 6).await;
    let mut consumer =
        grouped(&kafka, &topic, &fresh("async-group"), &[("enable.auto.commit", "false")]).await;
    next_n(&mut consumer, 6).await;
    consumer.commit_async().expect("queued").await.expect("committed");
    let committed = consumer.committed([at(&topic, 0)]).await.expect("answered");
    assert_eq!(committed[&at(&topic, 0)].as_ref().map(|c| c.offset), Some(Offset(6)));
}

async fn a_commit_covers_what_was_handed_out(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "commit", 10).await;
    let properties = [("enable.auto.commit", "false"), ("max.poll.records", "3")];
    let mut consumer = grouped(&kafka, &topic, &fresh("commit-group"), &properties).await;
    let handed_out = next(&mut consumer).await.len() as i64;
    consumer.commit().await.expect("committed");
    let committed = consumer.committed([at(&topic, 0)]).await.expect("answered");
    assert_eq!(committed[&at(&topic, 0)].as_ref().map(|c| c.offset), Some(Offset(handed_out)));
}

async fn auto_commit_leaves_out_the_batch_in_hand(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "in-hand", 10).await;
    let group = fresh("in-hand-group");
    let mut consumer = grouped(&kafka, &topic, &group, &[("max.poll.records", "5")]).await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    // The consumer dies with the second batch in hand: only the first one was finished.
    drop(consumer);
    let mut second = grouped(&kafka, &topic, &group, &[("enable.auto.commit", "false")]).await;
    assert!(next(&mut second).await[0].offset <= Offset(5), "what was in hand is handed out again");
}

async fn close_commits_what_was_finished(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "close-commits", 10).await;
    let group = fresh("close-group");
    let mut first = grouped(&kafka, &topic, &group, &[("enable.auto.commit", "true")]).await;
    next_n(&mut first, 10).await;
    first.close(PATIENCE).await.expect("closed");
    let second = grouped(&kafka, &topic, &group, &[]).await;
    let committed = second.committed([at(&topic, 0)]).await.expect("answered");
    assert_eq!(committed[&at(&topic, 0)].as_ref().map(|c| c.offset), Some(Offset(10)));
}

async fn a_commit_without_a_group_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "no-group", 1).await;
    let consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    let error = consumer.commit().await.expect_err("there is no group");
    assert!(error.to_string().contains("group.id"), "{error}");
}

async fn offsets_for_times_find_the_first_record(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "times", 1).await;
    let producer = producer(&kafka).await;
    for time in [1_000, 2_000, 3_000] {
        producer.send(Record::to(&topic).timestamp(UnixMillis(time)).value("v")).await.expect("acknowledged");
    }
    let consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    for (time, offset) in [(0, Some(0)), (1_500, Some(1)), (3_000, Some(2)), (3_001, None)] {
        let found = consumer.offsets_for_times([(at(&topic, 0), UnixMillis(time))]).await.expect("answered");
        assert_eq!(found[&at(&topic, 0)].as_ref().map(|f| f.offset), offset.map(Offset), "{time}");
    }
}

async fn beginning_and_end_offsets_are_the_logs(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "ends", 9).await;
    Admin::new(&kafka).delete_records([(at(&topic, 0), Offset(2))]).await.all().expect("deleted");
    let consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    assert_eq!(
        consumer.beginning_offsets([at(&topic, 0)]).await.expect("answered")[&at(&topic, 0)],
        Offset(2)
    );
    assert_eq!(consumer.end_offsets([at(&topic, 0)]).await.expect("answered")[&at(&topic, 0)], Offset(9));
}

async fn lag_counts_what_is_left(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "lag", 10).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("max.poll.records", "4")]).await;
    let read = next(&mut consumer).await.len() as u64;
    assert_eq!(consumer.current_lag(at(&topic, 0)), Some(10 - read));
}

async fn an_offset_out_of_range_resets(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "out-of-range", 5).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    consumer.seek(at(&topic, 0), Offset(1_000)).expect("assigned");
    assert_eq!(next(&mut consumer).await[0].offset, Offset(0), "earliest is the policy");
}

async fn an_offset_out_of_range_without_policy_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "out-of-range-none", 5).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("auto.offset.reset", "none")]).await;
    consumer.seek(at(&topic, 0), Offset(1_000)).expect("assigned");
    let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("in time");
    let error = polled.expect_err("out of range");
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange, "{error}");
    assert!(error.to_string().contains("1000"), "{error}");
}

async fn a_log_that_lost_its_start_is_read_from_there(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "lost-start", 10).await;
    Admin::new(&kafka).delete_records([(at(&topic, 0), Offset(6))]).await.all().expect("deleted");
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    assert_eq!(texts(&next_n(&mut consumer, 4).await), ["6", "7", "8", "9"]);
}

async fn a_waiting_poll_wakes_when_data_comes(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "wakes", 1).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("fetch.max.wait.ms", "5000")]).await;
    let (got, ()) = tokio::join!(next(&mut consumer), fill(&kafka, &topic, 0, ["data".to_owned()]));
    assert_eq!(texts(&got), ["data"]);
}

async fn a_batch_larger_than_the_limits_is_still_read(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "over-limits", 1).await;
    let large = "x".repeat(200_000);
    fill(&kafka, &topic, 0, [large.clone(), "small".to_owned(), large.clone()]).await;
    let limits = [("max.partition.fetch.bytes", "1000"), ("fetch.max.bytes", "1000")];
    let mut consumer = consumer_with(&kafka, &topic, 1, &limits).await;
    assert_eq!(texts(&next_n(&mut consumer, 3).await), [large.as_str(), "small", large.as_str()]);
}

async fn a_fetch_may_start_inside_a_batch(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "inside", 1).await;
    let producer = producer_with(&kafka, &[("compression.type", "gzip"), ("linger.ms", "500")]).await;
    for value in numbers(10) {
        let _delivery = producer.enqueue(Record::to(&topic).value(value)).await.expect("accepted");
    }
    producer.flush().await.expect("flushed");
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    consumer.seek(at(&topic, 0), Offset(7)).expect("assigned");
    assert_eq!(texts(&next_n(&mut consumer, 3).await), ["7", "8", "9"]);
}

async fn the_stream_gives_owned_records(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "stream", 12).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    let records: Vec<_> = consumer.stream().take(12).collect().await;
    for (i, record) in records.into_iter().enumerate() {
        let record = record.expect("read");
        assert_eq!(record.offset(), Offset(i as i64));
        assert_eq!(record.value(), Some(i.to_string().as_bytes()));
    }
}

async fn read_committed_reads_plain_records(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "read-committed", 10).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("isolation.level", "read_committed")]).await;
    assert_eq!(next_n(&mut consumer, 10).await.len(), 10);
}

async fn a_changed_assignment_takes_effect(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "changed", 2).await;
    fill(&kafka, &topic, 0, numbers(5)).await;
    fill(&kafka, &topic, 1, numbers(5)).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    assert!(take(&mut consumer, 5).await.keys().eq([&PartitionId(0)]));
    consumer.assign([at(&topic, 1)]).expect("assigned");
    fill(&kafka, &topic, 0, numbers(5)).await;
    assert!(take(&mut consumer, 5).await.keys().eq([&PartitionId(1)]), "the old partition is silent");
}

async fn a_closed_consumer_ends(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "closed", 1).await;
    let consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    tokio::time::timeout(PATIENCE, consumer.close(PATIENCE)).await.expect("in time").expect("closed");
}

async fn dropped_polls_lose_nothing(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "dropped-polls", 40).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[("max.poll.records", "3")]).await;
    let mut read = Vec::new();
    while read.len() < 40 {
        // A poll that is dropped at its first wait.
        {
            let mut poll = std::pin::pin!(consumer.poll());
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            if let std::task::Poll::Ready(batch) = poll.as_mut().poll(&mut cx) {
                read.extend(super::world::owned(
                    &batch.expect("poll succeeds").expect("the consumer is open"),
                ));
            }
        }
        if read.len() < 40 {
            read.extend(next(&mut consumer).await);
        }
    }
    assert_eq!(texts(&read), numbers(40).collect::<Vec<_>>());
}

async fn compressed_and_plain_batches_mix(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "mixed", 1).await;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let producer = producer_with(&kafka, &[("compression.type", codec)]).await;
        for _ in 0..5 {
            let _delivery =
                producer.enqueue(Record::to(&topic).value(codec.repeat(50))).await.expect("accepted");
        }
        producer.close(PATIENCE).await.expect("closed");
    }
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    let records = next_n(&mut consumer, 25).await;
    assert!(records.iter().enumerate().all(|(i, got)| got.offset == Offset(i as i64)));
}

async fn many_partitions_share_one_fetch(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "shared-fetch", 30).await;
    let producer = producer(&kafka).await;
    for i in 0..300 {
        let _delivery = producer
            .enqueue(Record::to(&topic).partition(i % 30).value(i.to_string()))
            .await
            .expect("accepted");
    }
    producer.close(PATIENCE).await.expect("closed");
    let records = read(&kafka, &topic, 30, 300).await;
    assert!(records.len() == 30 && records.values().all(|r| r.len() == 10));
}

async fn a_grown_topic_can_be_assigned(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = filled(&kafka, "grown", 2).await;
    let mut consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    next_n(&mut consumer, 2).await;
    let maker = subject.kafka().await;
    Admin::new(&maker).create_partitions([NewPartitions::to(topic.clone(), 2)]).await.all().expect("grown");
    consumer.assign([at(&topic, 0), at(&topic, 1)]).expect("assigned");
    fill(&maker, &topic, 1, ["grown".to_owned()]).await;
    let records = take(&mut consumer, 1).await;
    assert_eq!(texts(&records[&PartitionId(1)]), ["grown"]);
}

async fn an_unknown_topic_is_named(subject: Subject) {
    let kafka =
        subject.kafka_with(&[("default.api.timeout.ms", "1000"), ("request.timeout.ms", "500")]).await;
    let topic = fresh("not-there");
    let consumer = consumer_with(&kafka, &topic, 1, &[]).await;
    let position = tokio::time::timeout(PATIENCE, consumer.position(at(&topic, 0))).await.expect("in time");
    let error = position.expect_err("unknown");
    assert!(error.to_string().contains(&*topic), "{error}");
}
