//! Bad input and topics that do not fit: typed errors or the chosen handler, with topic, partition and offset.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::time::Duration;

use bytes::Bytes;
use courant_client::Kafka;
use courant_sim::Sim;
use courant_streams::codec::{I64Be, Raw, Utf8};
use courant_streams::{
    Error, ErrorHandler, ErrorKind, Grouped, ProcessErrorKind, State, Store, StreamsApp, StreamsBuilder,
    TestDriver, Topology, Verdict,
};

/// Numbers, doubled.
fn doubled() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, i64>("numbers", (Utf8, I64Be))
        .map_values(|_, number| number * 2)
        .to("doubled", (Utf8, I64Be));
    builder.build().unwrap()
}

/// Orders with their customers.
fn joined() -> Topology {
    let builder = StreamsBuilder::new();
    let customers = builder.table("customers", Store::named("customers", (Utf8, Utf8)));
    builder
        .stream::<String, String>("orders", (Utf8, Utf8))
        .join_table(&customers, |_, order: String, customer: &String| format!("{order} of {customer}"))
        .to("out", (Utf8, Utf8));
    builder.build().unwrap()
}

const POISON: Bytes = Bytes::from_static(b"no number");

fn send_poison(driver: &mut TestDriver) {
    let numbers = driver.input("numbers", (Utf8, I64Be));
    driver.send(&numbers, "a", 1, 10).unwrap();
    driver.send_raw("numbers", Some(Bytes::from_static(b"b")), Some(POISON), 20).unwrap();
    driver.send(&numbers, "c", 3, 30).unwrap();
}

fn start(topology: Topology, topics: &[(&str, usize)]) -> Error {
    let sim = Sim::new(0);
    let mut cluster = courant_broker_mock::MockCluster::builder().world(sim.world("brokers"));
    for (topic, partitions) in topics {
        cluster = cluster.topic(*topic, *partitions);
    }
    let cluster = cluster.build().unwrap();
    sim.serve(cluster.transport());
    let world = sim.world("app");
    sim.run(async move {
        let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(world).connect().await.unwrap();
        StreamsApp::builder("app", &kafka).start(topology).await.unwrap_err()
    })
    .unwrap()
}

#[test]
fn a_record_that_cannot_be_read_ends_the_application_and_is_named() {
    let mut driver = TestDriver::new(doubled()).unwrap();
    send_poison(&mut driver);
    let error = driver.failure(0).unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::Process(ProcessErrorKind::Deserialization), "{error}");
    assert_eq!(error.topic_partition().map(ToString::to_string).as_deref(), Some("numbers-0"));
    assert_eq!(error.offset(), Some(1));
    assert!(error.to_string().contains("numbers-0@1"), "{error}");
    assert_eq!(driver.state(0), Some(State::Error));
    // Nothing behind it was committed, so that nothing is lost.
    assert!(driver.cluster().committed("test", "numbers", 0).is_none_or(|offset| offset.0 <= 1));
}

#[test]
fn a_handler_leaves_it_out_and_the_rest_goes_on() {
    let settings = TestDriver::builder(doubled())
        .configure(|app| app.on_deserialization_error(ErrorHandler::log_and_continue()));
    let mut driver = settings.start().unwrap();
    send_poison(&mut driver);
    let out = driver.output("doubled", (Utf8, I64Be));
    let found: Vec<_> = driver.drain(&out).unwrap().into_iter().map(|record| record.value).collect();
    assert_eq!(found, [Some(2), Some(6)]);
    assert_eq!(driver.cluster().committed("test", "numbers", 0), Some(3.into()));
}

#[test]
fn a_function_decides_by_the_error() {
    let settings = TestDriver::builder(doubled()).configure(|app| {
        app.on_deserialization_error(ErrorHandler::new(|error| match error.offset() {
            Some(1) => Verdict::Continue,
            _ => Verdict::Fail,
        }))
    });
    let mut driver = settings.start().unwrap();
    send_poison(&mut driver);
    driver.send_raw("numbers", None, Some(POISON), 40).unwrap();
    assert_eq!(driver.failure(0).unwrap().unwrap().offset(), Some(3));
}

#[test]
fn what_is_left_out_goes_to_the_topic_for_dead_letters_as_it_came() {
    let settings = TestDriver::builder(doubled())
        .set("errors.dead.letter.queue.topic.name", "dead")
        .configure(|app| app.on_deserialization_error(ErrorHandler::log_and_continue()));
    let mut driver = settings.start().unwrap();
    send_poison(&mut driver);
    let dead = driver.output("dead", (Raw, Raw));
    let letters = driver.drain(&dead).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].value.clone(), letters[0].timestamp), (Some(POISON), 20));
}

