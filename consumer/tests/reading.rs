//! Reading from a mock cluster: what is handed out, from whom, and what happens when brokers fail.
mod batches;
mod world;

use batches::{Spec, log};
use bytes::Bytes;
use courant_broker_mock::Fault;
use courant_consumer::{Consumer, ErrorKind, IsolationLevel, OffsetReset};
use courant_protocol::api::ApiKey;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{NodeId, Offset, TopicPartition, UnixMillis};
use futures_util::StreamExt;
use world::{cluster, connect, fetches, ms, places, poll, poll_records, reader, run};

#[test]
fn all_partitions_of_all_brokers_are_read_in_order() {
    run(async {
        let cluster = cluster(|builder| builder);
        for partition in 0..3 {
            let batches =
                [Spec::at(0).records(40).bytes(), Spec::at(40).records(60).codec(Codec::Lz4).bytes()];
            cluster.append_raw("a", partition, log(batches)).unwrap();
        }
        let kafka = connect(&cluster).await;
        let mut consumer =
            reader(&kafka).assign([("a", 1), ("a", 2)]).max_poll_records(70).start().await.unwrap();
        let mut next = [0; 3];
        for (partition, offset) in poll_records(&mut consumer, 300).await {
            let expected = &mut next[usize::try_from(partition).unwrap()];
            assert_eq!(offset, *expected);
            *expected += 1;
        }
        assert_eq!(next, [100; 3]);
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(100));
        consumer.close(ms(5000)).await.unwrap();
        assert!(consumer.poll().await.unwrap().is_none());
    });
}

#[test]
fn a_record_has_all_its_parts_borrowed_and_owned() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).value("one").epoch(0).codec(Codec::Zstd).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let batch = consumer.poll().await.unwrap().unwrap();
        assert_eq!((batch.len(), batch.iter().len(), batch.is_empty()), (1, 1, false));
        let record = batch.iter().next().unwrap();
        assert_eq!((record.topic(), record.partition().0, record.offset().0), ("a", 0, 0));
        assert_eq!((record.key(), record.value()), (Some(&b"k"[..]), Some(&b"one"[..])));
        assert_eq!((record.timestamp(), record.headers().len()), (UnixMillis(1000), 0));
        let owned = record.to_owned();
        drop(batch);
        assert_eq!(
            (owned.value(), owned.value_bytes()),
            (Some(&b"one"[..]), Some(Bytes::from_static(b"one")))
        );
        assert_eq!(owned.next_offset().offset, Offset(1));
        assert_eq!(format!("{owned:?}"), "ConsumerRecord(a-0@0)");
    });
}

#[test]
fn the_time_of_the_broker_counts_where_the_topic_says_so() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(3).log_append_time(9999).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let batch = consumer.poll().await.unwrap().unwrap();
        assert!(batch.iter().all(|record| record.timestamp() == UnixMillis(9999)));
    });
}

#[test]
fn headers_keep_their_order_their_duplicates_and_their_nulls() {
    run(async {
        let cluster = cluster(|builder| builder);
        let headers: [(&str, Option<&[u8]>); 4] =
            [("a", Some(b"1")), ("a", Some(b"2")), ("b", None), ("", Some(b""))];
        cluster.append_raw("a", 0, Spec::at(0).headers(&headers).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let batch = consumer.poll().await.unwrap().unwrap();
        let record = batch.iter().next().unwrap();
        let owned = record.to_owned();
        for seen in [record.headers(), owned.headers()] {
            let seen: Vec<_> = seen.map(|header| (header.key, header.value)).collect();
            let expected = headers.map(|(key, value)| (key.as_bytes(), value));
            assert_eq!(seen, expected);
        }
        assert_eq!(record.last_header("a").and_then(|header| header.value), Some(&b"2"[..]));
        assert_eq!(owned.last_header("a").and_then(|header| header.value), Some(&b"2"[..]));
    });
}

#[test]
fn a_stream_gives_owned_records_and_gives_back_what_it_did_not_give_out() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        let mut stream = consumer.stream();
        for expected in 0..4 {
            assert_eq!(stream.next().await.unwrap().unwrap().offset().0, expected);
        }
        stream.consumer().commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(4)));
        drop(stream);
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(4));
        assert_eq!(poll(&mut consumer).await.unwrap(), [4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn a_close_with_little_time_spends_it_on_no_fetch_that_waits() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).fetch_max_wait(ms(10_000)).start().await.unwrap();
        assert!(tokio::time::timeout(ms(1_000), consumer.poll()).await.is_err(), "a fetch waits by now");
        consumer.close(ms(200)).await.unwrap();
    });
}

