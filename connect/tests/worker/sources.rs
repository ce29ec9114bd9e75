//! Sources: records and offsets, errors, pausing, stopping, going on.
use courant_connect::{ErrorKind, State, Worker};

use crate::world::*;

async fn source(cluster: &courant_broker_mock::MockCluster, script: &str, more: &[(&str, &str)]) -> Worker {
    let properties = [("script", script), ("topic", "t"), ("value.converter", "StringConverter")];
    let properties = properties.into_iter().chain(more.iter().copied());
    worker(cluster).await.source::<ScriptSource>("src", properties).start().await.unwrap()
}

#[test]
fn a_source_writes_what_it_reads_stores_how_far_it_came_and_goes_on_from_there() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let script = script("goes-on", [give(&["a", "b"]), give(&["c"])]);
        let first = source(&cluster, "goes-on", &[]).await;
        let progress = first.caught_up("src").await.unwrap();
        assert_eq!((progress.read, progress.written), (3, 3));
        let partition = progress.partitions.values().next().unwrap();
        assert_eq!((partition.records, partition.first, partition.next), (3, Some(0.into()), Some(3.into())));
        assert_eq!(values(&cluster, "t"), ["a", "b", "c"]);
        first.stop(5 * SECOND).await.unwrap();
        assert_eq!(lock(&script).closed, 1);
        assert_eq!(lock(&script).committed.last(), Some(&1001), "the task was told");

        lock(&script).acts.push(give(&["d"]));
        let second = source(&cluster, "goes-on", &[]).await;
        assert_eq!(second.caught_up("src").await.unwrap().read, 1);
        assert_eq!(values(&cluster, "t"), ["a", "b", "c", "d"]);
        assert_eq!(lock(&script).opened_at, [None, Some(1001)]);
        second.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn offsets_lie_in_javas_form_in_a_compacted_topic_of_25_partitions() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("java-form", [give(&["a"])]);
        let worker = source(&cluster, "java-form", &[]).await;
        worker.caught_up("src").await.unwrap();
        assert_eq!(cluster.partition_count("connect-offsets"), Some(25));
        assert_eq!(cluster.topic_config("connect-offsets", "cleanup.policy").as_deref(), Some("compact"));
        let offsets = offsets(&cluster);
        let key = r#"["src",{"script":"java-form"}]"#;
        assert_eq!(offsets.get(key).map(String::as_str), Some(r#"{"position":1}"#), "{offsets:?}");
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn an_offsets_topic_that_forgets_is_refused() {
    run(async {
        let cluster = courant_broker_mock::MockCluster::builder()
            .brokers(1)
            .topic("t", 1)
            .topic_with("connect-offsets", 1, None, [("cleanup.policy", "delete")])
            .build()
            .unwrap();
        script("forgets", [give(&["a"])]);
        let builder = worker(&cluster).await;
        let error = builder
            .source::<ScriptSource>("src", [("script", "forgets"), ("topic", "t")])
            .start()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("cleanup.policy=delete"), "{error}");
    });
}

#[test]
fn a_retriable_error_is_tried_again_and_shown_meanwhile() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let fail = || Act::Fail(courant_connect::Error::retriable("the disk is slow"));
        script("retries", [give(&["a"]), fail(), fail(), give(&["b"])]);
        let worker = source(&cluster, "retries", &[]).await;
        tokio::time::sleep(SECOND / 5).await;
        let status = worker.status("src").unwrap();
        assert_eq!(status.tasks[0].retrying.as_ref().unwrap().message(), "the disk is slow");
        worker.caught_up("src").await.unwrap();
        assert!(worker.status("src").unwrap().tasks[0].retrying.is_none());
        assert_eq!(values(&cluster, "t"), ["a", "b"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn stopping_does_not_wait_for_a_backoff() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let hour = courant_connect::Error::retriable("later").after(3000 * SECOND);
        script("backoff", [Act::Fail(hour)]);
        let worker = source(&cluster, "backoff", &[]).await;
        tokio::time::sleep(SECOND).await;
        let started = tokio::time::Instant::now();
        worker.stop(100 * SECOND).await.unwrap();
        assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
    });
}

