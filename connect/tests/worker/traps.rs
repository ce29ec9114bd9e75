//! What workers get wrong: commits past failures, lost partitions, dead letters, limits of time.
use courant_broker_mock::{Fault, MockCluster};
use courant_connect::{ConnectRecord, ErrorKind, Flow, Worker};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::TopicPartition;

use crate::world::*;

/// A source that sends the value `x` to a topic that Kafka does not write to.
async fn with_a_refused_record(cluster: &MockCluster, name: &str, more: &[(&str, &str)]) -> Worker {
    script(name, [give(&["a", "x", "b"])]);
    cluster.inject(Fault::on(ApiKey::Produce).topic("refused").error(ErrorCode::INVALID_RECORD).always());
    let route = |mut record: ConnectRecord| {
        if record.value.value.as_str() == Some("x") {
            record.topic = "refused".into();
        }
        Ok(Flow::Keep(record))
    };
    let properties =
        [("script", name), ("topic", "t"), ("value.converter", "StringConverter"), ("transforms", "route")];
    let builder = worker(cluster).await.transform("route", route);
    let properties = properties.into_iter().chain(more.iter().copied());
    builder.source::<ScriptSource>("src", properties).start().await.unwrap()
}

#[test]
fn a_record_that_kafka_refuses_holds_the_offset_though_later_ones_are_acknowledged() {
    run(async {
        let cluster = cluster(&[("t", 1), ("refused", 1)]);
        let worker = with_a_refused_record(&cluster, "refused", &[]).await;
        let error = worker.caught_up("src").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert_eq!(values(&cluster, "t"), ["a", "b"]);
        assert_eq!(offsets(&cluster).values().next().map(String::as_str), Some(r#"{"position":1}"#));
    });
}

#[test]
fn with_tolerance_a_record_that_kafka_refuses_becomes_a_dead_letter() {
    run(async {
        let cluster = cluster(&[("t", 1), ("refused", 1)]);
        let more = [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dead")];
        let worker = with_a_refused_record(&cluster, "refused-tolerated", &more).await;
        let progress = worker.caught_up("src").await.unwrap();
        assert_eq!((progress.written, progress.passed_over), (2, 1));
        assert_eq!(values(&cluster, "dead"), ["x"]);
        assert_eq!(offsets(&cluster).values().next().map(String::as_str), Some(r#"{"position":3}"#));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

async fn sink(cluster: &MockCluster, target: &str, more: &[(&str, &str)]) -> Worker {
    let properties = [("script", target), ("topics", "t"), ("value.converter", "StringConverter")];
    let properties = properties.into_iter().chain(more.iter().copied());
    worker(cluster).await.sink::<TargetSink>("snk", properties).start().await.unwrap()
}

#[test]
fn nothing_is_flushed_or_committed_for_lost_partitions_and_their_records_come_again() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a"]);
        let target = target("lost");
        let worker = sink(&cluster, "lost", &[]).await;
        while delivered(&target).is_empty() {
            tokio::time::sleep(SECOND / 10).await;
        }
        let member = cluster.group("connect-snk").unwrap().members.into_iter().next().unwrap();
        cluster.expire_member("connect-snk", &member.member_id).unwrap();
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(lock(&target).revoked, [(vec![TopicPartition::new("t", 0)], true)]);
        assert_eq!(lock(&target).flushes, 0);
        assert_eq!(cluster.committed("connect-snk", "t", 0), None);
        worker.delivered("snk", [(("t", 0), 1)]).await.unwrap();
        assert_eq!(delivered(&target), ["a", "a"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_dead_letter_is_safe_before_the_offset_of_its_record_is_committed() {
    run(async {
        let cluster = cluster(&[("t", 1), ("dead", 1)]);
        put(&cluster, "t", 0, &["bad"]);
        lock(&target("letters-first")).bad.push("bad".into());
        // The letter takes its time.
        cluster.inject(Fault::on(ApiKey::Produce).topic("dead").delay(20 * SECOND).times(1));
        let more = [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dead")];
        let worker = sink(&cluster, "letters-first", &more).await;
        while worker.status("snk").unwrap().progress().passed_over == 0 {
            tokio::time::sleep(SECOND / 10).await;
        }
        worker.flush("snk").unwrap();
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(cluster.committed("connect-snk", "t", 0), None, "the letter is not acknowledged");
        worker.delivered("snk", [(("t", 0), 1)]).await.unwrap();
        assert_eq!(values(&cluster, "dead"), ["bad"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_sink_must_not_read_its_own_dead_letters() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        for topics in [("topics", "t, t.dead"), ("topics.regex", "t.*")] {
            let properties = [("script", "x"), topics, ("errors.deadletterqueue.topic.name", "t.dead")];
            let builder = worker(&cluster).await.sink::<TargetSink>("snk", properties);
            let error = builder.start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("own dead letters"), "{error}");
        }
    });
}

#[test]
fn more_tasks_than_tasks_max_are_refused_unless_that_is_not_enforced() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("many", []);
        let properties = |enforce| {
            [
                ("script", "many"),
                ("topic", "t"),
                ("splits", "3"),
                ("tasks.max", "2"),
                ("tasks.max.enforce", enforce),
            ]
        };
        let start = |enforce| {
            let cluster = cluster.clone();
            async move { worker(&cluster).await.source::<ScriptSource>("src", properties(enforce)).start().await }
        };
        let error = start("true").await.unwrap_err();
        assert!(
            error.to_string().contains("planned 3 tasks") && error.to_string().contains("tasks.max is 2"),
            "{error}"
        );
        let worker = start("false").await.unwrap();
        assert_eq!(worker.status("src").unwrap().tasks.len(), 3);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_record_that_names_its_partition_goes_past_the_partitioner() {
    run(async {
        let cluster = cluster(&[("t", 4)]);
        script("partitioned", (0..4).map(|partition| Act::To(partition, format!("to {partition}"))));
        let properties = [("script", "partitioned"), ("topic", "t"), ("value.converter", "StringConverter")];
        let worker = worker(&cluster).await.source::<ScriptSource>("src", properties).start().await.unwrap();
        worker.caught_up("src").await.unwrap();
        let places: Vec<_> = stored(&cluster, "t")
            .into_iter()
            .map(|record| (record.partition, record.value.unwrap()))
            .collect();
        assert_eq!(
            places,
            (0..4).map(|partition| (partition, format!("to {partition}"))).collect::<Vec<_>>()
        );
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn the_group_of_a_sink_may_be_another() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        put(&cluster, "t", 0, &["a"]);
        target("other-group");
        let worker = sink(&cluster, "other-group", &[("consumer.override.group.id", "billing")]).await;
        worker.delivered("snk", [(("t", 0), 1)]).await.unwrap();
        assert_eq!(cluster.committed("billing", "t", 0).map(|offset| offset.0), Some(1));
        assert_eq!(cluster.committed("connect-snk", "t", 0), None);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn the_time_to_stop_is_for_all_tasks_together() {
    run(async {
        let cluster = cluster(&[("t", 1), ("s", 1)]);
        put(&cluster, "t", 0, &["a"]);
        let (one, two) = (target("stuck-1"), target("stuck-2"));
        for target in [&one, &two] {
            lock(target).answers.push_back(Answer::Take(5000 * SECOND));
        }
        script("in-time", [give(&["b"])]);
        let worker = sink(&cluster, "stuck-1", &[]).await;
        worker
            .start_sink::<TargetSink>(
                "snk2",
                [("script", "stuck-2"), ("topics", "t"), ("value.converter", "StringConverter")],
            )
            .await
            .unwrap();
        worker.start_source::<ScriptSource>("src", [("script", "in-time"), ("topic", "s")]).await.unwrap();
        worker.caught_up("src").await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        let started = tokio::time::Instant::now();
        let error = worker.stop(8 * SECOND).await.unwrap_err();
        assert!(started.elapsed() < 9 * SECOND, "{:?}", started.elapsed());
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert_eq!(cluster.committed("connect-snk", "t", 0), None);
    });
}

#[test]
fn offsets_that_were_not_stored_are_stored_later() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("store-again", [give(&["a"])]);
        cluster.inject(
            Fault::on(ApiKey::Produce).topic("connect-offsets").error(ErrorCode::INVALID_RECORD).times(2),
        );
        let properties = [("script", "store-again"), ("topic", "t")];
        let worker = worker(&cluster).await.source::<ScriptSource>("src", properties).start().await.unwrap();
        worker.caught_up("src").await.unwrap();
        assert_eq!(offsets(&cluster).values().next().map(String::as_str), Some(r#"{"position":1}"#));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_sink_waits_for_a_topic_that_does_not_exist_yet() {
    run(async {
        let cluster =
            MockCluster::builder().brokers(1).config("auto.create.topics.enable", "false").build().unwrap();
        let target = target("no-topic-sink");
        let worker = sink(&cluster, "no-topic-sink", &[]).await;
        tokio::time::sleep(120 * SECOND).await;
        let status = worker.status("snk").unwrap();
        assert_eq!(status.error().map(ToString::to_string), None);
        cluster.create_topic("t", 1).unwrap();
        put(&cluster, "t", 0, &["a"]);
        while delivered(&target).is_empty() {
            tokio::time::sleep(SECOND).await;
        }
        worker.stop(5 * SECOND).await.unwrap();
    });
}