#[test]
fn a_negative_offset_is_no_place() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(3).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        for offset in [-1, -2, i64::MIN] {
            for error in [
                consumer.seek(("a", 0), offset).unwrap_err(),
                consumer.commit_offsets([(("a", 0), offset)]).await.unwrap_err(),
                consumer.commit_offsets_async([(("a", 0), offset)]).unwrap_err(),
            ] {
                assert_eq!((error.kind(), error.offset()), (ErrorKind::InvalidUse, Some(Offset(offset))));
            }
        }
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2]);
        assert_eq!(cluster.committed("g", "a", 0), None);
    });
}

#[test]
fn a_stream_before_a_batch_that_cannot_be_read_commits_and_keeps_what_it_gave_out_and_no_more() {
    run(async {
        let cluster = cluster(|builder| builder);
        let bad = Spec::at(10).records(3).broken();
        cluster.append_raw("a", 0, log([Spec::at(0).records(10).bytes(), bad])).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        let mut stream = consumer.stream();
        assert_eq!(stream.next().await.unwrap().unwrap().offset(), Offset(0));
        stream.consumer().commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(1)));
        assert_eq!(stream.consumer().position(("a", 0)).await.unwrap(), Offset(1));
        drop(stream);
        assert_eq!(poll(&mut consumer).await.unwrap(), (1..10).collect::<Vec<_>>());
        assert_eq!(consumer.poll().await.unwrap_err().offset(), Some(Offset(10)));
    });
}

#[test]
fn a_broker_that_asks_for_a_long_silence_gets_it_on_the_connection_that_is_there() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let started = kafka.world().now();
        cluster.append_raw("a", 0, Spec::at(0).records(1).bytes()).unwrap();
        cluster.inject(Fault::on(ApiKey::Fetch).throttle(60_000));
        assert_eq!(poll(&mut consumer).await.unwrap(), [0]);
        cluster.append_raw("a", 0, Spec::at(1).records(1).bytes()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [1]);
        let waited = kafka.world().now() - started;
        assert!(waited >= ms(60_000) && waited < ms(60_100), "{waited:?}");
    });
}

#[test]
fn a_waiting_consumer_is_woken_by_new_records_at_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let writer = cluster.clone();
        let started = kafka.world().now();
        let write = async {
            kafka.world().sleep(ms(10_000)).await;
            writer.append_raw("a", 0, Spec::at(0).records(1).bytes()).unwrap();
        };
        let (batch, ()) = tokio::join!(consumer.poll(), write);
        assert_eq!(batch.unwrap().unwrap().len(), 1);
        assert!(kafka.world().now() < started + ms(10_100));
    });
}

#[test]
fn a_broker_that_dies_delays_its_own_partitions_only_and_comes_back() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).assign([("a", 1), ("a", 2)]).start().await.unwrap();
        for partition in 0..3 {
            cluster.append_raw("a", partition, Spec::at(0).records(1).bytes()).unwrap();
        }
        poll_records(&mut consumer, 3).await;
        let leader = cluster.leader("a", 1).unwrap();
        cluster.crash(leader).unwrap();
        cluster.append_raw("a", 0, Spec::at(1).records(1).bytes()).ok();
        cluster.append_raw("a", 2, Spec::at(1).records(1).bytes()).ok();
        cluster.restart(leader).unwrap();
        cluster.append_raw("a", 1, Spec::at(1).records(1).bytes()).unwrap();
        let mut got = poll_records(&mut consumer, 3).await;
        got.sort_unstable();
        assert_eq!(got, [(0, 1), (1, 1), (2, 1)]);
    });
}