#[test]
fn missing_topics_are_all_named() {
    let error = start(joined(), &[("out", 1)]);
    assert_eq!(error.kind(), ErrorKind::MissingTopic);
    assert!(error.to_string().contains("customers, orders"), "{error}");
}

/// Trap 13: topics that are joined must have equally many partitions, and that is said before anything is read.
#[test]
fn topics_that_are_joined_must_have_equally_many_partitions() {
    let error = start(joined(), &[("orders", 4), ("customers", 3), ("out", 1)]);
    assert_eq!(error.kind(), ErrorKind::NotCopartitioned);
    assert!(
        error.to_string().contains("customers has 3") && error.to_string().contains("orders has 4"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("repartition"));
}

#[test]
fn an_internal_topic_of_another_size_is_not_written_to() {
    let builder = StreamsBuilder::new();
    let counts = builder
        .stream::<String, String>("lines", (Utf8, Utf8))
        .group_by(Grouped::named("words"), (Utf8, Utf8), |_, word: &String| word.clone())
        .count(Store::named("counts", (Utf8, I64Be)));
    drop(counts);
    let error = start(builder.build().unwrap(), &[("lines", 3), ("app-words-repartition", 2)]);
    assert_eq!(error.kind(), ErrorKind::InternalTopic);
    assert!(error.to_string().contains("has 2 partitions and must have 3"), "{error}");
}

#[test]
fn a_property_that_is_none_is_answered_with_the_nearest() {
    let sim = Sim::new(0);
    let cluster = courant_broker_mock::MockCluster::builder().world(sim.world("brokers")).build().unwrap();
    sim.serve(cluster.transport());
    let world = sim.world("app");
    let error = sim.run(async move {
        let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(world).connect().await.unwrap();
        StreamsApp::builder("app", &kafka).set("comit.interval.ms", 1).start(doubled()).await.unwrap_err()
    });
    assert!(error.unwrap().to_string().contains("did you mean `commit.interval.ms`?"));
}

/// Traps 45 and 3: what was read from a repartition topic is deleted only once it is committed, and a commit comes after
/// everything it stands for is on the brokers.
#[test]
fn records_of_a_repartition_topic_stay_until_they_are_committed() {
    let builder = StreamsBuilder::new();
    let counts = builder
        .stream::<String, String>("lines", (Utf8, Utf8))
        .group_by(Grouped::named("words"), (Utf8, Utf8), |_, word: &String| word.clone())
        .count(Store::named("counts", (Utf8, I64Be)));
    drop(counts);
    let mut driver = TestDriver::builder(builder.build().unwrap())
        .set("commit.interval.ms", 60_000)
        .set("repartition.purge.interval.ms", 1_000)
        .start()
        .unwrap();
    let lines = driver.input("lines", (Utf8, Utf8));
    for word in ["a", "b", "a"] {
        driver.send(&lines, "k", word, 0).unwrap();
    }
    driver.advance(Duration::from_secs(20)).unwrap();
    assert_eq!(driver.cluster().log_end("test-words-repartition", 0), Some(3.into()));
    assert_eq!(driver.cluster().log_start("test-words-repartition", 0), Some(0.into()));
    driver.advance(Duration::from_secs(60)).unwrap();
    assert_eq!(driver.cluster().committed("test", "test-words-repartition", 0), Some(3.into()));
    assert_eq!(driver.cluster().log_start("test-words-repartition", 0), Some(3.into()));
}

/// Traps 44 and 30: of two partitions the record with the lower time comes first, also if it is read later.
#[test]
fn records_of_two_topics_come_in_the_order_of_their_times() {
    let builder = StreamsBuilder::new();
    let one = builder.stream::<String, String>("one", (Utf8, Utf8));
    one.merge(builder.stream("two", (Utf8, Utf8))).to("merged", (Utf8, Utf8));
    let mut driver =
        TestDriver::builder(builder.build().unwrap()).set("max.task.idle.ms", 5_000).start().unwrap();
    let (one, two) = (driver.input("one", (Utf8, Utf8)), driver.input("two", (Utf8, Utf8)));
    for (time, value) in [(1, "1"), (4, "4"), (6, "6")] {
        driver.send(&one, "k", value, time).unwrap();
    }
    driver.advance(Duration::from_secs(1)).unwrap();
    for (time, value) in [(2, "2"), (3, "3"), (5, "5")] {
        driver.send(&two, "k", value, time).unwrap();
    }
    let merged = driver.output("merged", (Utf8, Utf8));
    let found: Vec<_> =
        driver.drain(&merged).unwrap().into_iter().filter_map(|record| record.value).collect();
    assert_eq!(found, ["1", "2", "3", "4", "5", "6"]);
}
