//! Sinks: groups, writes, verdicts, retries, flushes, rebalances.
use std::sync::Mutex;

use courant_broker_mock::MockCluster;
use courant_connect::{Error, ErrorKind, Flushed, State, Worker};
use courant_protocol::types::{Offset, TopicPartition};

use crate::world::*;

async fn sink(cluster: &MockCluster, target: &str, more: &[(&str, &str)]) -> Worker {
    sink_on(&connect(cluster).await, target, more).await
}

async fn sink_on(kafka: &courant_client::Kafka, target: &str, more: &[(&str, &str)]) -> Worker {
    let properties = [("script", target), ("topics", "t"), ("value.converter", "StringConverter")];
    let properties = properties.into_iter().chain(more.iter().copied());
    Worker::builder(kafka).sink::<TargetSink>("snk", properties).start().await.unwrap()
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn committed(cluster: &MockCluster, partition: i32) -> Option<i64> {
    cluster.committed("connect-snk", "t", partition).map(|offset| offset.0)
}

#[test]
fn a_sink_writes_everything_says_when_it_has_and_goes_on_from_there() {
    run(async {
        let cluster = cluster(&[("t", 2)]);
        put(&cluster, "t", 0, &["a", "b"]);
        put(&cluster, "t", 1, &["c"]);
        let target = target("goes-on-sink");
        let worker = sink(&cluster, "goes-on-sink", &[]).await;
        let progress = worker.delivered("snk", [(("t", 0), 2), (("t", 1), 1)]).await.unwrap();
        assert_eq!((progress.read, progress.written), (3, 3));
        assert_eq!(progress.partitions[&at(0)].committed, Some(Offset(2)));
        assert_eq!((committed(&cluster, 0), committed(&cluster, 1)), (Some(2), Some(1)));
        let mut values = delivered(&target);
        values.sort();
        assert_eq!(values, ["a", "b", "c"]);
        worker.stop(5 * SECOND).await.unwrap();
        assert_eq!(lock(&target).closed, 1);
        assert_eq!(lock(&target).revoked.len(), 1);

        put(&cluster, "t", 0, &["d"]);
        let worker = sink(&cluster, "goes-on-sink", &[]).await;
        let progress = worker.delivered("snk", [(("t", 0), 3)]).await.unwrap();
        assert_eq!(progress.written, 1);
        assert_eq!(delivered(&target).len(), 4);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_pattern_names_the_topics_of_a_sink_and_those_that_come_later_are_read_too() {
    run(async {
        let cluster = cluster(&[("in-a", 1), ("not-in-a", 1)]);
        put(&cluster, "in-a", 0, &["a"]);
        put(&cluster, "not-in-a", 0, &["x"]);
        let target = target("pattern-sink");
        let properties =
            [("script", "pattern-sink"), ("topics.regex", "in-.*"), ("value.converter", "StringConverter")];
        let builder = worker(&cluster).await.sink::<TargetSink>("snk", properties);
        let worker = builder.start().await.unwrap();
        worker.delivered("snk", [(("in-a", 0), 1)]).await.unwrap();
        cluster.create_topic("in-b", 1).unwrap();
        put(&cluster, "in-b", 0, &["b"]);
        worker.delivered("snk", [(("in-b", 0), 1)]).await.unwrap();
        assert_eq!(delivered(&target), ["a", "b"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn stopping_flushes_and_commits_what_was_accepted() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "b"]);
        let target = target("stops");
        let worker = sink(&cluster, "stops", &[]).await;
        while delivered(&target).len() < 2 {
            tokio::time::sleep(SECOND / 10).await;
        }
        assert_eq!(committed(&cluster, 0), None, "the interval has not passed");
        worker.stop(5 * SECOND).await.unwrap();
        assert_eq!(committed(&cluster, 0), Some(2));
    });
}

#[test]
fn a_write_that_is_tried_again_gets_the_same_records_and_the_member_stays_in_its_group() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "b"]);
        let target = target("retries-sink");
        let down = || Answer::Fail(Error::retriable("the target is down").after(400 * SECOND));
        lock(&target).answers.extend([down(), down()]);
        let worker = sink(&cluster, "retries-sink", &[]).await;
        tokio::time::sleep(200 * SECOND).await;
        assert!(worker.status("snk").unwrap().tasks[0].retrying.is_some());
        put(&cluster, "t", 0, &["c"]);
        // Twice 400 s are more than max.poll.interval.ms, which is 300 s.
        worker.delivered("snk", [(("t", 0), 3)]).await.unwrap();
        let target = lock(&target);
        assert_eq!(target.writes, [vec!["a", "b"], vec!["a", "b"], vec!["a", "b"], vec!["c"]]);
        assert_eq!((target.assigned.len(), target.revoked.len()), (1, 0), "no rebalance");
    });
}

