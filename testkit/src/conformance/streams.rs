//! What stream applications must do: count, keep state, hand it over, and write their topics as Kafka Streams does.
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use courant::admin::{Admin, ConfigResource};
use courant::producer::Record;
use courant::streams::codec::{I64Be, Utf8};
use courant::streams::{
    ErrorHandler, ErrorKind, Grouped, State, Store, StreamsApp, StreamsBuilder, Topology, tumbling,
};
use courant::{Kafka, TopicName};

use super::world::{Got, PATIENCE, Subject, consumer_with, fill, fresh, producer, read, take, topic};

super::case::declare! {
    ($) streams_suite;
    an_application_counts_behind_a_repartition_topic: "streams 1.1" "streams 2.1";
    internal_topics_have_the_configs_of_kafka_streams: "streams 1.5" "streams 2.1";
    a_changelog_holds_plain_values_with_their_times: "streams 2.2";
    a_fresh_process_goes_on_from_the_changelog: "streams 1.5" "streams 4.5";
    a_window_that_is_closed_stays_closed_for_the_next_process: "streams 2.5";
    two_processes_share_the_tasks_and_hand_them_over: "streams 1.6" "streams 2.7";
    a_stream_meets_a_table: "streams 1.3";
    a_poison_record_goes_to_the_dead_letters: "streams 1.6";
    a_topic_that_is_missing_is_named: "streams 1.6";
}

/// Topics of one application, all with two partitions.
struct Topics {
    id: String,
    input: TopicName,
    output: TopicName,
}

impl Topics {
    async fn make(kafka: &Kafka, stem: &str) -> Self {
        let id = fresh(stem).to_string();
        Self { input: topic(kafka, &id, 2).await, output: topic(kafka, &format!("{id}-out"), 2).await, id }
    }

    /// Words, counted behind a repartition topic.
    fn word_count(&self) -> Topology {
        let builder = StreamsBuilder::new();
        builder
            .stream::<String, String>(&*self.input, (Utf8, Utf8))
            .flat_map_values(|_, line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .group_by(Grouped::named("words"), (Utf8, Utf8), |_, word: &String| word.clone())
            .count(Store::named("counts", (Utf8, I64Be)))
            .to_stream()
            .to(&*self.output, (Utf8, I64Be));
        builder.build().expect("a topology")
    }

    async fn start(&self, kafka: &Kafka, topology: Topology) -> StreamsApp {
        let builder = StreamsApp::builder(&*self.id, kafka).commit_interval(Duration::from_millis(50));
        builder.set("linger.ms", 1).start(topology).await.expect("the application starts")
    }

    /// The last value of each key in the output, once `records` are there.
    async fn counts(&self, kafka: &Kafka, records: usize) -> BTreeMap<String, i64> {
        let got = read(kafka, &self.output, 2, records).await;
        got.into_values().flatten().map(|got| (key(&got), number(&got))).collect()
    }
}

fn key(got: &Got) -> String {
    String::from_utf8_lossy(got.key.as_deref().unwrap_or_default()).into_owned()
}

fn number(got: &Got) -> i64 {
    i64::from_be_bytes(got.value.as_deref().unwrap_or_default().try_into().expect("eight bytes"))
}

fn counts(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Waits until everything is processed and committed.
async fn settle(apps: &[&StreamsApp]) {
    loop {
        let mut is_done = true;
        for app in apps {
            is_done &= app.state() == State::Running && app.lag().await.expect("the application runs") == 0;
        }
        if is_done {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
}

async fn close(app: StreamsApp) {
    app.close(PATIENCE).await.expect("it ends well");
    assert_eq!(app.state(), State::NotRunning);
}

async fn an_application_counts_behind_a_repartition_topic(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "count").await;
    fill(&kafka, &topics.input, 0, texts(&["to be or not to be"])).await;
    fill(&kafka, &topics.input, 1, texts(&["to do"])).await;
    let app = topics.start(&kafka, topics.word_count()).await;
    let expected = counts(&[("be", 2), ("do", 1), ("not", 1), ("or", 1), ("to", 3)]);
    assert_eq!(topics.counts(&kafka, 8).await, expected);
    close(app).await;
}

async fn internal_topics_have_the_configs_of_kafka_streams(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "internal").await;
    let builder = StreamsBuilder::new();
    let words = builder.stream::<String, String>(&*topics.input, (Utf8, Utf8)).group_by(
        Grouped::named("words"),
        (Utf8, Utf8),
        |_, word: &String| word.clone(),
    );
    let windows = tumbling(Duration::from_secs(60)).grace(Duration::from_secs(30));
    let codec = windows.codec(Utf8);
    let counted = words.windowed_by(windows).count(Store::named("windows", (Utf8, I64Be)));
    counted.to_stream().to(&*topics.output, (codec, I64Be));
    let app = topics.start(&kafka, builder.build().expect("a topology")).await;
    let expected: [(&str, &[(&str, &str)]); 2] = [
        (
            "words-repartition",
            &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("segment.bytes", "52428800")],
        ),
        // Size and grace, and a day on top.
        ("windows-changelog", &[("cleanup.policy", "compact,delete"), ("retention.ms", "86490000")]),
    ];
    for (name, configs) in expected {
        let name = format!("{}-{name}", topics.id);
        let described = Admin::new(&kafka).describe_configs([ConfigResource::topic(name.as_str())]).await;
        let described = described.all().expect("described");
        let (_, described) = described.first().expect("one topic");
        for (config, value) in configs {
            assert_eq!(described.value(config), Some(*value), "{name} {config}");
        }
        assert_eq!(described.value("message.timestamp.type"), Some("CreateTime"));
    }
    close(app).await;
}

async fn a_changelog_holds_plain_values_with_their_times(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "changelog").await;
    let producer = producer(&kafka).await;
    for time in [50, 40] {
        let record = Record::to(&topics.input).partition(0).key("k").value("word").timestamp(time);
        producer.send(record).await.expect("acknowledged");
    }
    let app = topics.start(&kafka, topics.word_count()).await;
    let changelog = read(&kafka, &format!("{}-counts-changelog", topics.id), 2, 2).await;
    let changes: Vec<_> = changelog.into_values().flatten().collect();
    assert_eq!((key(&changes[0]), number(&changes[0]), changes[0].timestamp.0), ("word".to_owned(), 1, 50));
    // A record that comes late leaves the later time.
    assert_eq!((key(&changes[1]), number(&changes[1]), changes[1].timestamp.0), ("word".to_owned(), 2, 50));
    close(app).await;
}