#[test]
fn a_moved_leader_is_followed_without_loss_or_repetition() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        for round in 0..6 {
            cluster.append_raw("a", 0, Spec::at(round).records(1).bytes()).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [round]);
            let leader = cluster.leader("a", 0).unwrap();
            cluster.move_leader("a", 0, NodeId(leader.0 % 3 + 1)).unwrap();
        }
    });
}

#[test]
fn a_cut_connection_costs_nothing_but_time() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(5).bytes()).unwrap();
        cluster.inject(Fault::on(ApiKey::Fetch).times(2).cut_after());
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn fetches_of_a_session_name_changes_only() {
    run(async {
        let cluster = cluster(|builder| builder.brokers(1));
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).assign([("a", 1)]).start().await.unwrap();
        for round in 0..3 {
            cluster.append_raw("a", 0, Spec::at(round).records(1).bytes()).unwrap();
            assert_eq!(poll(&mut consumer).await.unwrap(), [round]);
        }
        consumer.close(ms(5000)).await.unwrap();
        let sent = fetches(&cluster);
        let shape: Vec<_> = sent
            .iter()
            .map(|fetch| {
                (fetch.session_epoch, fetch.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>())
            })
            .collect();
        assert_eq!(shape.first(), Some(&(0, 2)));
        assert!(
            shape[1..shape.len() - 1].iter().all(|(epoch, partitions)| *epoch > 0 && *partitions <= 1),
            "{shape:?}"
        );
        let last = sent.last().unwrap();
        assert_eq!((last.session_id, last.session_epoch), (sent[1].session_id, -1));
    });
}

#[test]
fn a_seek_while_an_answer_is_under_way_wins() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        cluster.inject(Fault::on(ApiKey::Fetch).delay(ms(2000)));
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        tokio::time::timeout(ms(1000), consumer.poll()).await.unwrap_err();
        consumer.seek(("a", 0), 7).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [7, 8, 9]);
    });
}

#[test]
fn a_seek_while_a_reset_is_under_way_wins() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        cluster.inject(Fault::on(ApiKey::ListOffsets).delay(ms(2000)));
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        tokio::time::timeout(ms(1000), consumer.poll()).await.unwrap_err();
        consumer.seek(("a", 0), 5).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [5, 6, 7, 8, 9]);
        kafka.world().sleep(ms(3000)).await;
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(10));
    });
}

#[test]
fn seeks_to_the_ends_pause_and_resume_and_lag_work_together() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        cluster.append_raw("a", 1, Spec::at(0).records(2).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).assign([("a", 1)]).max_poll_records(4).start().await.unwrap();
        consumer.pause([("a", 0)]).unwrap();
        assert_eq!(consumer.paused(), [TopicPartition::new("a", 0)]);
        assert_eq!(places(&consumer.poll().await.unwrap().unwrap()), [(1, 0), (1, 1)]);
        consumer.resume([("a", 0)]).unwrap();
        assert_eq!(consumer.current_lag(("a", 0)), None);
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2, 3]);
        assert_eq!(consumer.current_lag(("a", 0)), Some(6));
        consumer.seek_to_end([("a", 0)]).unwrap();
        assert_eq!(consumer.position(("a", 0)).await.unwrap(), Offset(10));
        consumer.seek_to_beginning([("a", 0)]).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2, 3]);
        assert_eq!(consumer.seek(("b", 0), 1).unwrap_err().kind(), ErrorKind::NotAssigned);
    });
}

#[test]
fn offsets_are_looked_up_by_time_and_at_the_ends() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        cluster.delete_records("a", 0, Offset(3)).unwrap();
        let kafka = connect(&cluster).await;
        let consumer = Consumer::builder(&kafka).start().await.unwrap();
        let both = [("a", 0), ("a", 1)];
        let start = consumer.beginning_offsets(both).await.unwrap();
        let end = consumer.end_offsets(both).await.unwrap();
        assert_eq!(start.into_values().collect::<Vec<_>>(), [Offset(3), Offset(0)]);
        assert_eq!(end.into_values().collect::<Vec<_>>(), [Offset(10), Offset(0)]);
        let times = [(("a", 0), UnixMillis(1000)), (("a", 1), UnixMillis(5))];
        let found = consumer.offsets_for_times(times).await.unwrap();
        let first = found[&TopicPartition::new("a", 0)].unwrap();
        assert_eq!((first.offset, first.timestamp), (Offset(3), UnixMillis(1000)));
        assert_eq!(found[&TopicPartition::new("a", 1)], None);
        let before = consumer.offsets_for_times([(("a", 0), UnixMillis(-1))]).await.unwrap_err();
        assert_eq!(before.kind(), ErrorKind::InvalidUse, "no end of the log");
        assert_eq!(consumer.partitions_for("a").await.unwrap().len(), 3);
    });
}