#[test]
fn a_write_that_takes_longer_than_a_poll_may_keeps_its_partitions() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a"]);
        let target = target("slow");
        lock(&target).answers.push_back(Answer::Take(1000 * SECOND));
        let worker = sink(&cluster, "slow", &[]).await;
        worker.delivered("snk", [(("t", 0), 1)]).await.unwrap();
        assert_eq!(rebalances(&target), (1, 0));
        assert_eq!(committed(&cluster, 0), Some(1));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn records_of_a_partition_that_went_away_are_not_written_again_by_the_one_who_lost_it() {
    run(async {
        let cluster = cluster(&[("t", 2)]);
        put(&cluster, "t", 0, &["a0"]);
        put(&cluster, "t", 1, &["b0"]);
        let (one, two) = (target("one"), target("two"));
        let down = Error::retriable("down").after(20 * SECOND);
        lock(&one).answers.extend([
            Answer::Fail(down.clone()),
            Answer::Fail(down.clone()),
            Answer::Fail(down),
        ]);
        let kafka = connect(&cluster).await;
        let first = sink_on(&kafka, "one", &[]).await;
        tokio::time::sleep(10 * SECOND).await;
        let second = sink_on(&kafka, "two", &[]).await;
        tokio::time::sleep(200 * SECOND).await;
        for worker in [&first, &second] {
            worker.flush("snk").unwrap();
        }
        tokio::time::sleep(5 * SECOND).await;
        let held = lock(&two).assigned.concat();
        assert_eq!(held.len(), 1, "the partitions were divided: {held:?}");
        let mut all = [delivered(&one), delivered(&two)].concat();
        all.sort();
        assert_eq!(all, ["a0", "b0"], "each record once, by the task that has its partition");
        assert!(lock(&two).written.iter().all(|(partition, _, _)| held.contains(partition)));
        assert_eq!((committed(&cluster, 0), committed(&cluster, 1)), (Some(1), Some(1)));
        first.stop(5 * SECOND).await.unwrap();
        second.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn stopping_breaks_the_pause_between_two_tries() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a"]);
        let target = target("stops-retry");
        lock(&target).answers.push_back(Answer::Fail(Error::retriable("down").after(3000 * SECOND)));
        let worker = sink(&cluster, "stops-retry", &[]).await;
        tokio::time::sleep(10 * SECOND).await;
        let started = tokio::time::Instant::now();
        worker.stop(60 * SECOND).await.unwrap();
        assert!(started.elapsed() < 5 * SECOND, "{:?}", started.elapsed());
        assert_eq!(committed(&cluster, 0), None);
    });
}

#[test]
fn one_bad_row_does_not_hide_the_others_and_becomes_a_dead_letter_before_the_commit() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "bad", "b"]);
        let target = target("verdicts");
        lock(&target).bad.push("bad".into());
        let more = [
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "dead"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        let worker = sink(&cluster, "verdicts", &more).await;
        let progress = worker.delivered("snk", [(("t", 0), 3)]).await.unwrap();
        assert_eq!((progress.written, progress.passed_over), (2, 1));
        assert_eq!(delivered(&target), ["a", "b"]);
        let letters = stored(&cluster, "dead");
        assert_eq!(
            (letters.len(), letters[0].value.as_deref(), letters[0].key.as_deref()),
            (1, Some("bad"), Some("bad"))
        );
        let header = |name: &str| letters[0].headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(header("__connect.errors.topic"), Some("t"));
        assert_eq!(header("__connect.errors.offset"), Some("1"));
        assert_eq!(header("__connect.errors.stage"), Some("TASK_PUT"));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_batch_that_fails_as_a_whole_is_written_one_by_one_to_find_the_bad_record() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "poison", "b"]);
        let target = target("one-by-one");
        lock(&target).poison.push("poison".into());
        let worker = sink(&cluster, "one-by-one", &[("errors.tolerance", "all")]).await;
        worker.delivered("snk", [(("t", 0), 3)]).await.unwrap();
        assert_eq!(delivered(&target), ["a", "b"]);
        assert_eq!(lock(&target).writes, [vec!["a", "poison", "b"], vec!["a"], vec!["poison"], vec!["b"]]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn without_tolerance_a_bad_record_fails_the_task_with_its_place_and_nothing_is_committed_past_it() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a"]);
        let target = target("intolerant-sink");
        lock(&target).bad.push("bad".into());
        let worker = sink(&cluster, "intolerant-sink", &[]).await;
        worker.delivered("snk", [(("t", 0), 1)]).await.unwrap();
        put(&cluster, "t", 0, &["b", "bad"]);
        let error = worker.delivered("snk", [(("t", 0), 3)]).await.unwrap_err();
        assert_eq!((error.topic_partition(), error.offset()), (Some(&at(0)), Some(Offset(2))));
        assert_eq!(error.to_string(), "snk-0: a bad row (t-0@2) at TASK_PUT");
        assert_eq!(worker.status("snk").unwrap().state(), State::Failed);
        worker.stop(5 * SECOND).await.unwrap_err();
        assert_eq!(committed(&cluster, 0), Some(1));
    });
}