async fn a_fresh_process_goes_on_from_the_changelog(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "fresh").await;
    for round in 0..3 {
        let app = topics.start(&kafka, topics.word_count()).await;
        fill(&kafka, &topics.input, round % 2, texts(&["one two", "one"])).await;
        settle(&[&app]).await;
        close(app).await;
    }
    assert_eq!(topics.counts(&kafka, 9).await, counts(&[("one", 6), ("two", 3)]));
}

async fn a_window_that_is_closed_stays_closed_for_the_next_process(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "late").await;
    let topology = || {
        let builder = StreamsBuilder::new();
        let windows = tumbling(Duration::from_millis(10));
        let codec = windows.codec(Utf8);
        let visits = builder.stream::<String, String>(&*topics.input, (Utf8, Utf8)).group_by_key();
        // The events are as old as can be; what is kept of them must stay.
        let store = Store::named("visits", (Utf8, I64Be)).changelog("retention.ms", "-1");
        let counted = visits.windowed_by(windows).count(store);
        counted.to_stream().to(&*topics.output, (codec, I64Be));
        builder.build().expect("a topology")
    };
    let producer = producer(&kafka).await;
    for times in [&[5_i64, 100][..], &[6, 101]] {
        for time in times {
            let record = Record::to(&topics.input).partition(0).key("k").value("").timestamp(*time);
            producer.send(record).await.expect("acknowledged");
        }
        let app = topics.start(&kafka, topology()).await;
        settle(&[&app]).await;
        close(app).await;
    }
    // 5 and 100 by the first process; 6 is late for the second one, which counts 101.
    let mut out = consumer_with(&kafka, &topics.output, 2, &[("enable.auto.commit", "false")]).await;
    let got: Vec<i64> = take(&mut out, 3).await.into_values().flatten().map(|got| number(&got)).collect();
    assert_eq!(got, [1, 1, 2]);
    let ends = out.end_offsets([(&topics.output, 0), (&topics.output, 1)]).await.expect("listed");
    assert_eq!(ends.values().map(|end| end.0).sum::<i64>(), 3);
}