#[test]
fn an_offset_out_of_range_resets_or_is_told() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(10).bytes()).unwrap();
        cluster.delete_records("a", 0, Offset(4)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        consumer.seek(("a", 0), 1).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap().first(), Some(&4));

        let mut strict = reader(&kafka).offset_reset(OffsetReset::None).start().await.unwrap();
        strict.seek(("a", 0), 1).unwrap();
        let error = strict.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::OffsetOutOfRange, Some(Offset(1))));
    });
}

#[test]
fn a_truncated_log_is_noticed_by_the_epoch() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster
            .append_raw("a", 0, log([Spec::at(0).records(4).bytes(), Spec::at(4).records(4).bytes()]))
            .unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).offset_reset(OffsetReset::None).start().await.unwrap();
        consumer.seek(("a", 0), 0).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap().len(), 8);
        cluster.truncate("a", 0, Offset(4)).unwrap();
        cluster.append_raw("a", 0, Spec::at(4).records(6).bytes()).unwrap();
        let error = consumer.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::LogTruncated, Some(Offset(8))));
        assert_eq!(error.resume_at(), Some(Offset(4)));
        consumer.seek(("a", 0), Offset(4)).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn only_committed_records_are_read_where_that_is_asked_for() {
    run(async {
        let cluster = cluster(|builder| builder);
        let bytes = [
            Spec::at(0).records(2).bytes(),
            Spec::at(2).marker(1, true).bytes(),
            Spec::at(3).records(1).bytes(),
        ];
        cluster.append_raw("a", 0, log(bytes)).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer =
            reader(&kafka).isolation_level(IsolationLevel::ReadCommitted).start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 3]);
    });
}

#[test]
fn a_poison_batch_is_told_and_left_by_a_seek() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(5).bytes()).unwrap();
        cluster.inject(Fault::on(ApiKey::Fetch).corrupt_records());
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let error = consumer.poll().await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(Offset(0))));
        assert_eq!(error.topic_partition(), Some(&TopicPartition::new("a", 0)));
        consumer.seek(("a", 0), 0).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_topic_that_comes_into_being_later_is_read_and_one_that_never_does_is_told() {
    run(async {
        let cluster = cluster(|builder| builder.config("auto.create.topics.enable", "true"));
        let kafka = connect(&cluster).await;
        let mut consumer = Consumer::builder(&kafka)
            .assign([("late", 0)])
            .auto_offset_reset("earliest")
            .start()
            .await
            .unwrap();
        let started = kafka.world().now();
        let error = consumer.poll().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::UnknownTopic, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
        );
        assert!(kafka.world().now() >= started + ms(60_000));
        assert!(!cluster.topics().contains(&"late".to_owned()));
        cluster.create_topic("late", 1).unwrap();
        cluster.append_raw("late", 0, Spec::at(0).records(2).bytes()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1]);
    });
}

#[test]
fn a_name_that_no_topic_can_have_is_told_at_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(1).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).assign([("not a topic", 0)]).start().await.unwrap();
        let started = kafka.world().now();
        let (mut read, mut told) = (Vec::new(), Vec::new());
        while read.is_empty() || told.is_empty() {
            match poll(&mut consumer).await {
                Ok(offsets) => read.extend(offsets),
                Err(error) => told.push(error),
            }
        }
        assert_eq!((read, told.len()), (vec![0], 1));
        assert_eq!(told[0].code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION), "{}", told[0]);
        assert!(told[0].to_string().contains("not a topic"), "{}", told[0]);
        assert!(kafka.world().now() < started + ms(5_000));
    });
}