#[test]
fn without_tolerance_the_first_bad_input_fails_the_task_and_the_offset_stays_before_it() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let script = script("intolerant", [give(&["a", "b"]), Act::Bad("#!".into()), give(&["c"])]);
        let worker = source(&cluster, "intolerant", &[]).await;
        let error = worker.caught_up("src").await.unwrap_err();
        assert_eq!((error.kind(), error.connector(), error.task()), (ErrorKind::Data, Some("src"), Some(0)));
        assert_eq!(error.to_string(), "src-0: that is no record at TASK_POLL");
        assert_eq!(worker.status("src").unwrap().state(), State::Failed);
        assert_eq!(offsets(&cluster).values().next().map(String::as_str), Some(r#"{"position":2}"#));
        assert_eq!(values(&cluster, "t"), ["a", "b"]);

        lock(&script).acts[1] = give(&["mended"]);
        worker.restart("src", SECOND).await.unwrap();
        worker.caught_up("src").await.unwrap();
        assert_eq!(values(&cluster, "t"), ["a", "b", "mended", "c"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn with_tolerance_bad_input_becomes_a_dead_letter_and_the_source_goes_on() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("tolerant", [give(&["a"]), Act::Bad("#!".into()), give(&["b"])]);
        let more = [
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "t.dead"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        let worker = source(&cluster, "tolerant", &more).await;
        let progress = worker.caught_up("src").await.unwrap();
        assert_eq!((progress.read, progress.written, progress.passed_over), (3, 2, 1));
        assert_eq!(values(&cluster, "t"), ["a", "b"]);
        let letters = stored(&cluster, "t.dead");
        assert_eq!((letters.len(), letters[0].value.as_deref()), (1, Some("#!")));
        let header = |name: &str| letters[0].headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!((header("line"), header("error")), (Some("7"), Some("that is no record")));
        assert_eq!(header("__connect.errors.stage"), Some("TASK_POLL"));
        assert_eq!(header("__connect.errors.connector.name"), Some("src"));
        assert_eq!(header("__connect.errors.exception.message"), Some("that is no record"));
        assert_eq!(cluster.partition_count("t.dead"), Some(1));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_paused_source_is_not_asked_and_loses_nothing() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        let script = script("pauses", [give(&["a"]), Act::Wait(5 * SECOND), give(&["b"])]);
        let worker = source(&cluster, "pauses", &[]).await;
        tokio::time::sleep(SECOND).await;
        worker.pause("src").unwrap();
        tokio::time::sleep(SECOND).await;
        let asked = lock(&script).asked;
        tokio::time::sleep(100 * SECOND).await;
        assert_eq!(lock(&script).asked, asked);
        assert_eq!(worker.status("src").unwrap().state(), State::Paused);
        assert_eq!(values(&cluster, "t"), ["a"]);
        worker.resume("src").unwrap();
        worker.caught_up("src").await.unwrap();
        assert_eq!(values(&cluster, "t"), ["a", "b"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_panic_fails_its_own_task_and_no_other() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("panics", [Act::Panic]);
        script("does-not", [give(&["a"])]);
        let worker = source(&cluster, "panics", &[]).await;
        worker.start_source::<ScriptSource>("other", [("script", "does-not"), ("topic", "t")]).await.unwrap();
        worker.caught_up("other").await.unwrap();
        let error = worker.caught_up("src").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert!(error.to_string().contains("as the script says"), "{error}");
        assert_eq!(worker.stop(5 * SECOND).await.unwrap_err().kind(), ErrorKind::Panic);
    });
}

#[test]
fn a_topic_that_does_not_exist_is_an_error_that_names_it() {
    run(async {
        let cluster = courant_broker_mock::MockCluster::builder()
            .brokers(1)
            .config("auto.create.topics.enable", "false")
            .build()
            .unwrap();
        script("no-topic", [give(&["a"])]);
        let worker = source(&cluster, "no-topic", &[]).await;
        let error = worker.caught_up("src").await.unwrap_err();
        assert!(error.to_string().contains("t"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Kafka, "{error}");
    });
}

#[test]
fn topics_are_created_as_the_connector_says() {
    run(async {
        let cluster = cluster(&[]);
        script("creates", [give(&["a"])]);
        let more =
            [("topic.creation.default.partitions", "6"), ("topic.creation.default.retention.ms", "-1")];
        let worker = source(&cluster, "creates", &more).await;
        worker.caught_up("src").await.unwrap();
        assert_eq!(cluster.partition_count("t"), Some(6));
        assert_eq!(cluster.topic_config("t", "retention.ms").as_deref(), Some("-1"));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn a_transform_changes_drops_and_multiplies_records_and_offsets_follow() {
    use courant_connect::{ConnectRecord, Flow};
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("transforms", [give(&["keep", "drop", "many", "drop"])]);
        let shape = |record: ConnectRecord| match record.value.value.as_str() {
            Some("drop") => Ok(Flow::Drop),
            Some("many") => Ok(Flow::Many(vec![record.clone(), record])),
            _ => Ok(Flow::Keep(record)),
        };
        let properties = [
            ("script", "transforms"),
            ("topic", "t"),
            ("value.converter", "StringConverter"),
            ("transforms", "shape"),
        ];
        let builder = worker(&cluster).await.transform("shape", shape);
        let worker = builder.source::<ScriptSource>("src", properties).start().await.unwrap();
        let progress = worker.caught_up("src").await.unwrap();
        assert_eq!((progress.read, progress.written, progress.dropped), (4, 3, 2));
        assert_eq!(values(&cluster, "t"), ["keep", "many", "many"]);
        assert_eq!(offsets(&cluster).values().next().map(String::as_str), Some(r#"{"position":4}"#));
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn the_transforms_and_predicates_that_connect_brings_along_go_by_their_java_names() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        script("java-transforms", [give(&["a"])]);
        let more = [
            ("transforms", "route,skipped"),
            ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
            ("transforms.route.regex", "(.*)"),
            ("transforms.route.replacement", "archive.$1"),
            ("transforms.skipped.type", "Filter"),
            ("transforms.skipped.predicate", "other"),
            ("predicates", "other"),
            ("predicates.other.type", "TopicNameMatches"),
            ("predicates.other.pattern", "t"),
        ];
        let worker = source(&cluster, "java-transforms", &more).await;
        worker.caught_up("src").await.unwrap();
        assert_eq!(values(&cluster, "archive.t"), ["a"]);
        worker.stop(5 * SECOND).await.unwrap();
    });
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_before_anything_starts() {
    run(async {
        let cluster = cluster(&[("t", 1)]);
        for (properties, expected) in [
            (vec![("topic", "t")], "`script` is missing"),
            (vec![("scrip", "x")], "did you mean `script`"),
            (vec![("script", "x"), ("tasks.max", "0")], "`tasks.max` is `0`"),
            (vec![("script", "x"), ("value.converter", "JsonConvertor")], "did you mean `JsonConverter`"),
            (vec![("script", "x"), ("transforms", "mask")], "names `mask`"),
        ] {
            let builder = worker(&cluster).await.source::<ScriptSource>("src", properties);
            let error = builder.start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    });
}