#[test]
fn bytes_that_the_converter_does_not_know_are_a_dead_letter_with_the_raw_record() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["\"good\"", "{bad"]);
        let target = target("poison-bytes");
        let more = [
            ("value.converter", "JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "dead"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        let worker = sink(&cluster, "poison-bytes", &more).await;
        worker.delivered("snk", [(("t", 0), 2)]).await.unwrap();
        assert_eq!(delivered(&target), ["good"]);
        let letters = stored(&cluster, "dead");
        assert_eq!(letters[0].value.as_deref(), Some("{bad"));
        let header = |name: &str| letters[0].headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(header("__connect.errors.stage"), Some("VALUE_CONVERTER"));
        assert_eq!(
            header("__connect.errors.class.name"),
            Some("org.apache.kafka.connect.json.JsonConverter")
        );
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_failed_flush_brings_the_records_again_and_commits_nothing_before() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "b"]);
        let target = target("flush-fails");
        lock(&target).flush_errors.push_back(Error::retriable("the disk is full"));
        let worker = sink(&cluster, "flush-fails", &[]).await;
        worker.delivered("snk", [(("t", 0), 2)]).await.unwrap();
        assert_eq!(delivered(&target), ["a", "b", "a", "b"]);
        assert_eq!((lock(&target).flushes, committed(&cluster, 0)), (2, Some(2)));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn offsets_that_a_sink_may_not_name_are_never_committed() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "b"]);
        let target = target("names-too-much");
        let named = [(at(0), Offset(7)), (TopicPartition::new("other", 3), Offset(1))];
        lock(&target).flushed = Some(Flushed::UpTo(named.into()));
        let worker = sink(&cluster, "names-too-much", &[]).await;
        while delivered(&target).len() < 2 {
            tokio::time::sleep(SECOND).await;
        }
        worker.flush("snk").unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!((lock(&target).flushes, committed(&cluster, 0)), (1, None));
        lock(&target).flushed = Some(Flushed::UpTo([(at(0), Offset(1))].into()));
        worker.flush("snk").unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!(committed(&cluster, 0), Some(1));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_sink_may_go_back_and_pause_partitions() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a", "b"]);
        let target = target("context");
        let worker = sink(&cluster, "context", &[]).await;
        wait_for(&target, 2).await;
        let context = lock(&target).context.clone().unwrap();
        context.rewind(at(0), 1);
        context.request_commit();
        worker.flush("snk").unwrap();
        wait_for(&target, 3).await;
        assert_eq!(delivered(&target), ["a", "b", "b"]);
        context.pause([at(0)]);
        worker.flush("snk").unwrap();
        tokio::time::sleep(SECOND).await;
        put(&cluster, "t", 0, &["c"]);
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(delivered(&target).len(), 3);
        context.resume([at(0)]);
        worker.flush("snk").unwrap();
        wait_for(&target, 4).await;
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_paused_sink_stays_in_its_group_and_is_given_nothing() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let target = target("paused-sink");
        let worker = sink(&cluster, "paused-sink", &[]).await;
        tokio::time::sleep(10 * SECOND).await;
        worker.pause("snk").unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!(worker.status("snk").unwrap().state(), State::Paused);
        put(&cluster, "t", 0, &["a"]);
        tokio::time::sleep(1000 * SECOND).await;
        assert_eq!((delivered(&target).len(), lock(&target).revoked.len()), (0, 0));
        worker.resume("snk").unwrap();
        wait_for(&target, 1).await;
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_sink_that_panics_fails_and_can_be_started_again() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a"]);
        let target = target("panics-sink");
        lock(&target).answers.push_back(Answer::Panic);
        let worker = sink(&cluster, "panics-sink", &[]).await;
        let error = worker.delivered("snk", [(("t", 0), 1)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        worker.restart("snk", 5 * SECOND).await.unwrap();
        worker.delivered("snk", [(("t", 0), 1)]).await.unwrap();
        assert_eq!(delivered(&target), ["a"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

fn rebalances(target: &Mutex<Target>) -> (usize, usize) {
    let target = lock(target);
    (target.assigned.len(), target.revoked.len())
}

async fn wait_for(target: &Mutex<Target>, records: usize) {
    while delivered(target).len() < records {
        tokio::time::sleep(SECOND / 10).await;
    }
}