#[test]
fn a_leader_that_is_behind_or_ahead_is_waited_for_and_nothing_is_reset() {
    for code in [
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::REPLICA_NOT_AVAILABLE,
    ] {
        run(async {
            let cluster = cluster(|builder| builder);
            cluster.append_raw("a", 0, Spec::at(0).records(4).bytes()).unwrap();
            let kafka = connect(&cluster).await;
            let mut consumer = reader(&kafka).max_poll_records(2).start().await.unwrap();
            consumer.seek(("a", 0), 2).unwrap();
            cluster.inject(Fault::on(ApiKey::Fetch).times(3).error(code));
            assert_eq!(poll(&mut consumer).await.unwrap(), [2, 3], "{code}");
        });
    }
}

#[test]
fn a_recreated_topic_is_told_and_old_offsets_are_not_committed_to_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(8).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).group("g").start().await.unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap().len(), 8);
        cluster.delete_topic("a").unwrap();
        cluster.create_topic("a", 3).unwrap();
        cluster.append_raw("a", 0, Spec::at(0).records(2).bytes()).unwrap();
        let started = kafka.world().now();
        let refused = consumer.commit().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TopicRecreated);
        assert!(kafka.world().now() < started + ms(5000), "it is not tried until its time is over");
        let error = consumer.poll().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.topic_partition()),
            (ErrorKind::TopicRecreated, Some(&TopicPartition::new("a", 0)))
        );
        consumer.commit().await.unwrap();
        kafka.world().sleep(ms(20_000)).await;
        assert_eq!(cluster.committed("g", "a", 0), None);
        consumer.seek_to_beginning([("a", 0)]).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0, 1]);
        consumer.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(2)));
    });
}

#[test]
fn a_grown_topic_is_read_although_a_broker_has_not_heard_of_it() {
    run(async {
        let cluster = cluster(|builder| builder.brokers(3));
        for node in 1..=3 {
            cluster.stale_metadata(NodeId(node)).unwrap();
        }
        cluster.add_partitions("a", 1).unwrap();
        cluster.append_raw("a", 3, Spec::at(0).records(2).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).assign([("a", 3)]).start().await.unwrap();
        tokio::time::timeout(ms(5000), consumer.poll()).await.unwrap_err();
        for node in 1..=3 {
            cluster.fresh_metadata(NodeId(node)).unwrap();
        }
        assert_eq!(places(&consumer.poll().await.unwrap().unwrap()), [(3, 0), (3, 1)]);
        assert_eq!(consumer.partitions_for("a").await.unwrap().len(), 4);
    });
}

#[test]
fn an_older_view_of_the_leader_is_not_believed() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        cluster.append_raw("a", 0, Spec::at(0).records(1).bytes()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [0]);
        cluster.stale_metadata(NodeId(2)).unwrap();
        let leader = cluster.leader("a", 0).unwrap();
        cluster.move_leader("a", 0, NodeId(leader.0 % 3 + 1)).unwrap();
        cluster.append_raw("a", 0, Spec::at(1).records(1).bytes()).unwrap();
        assert_eq!(poll(&mut consumer).await.unwrap(), [1]);
    });
}

#[test]
fn dropping_a_consumer_ends_it_without_waiting() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).start().await.unwrap();
        kafka.world().sleep(ms(100)).await;
        drop(consumer);
        let started = kafka.world().now();
        tokio::task::yield_now().await;
        kafka.world().sleep(ms(1)).await;
        assert!(kafka.world().now() < started + ms(10));
        let open = kafka.cluster().open_connections();
        kafka.world().sleep(ms(2000)).await;
        assert!(kafka.cluster().open_connections() <= open);
    });
}

#[test]
fn the_client_below_being_closed_ends_the_consumer() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        kafka.world().sleep(ms(100)).await;
        let below = kafka.clone();
        let (polled, closed) = tokio::join!(consumer.poll(), below.close(ms(1000)));
        closed.unwrap();
        assert!(polled.unwrap().is_none());
    });
}