async fn two_processes_share_the_tasks_and_hand_them_over(subject: Subject) {
    let (kafka, other) = (subject.kafka().await, subject.kafka().await);
    let topics = Topics::make(&kafka, "share").await;
    let line = || texts(&["a b c d e f g h"]);
    let first = topics.start(&kafka, topics.word_count()).await;
    fill(&kafka, &topics.input, 0, line()).await;
    settle(&[&first]).await;
    let second = topics.start(&other, topics.word_count()).await;
    fill(&kafka, &topics.input, 1, line()).await;
    settle(&[&first, &second]).await;
    close(first).await;
    fill(&kafka, &topics.input, 0, line()).await;
    settle(&[&second]).await;
    let expected: Vec<(String, i64)> = ('a'..='h').map(|word| (word.to_string(), 3)).collect();
    assert_eq!(topics.counts(&kafka, 24).await, expected.into_iter().collect());
    close(second).await;
}

async fn a_stream_meets_a_table(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "join").await;
    let customers = topic(&kafka, "customers", 2).await;
    let builder = StreamsBuilder::new();
    let table = builder.table(&*customers, Store::named("customers", (Utf8, Utf8)));
    builder
        .stream::<String, String>(&*topics.input, (Utf8, Utf8))
        .join_table(&table, |_, order: String, customer: &String| format!("{order} of {customer}"))
        .to(&*topics.output, (Utf8, Utf8));
    let topology = builder.build().expect("a topology");
    let producer = producer(&kafka).await;
    for (topic, time, value) in [(&customers, 1, "Ann"), (&topics.input, 2, "tea"), (&customers, 3, "Bob")] {
        let record = Record::to(topic).key("k").value(value).timestamp(time);
        producer.send(record).await.expect("acknowledged");
    }
    producer.send(Record::to(&topics.input).key("k").value("rum").timestamp(4)).await.expect("acknowledged");
    // Time decides what a record meets, not the order in which topics are read.
    let app = topics.start(&kafka, topology).await;
    let got = read(&kafka, &topics.output, 2, 2).await;
    let values: Vec<_> = got.into_values().flatten().map(|got| got.text().to_owned()).collect();
    assert_eq!(values, ["tea of Ann", "rum of Bob"]);
    close(app).await;
}

async fn a_poison_record_goes_to_the_dead_letters(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics::make(&kafka, "poison").await;
    let dead = topic(&kafka, "dead", 1).await;
    let builder = StreamsBuilder::new();
    let numbers = builder.stream::<String, i64>(&*topics.input, (Utf8, I64Be));
    numbers.map_values(|_, number| number + 1).to(&*topics.output, (Utf8, I64Be));
    let producer = producer(&kafka).await;
    for value in [Bytes::from_static(b"\0\0\0\0\0\0\0\x06"), Bytes::from_static(b"poison")] {
        let record = Record::to(&topics.input).partition(0).key("k").value(value);
        producer.send(record).await.expect("acknowledged");
    }
    let app = StreamsApp::builder(&*topics.id, &kafka)
        .dead_letters(&*dead)
        .on_deserialization_error(ErrorHandler::log_and_continue())
        .start(builder.build().expect("a topology"))
        .await
        .expect("the application starts");
    let letters = read(&kafka, &dead, 1, 1).await;
    let letter = letters.into_values().flatten().next().expect("a letter");
    assert_eq!(letter.text(), "poison");
    let header = |name: &str| {
        letter.headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.clone())
    };
    assert_eq!(header("__streams.errors.offset"), Some(Bytes::from_static(b"1")));
    assert_eq!(header("__streams.errors.topic"), Some(Bytes::copy_from_slice(topics.input.as_bytes())));
    settle(&[&app]).await;
    let doubled = read(&kafka, &topics.output, 2, 1).await;
    assert_eq!(doubled.into_values().flatten().map(|got| number(&got)).collect::<Vec<_>>(), [7]);
    close(app).await;
}

async fn a_topic_that_is_missing_is_named(subject: Subject) {
    let kafka = subject.kafka().await;
    let topics = Topics { id: "none".to_owned(), input: fresh("missing"), output: fresh("missing-too") };
    let started = StreamsApp::builder(&*topics.id, &kafka).start(topics.word_count()).await;
    let error = started.expect_err("its topic does not exist");
    assert_eq!(error.kind(), ErrorKind::MissingTopic);
    assert!(error.to_string().contains(&*topics.input), "{error}");
}

const MOMENT: Duration = Duration::from_millis(20);
