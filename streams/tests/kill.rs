//! A process that is killed: the next one repeats at most what was not committed, and loses nothing.
//!
//! Broker and application are processes of their own: this test runs itself as each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use courant_admin::{Admin, NewTopic};
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_producer::{Producer, Record};
use courant_protocol::types::TopicPartition;
use courant_streams::codec::{I64Be, Utf8};
use courant_streams::{Grouped, Store, StreamsApp, StreamsBuilder, Topology};

const ROLE: &str = "COURANT_KILL_ROLE";
const BOOTSTRAP: &str = "COURANT_KILL_BOOTSTRAP";
const COMMIT_INTERVAL_MS: &str = "COURANT_KILL_COMMIT_INTERVAL_MS";
const EVENTS: usize = 3_000;
const PARTITIONS: i32 = 2;
const KILLS: usize = 3;

/// Every event goes on to `passed` with its place, and is counted behind a repartition topic.
fn pipeline() -> Topology {
    let builder = StreamsBuilder::new();
    let events = builder.stream::<String, String>("events", (Utf8, Utf8));
    events.clone().to("passed", (Utf8, Utf8));
    events
        .group_by(Grouped::named("by-digit"), (Utf8, Utf8), |_, id| digit(id))
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .to("counts", (Utf8, I64Be));
    builder.build().unwrap()
}

fn digit(id: &str) -> String {
    id.chars().last().map(String::from).unwrap_or_default()
}

/// The parts of other processes; as a test of its own it does nothing.
#[tokio::test]
async fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("broker") => {
            let cluster = MockCluster::builder().config("log.retention.ms", "-1").build().unwrap();
            cluster.listen(0).await.unwrap();
            println!("bootstrap {}", cluster.bootstrap());
            std::future::pending::<()>().await;
        }
        Ok("application") => {
            let kafka = Kafka::connect(std::env::var(BOOTSTRAP).unwrap()).await.unwrap();
            let app = StreamsApp::builder("pipeline", &kafka)
                .set("commit.interval.ms", std::env::var(COMMIT_INTERVAL_MS).unwrap())
                .set("linger.ms", 2)
                .set("max.poll.records", 50)
                // A static member finds its partitions when it comes back, without waiting for a session to end.
                .set("group.instance.id", "only")
                .start(pipeline())
                .await
                .unwrap();
            app.ended().await.unwrap();
        }
        _ => {}
    }
}

/// A process of this test that is killed with the test.
struct Process(Child);

impl Process {
    fn start(role: &str, bootstrap: &str, commit_interval_ms: u32) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["role", "--exact", "--nocapture"]).env(ROLE, role).env(BOOTSTRAP, bootstrap);
        command.env(COMMIT_INTERVAL_MS, commit_interval_ms.to_string());
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn broker() -> (Process, String) {
    let mut process = Process::start("broker", "", 0);
    let lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    let found =
        lines.map_while(Result::ok).find_map(|line| Some(line.split_once("bootstrap ")?.1.to_owned()));
    (process, found.expect("the broker says where it is"))
}

#[tokio::test]
async fn a_killed_application_repeats_what_was_not_committed_and_loses_nothing() {
    let (_broker, bootstrap) = broker();
    let kafka = Kafka::connect(bootstrap.as_str()).await.unwrap();
    let topics = ["events", "passed", "counts"].map(|name| NewTopic::new(name).partitions(PARTITIONS));
    Admin::new(&kafka).create_topics(topics).await.all().unwrap();
    let places = write(&kafka).await;
    let mut passed = reader(&kafka, "passed").await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut committed = Vec::new();
    for kill in 0..KILLS {
        // The second run commits often; the others never get to it.
        let process = Process::start("application", &bootstrap, if kill == 1 { 20 } else { 60_000 });
        // Somewhere in the middle: once this many more records have come out.
        read(&mut passed, &mut times, EVENTS / 6 + 37 * kill).await;
        drop(process);
        committed.push(reader(&kafka, "events").await.committed(partitions("events")).await.unwrap());
    }
    let _process = Process::start("application", &bootstrap, 20);
    while times.len() < EVENTS {
        read(&mut passed, &mut times, 1).await;
    }
    // What comes again may come behind the last event that was missing.
    all_committed(&kafka).await;
    let ends = passed.end_offsets(partitions("passed")).await.unwrap();
    let passed_on: i64 = ends.values().map(|end| end.0).sum();
    let read_so_far: usize = times.values().sum();
    read(&mut passed, &mut times, passed_on as usize - read_so_far).await;
    for (id, times) in &times {
        let (partition, offset) = &places[id];
        let again = committed.iter().filter(|committed| {
            committed[partition].as_ref().is_none_or(|committed| committed.offset.0 <= *offset)
        });
        let most = 1 + again.count();
        assert!(*times <= most, "{id} at {partition}@{offset} came {times} times, and {most} can be");
    }
    assert!(
        times.values().any(|times| *times > 1),
        "a run that never committed leaves its records to the next"
    );
    check_counts(&kafka).await;
}

/// Waits until the application has committed all events.
async fn all_committed(kafka: &Kafka) {
    let events = reader(kafka, "events").await;
    let ends = events.end_offsets(partitions("events")).await.unwrap();
    loop {
        let committed = events.committed(partitions("events")).await.unwrap();
        let is_there = |(partition, end)| {
            committed.get(partition).and_then(Option::as_ref).is_some_and(|committed| committed.offset == end)
        };
        if ends.iter().all(|(partition, end)| is_there((partition, *end))) {
            return;
        }
    }
}

/// Every event was counted; some twice.
async fn check_counts(kafka: &Kafka) {
    let mut counts = reader(kafka, "counts").await;
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    let expected = (EVENTS / 10) as i64;
    while last.len() < 10 || last.values().any(|count| *count < expected) {
        for record in &counts.poll().await.unwrap().unwrap() {
            let count = i64::from_be_bytes(record.value().unwrap().try_into().unwrap());
            last.insert(text(record.key()), count);
        }
    }
}

/// Writes the events; gives the place of each.
async fn write(kafka: &Kafka) -> BTreeMap<String, (TopicPartition, i64)> {
    let producer = Producer::builder(kafka).start().await.unwrap();
    let mut sent = Vec::new();
    for number in 0..EVENTS {
        let id = number.to_string();
        let record = Record::to("events").key(format!("key {}", number % 97)).value(id.clone());
        sent.push((id, producer.enqueue(record.timestamp(number as i64)).await.unwrap()));
    }
    let mut places = BTreeMap::new();
    for (id, delivery) in sent {
        let metadata = delivery.await.unwrap();
        places.insert(id, (metadata.topic_partition, metadata.offset.0));
    }
    places
}

fn partitions(topic: &str) -> Vec<TopicPartition> {
    (0..PARTITIONS).map(|partition| TopicPartition::new(topic, partition)).collect()
}

/// Reads a topic from its beginning, and may ask what the application has committed.
async fn reader(kafka: &Kafka, topic: &str) -> Consumer {
    let builder = Consumer::builder(kafka).group("pipeline").auto_commit(false).assign(partitions(topic));
    builder.auto_offset_reset("earliest").start().await.unwrap()
}

/// Notes how often each event has come, until `most` more records were read.
async fn read(passed: &mut Consumer, times: &mut BTreeMap<String, usize>, most: usize) {
    let mut read = 0;
    while read < most {
        for record in &passed.poll().await.unwrap().unwrap() {
            *times.entry(text(record.value())).or_default() += 1;
            read += 1;
        }
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}
