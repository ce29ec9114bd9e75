//! librdkafka's names, against its own list of them.
use crate::config::elsewhere::owners;
use crate::config::librdkafka::{all, describe, find};
use crate::config::{
    COMMON, ConfigError, ConfigErrorKind, Kind, Properties, Row, Settings, Table, Unit, jaas,
};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Metadata, Subscriber};

/// As much of the producer's table as is needed here; the whole of it stands above this crate.
const PRODUCER: Table = Table::new(&[&[
    Row::new("acks", Kind::String, "all").one_of(&["all", "-1", "0", "1"]),
    Row::new("buffer.memory", Kind::Long, "33554432").at_least(0).unit(Unit::Bytes),
    Row::new("compression.type", Kind::String, "none").one_of_in_any_case(&["none", "gzip", "lz4", "zstd"]),
    Row::new("compression.gzip.level", Kind::Int, "-1").between(-1, 9),
    Row::new("compression.zstd.level", Kind::Int, "3").between(-131_072, 22),
    Row::new("delivery.timeout.ms", Kind::Int, "120000").at_least(0),
    Row::new("linger.ms", Kind::Long, "5").at_least(0).unit(Unit::Millis),
    Row::without_default("partitioner.class", Kind::Class),
    Row::new("retries", Kind::Int, "2147483647").at_least(0),
]]);

fn check(given: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let mut properties = Properties::new();
    for (name, value) in given {
        properties.set(*name, value);
    }
    properties.check(&[&COMMON, &PRODUCER])
}

fn refusal(given: &[(&str, &str)]) -> (ConfigErrorKind, String) {
    let error = check(given).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn every_name_is_kafkas_or_stands_here() {
    let lines = include_str!("../../../tests/golden/librdkafka-2.15.0.txt").lines();
    let theirs: BTreeSet<&str> =
        lines.filter(|line| !line.starts_with('#')).map(|line| line.split('|').nth(1).unwrap()).collect();
    assert!(theirs.len() > 160, "{}", theirs.len());
    for name in &theirs {
        assert_eq!(find(name).is_none(), !owners(name).is_empty(), "{name}");
    }
    for foreign in all() {
        assert!(theirs.contains(foreign.name), "{} was invented", foreign.name);
    }
}

#[test]
fn the_documentation_lists_every_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/LIBRDKAFKA.md");
    if std::env::var_os("COURANT_WRITE").is_some() {
        std::fs::write(path, describe()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == describe(), "COURANT_WRITE=1 cargo test -p courant-client --lib writes {path} anew");
}

#[test]
fn every_name_leads_to_a_property_that_there_is() {
    let mut seen = BTreeSet::new();
    for foreign in all() {
        assert!(seen.insert(foreign.name), "{} comes twice", foreign.name);
        assert!(!foreign.owners().is_empty(), "{}", foreign.name);
    }
}

#[test]
fn values_are_written_as_kafka_writes_them() {
    let settings = check(&[
        ("message.send.max.retries", "3"),
        ("message.timeout.ms", "0"),
        ("metadata.broker.list", "a, b:1,SASL_PLAINTEXT://c:2,[::1],[::1]:3"),
        ("partitioner", "consistent_random"),
        ("queue.buffering.max.kbytes", "2097151"),
        ("queue.buffering.max.ms", "0.5"),
        ("request.required.acks", "-1"),
        ("socket.send.buffer.bytes", "0"),
        ("socket.timeout.ms", "60000"),
    ])
    .unwrap();
    assert_eq!(settings.whole("retries").unwrap(), 3);
    assert_eq!(settings.whole("delivery.timeout.ms").unwrap(), i64::from(i32::MAX), "0 is for ever");
    let brokers = settings.list("bootstrap.servers").unwrap().join(" ");
    assert_eq!(brokers, "a:9092 b:1 c:2 [::1]:9092 [::1]:3");
    assert_eq!(settings.text("partitioner.class").unwrap(), "consistent_random");
    assert_eq!(settings.whole("buffer.memory").unwrap(), 2_147_482_624, "kibibytes are bytes");
    assert_eq!(settings.whole("linger.ms").unwrap(), 1, "no wait is rounded away");
    assert_eq!(settings.text("acks").unwrap(), "-1");
    assert_eq!(settings.whole("send.buffer.bytes").unwrap(), -1, "0 is the system's choice");
    assert_eq!(settings.millis("request.timeout.ms").unwrap().as_secs(), 60);
}

#[test]
fn a_level_is_that_of_the_codec() {
    let level =
        |codec: &str, level: &str| check(&[("compression.codec", codec), ("compression.level", level)]);
    assert_eq!(level("gzip", "7").unwrap().whole("compression.gzip.level").unwrap(), 7);
    assert_eq!(level("zstd", "7").unwrap().whole("compression.zstd.level").unwrap(), 7);
    assert!(!level("zstd", "-1").unwrap().is_given("compression.zstd.level"), "that is its default");
    assert!(level("none", "0").is_ok());
    let (kind, text) = refusal(&[("compression.level", "5")]);
    assert_eq!(kind, ConfigErrorKind::Value);
    assert!(text.contains("`compression.level`: compression.type `none` has no levels"), "{text}");
}

#[test]
fn credentials_come_together_and_are_not_shown() {
    let both = [("sasl.username", "alice"), ("sasl.password", "hush")];
    let jaas = check(&both).unwrap().text("sasl.jaas.config").unwrap().to_owned();
    assert_eq!(jaas, jaas::plain("alice", "hush"));
    let (kind, text) = refusal(&both[1..]);
    assert_eq!(kind, ConfigErrorKind::Value);
    assert!(text.contains("belong together") && !text.contains("hush"), "{text}");
    let other = jaas::plain("bob", "hush");
    let (kind, text) = refusal(&[both[0], both[1], ("sasl.jaas.config", &other)]);
    assert_eq!(kind, ConfigErrorKind::Conflict);
    assert!(!text.contains("hush"), "{text}");
    let shown = format!("{:?}", Properties::from_iter(both));
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn two_names_of_a_property_must_agree() {
    assert!(check(&[("linger.ms", "7"), ("queue.buffering.max.ms", "7.0")]).is_ok());
    assert_eq!(
        refusal(&[("linger.ms", "7"), ("queue.buffering.max.ms", "8")]),
        (
            ConfigErrorKind::Conflict,
            "properties `linger.ms` and `queue.buffering.max.ms` are one and have two values; \
             `queue.buffering.max.ms` is librdkafka's name; leave it out"
                .to_owned()
        )
    );
}

#[test]
fn what_cannot_be_followed_is_told_under_the_name_that_was_given() {
    for (name, value, kind, said) in [
        (
            "queue.buffering.max.messages",
            "100000",
            ConfigErrorKind::Refused,
            "librdkafka's property `queue.buffering.max.messages` has no counterpart here; buffer.memory bounds the \
             buffer, in bytes",
        ),
        (
            "queue.buffering.max.kbytes",
            "1.5",
            ConfigErrorKind::Value,
            "librdkafka's property `queue.buffering.max.kbytes`: it cannot be `1.5`: it takes a whole number of \
             kibibytes, 1 or more",
        ),
        (
            "request.required.acks",
            "2",
            ConfigErrorKind::Value,
            "property `acks` cannot be `2`: it takes one of all, -1, 0, 1 (default all); it was given as \
             librdkafka's `request.required.acks`",
        ),
        (
            "queue.bufering.max.ms",
            "5",
            ConfigErrorKind::Unknown,
            "unknown property `queue.bufering.max.ms`; did you mean `queue.buffering.max.ms`? it is a producer \
             property: set it on `Producer::builder(&kafka)`",
        ),
    ] {
        assert_eq!(refusal(&[(name, value)]), (kind, said.to_owned()));
    }
}

#[test]
fn a_file_of_librdkafka_serves_connection_and_producer_alike() {
    let file =
        Properties::parse("metadata.broker.list=a\nqueue.buffering.max.ms=9\nfetch.wait.max.ms=1\n").unwrap();
    let connection = file.check(&[&COMMON]).unwrap();
    assert_eq!(connection.list("bootstrap.servers").unwrap(), ["a:9092"]);
    assert_eq!(file.check(&[&PRODUCER]).unwrap().whole("linger.ms").unwrap(), 9);
    let mut by_hand = Properties::new();
    let error = by_hand.set("queue.buffering.max.ms", 9).check(&[&COMMON]).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Elsewhere);
    assert!(error.to_string().contains("set it on `Producer::builder(&kafka)`"), "{error}");
}

/// Keeps the text of every event.
struct Heard(Arc<Mutex<Vec<String>>>);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "courant::client"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Self(Arc::clone(&self.0)));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn each_name_is_said_once_with_kafkas_and_no_value() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    // Another test may come by an event first. Where one subscriber lives, what it would look at is asked of that thread's
    // own, which has none; where two live, of both.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    tracing::subscriber::with_default(Heard(Arc::clone(&lines)), || {
        check(&[("linger.ms", "7"), ("queue.buffering.max.kbytes", "9"), ("compression.level", "-1")])
            .unwrap();
        check(&[("sasl.username", "alice"), ("sasl.password", "hush")]).unwrap();
    });
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "librdkafka's `compression.level` changes nothing here",
            "librdkafka's `queue.buffering.max.kbytes` is Kafka's `buffer.memory`",
            "librdkafka's `sasl.password` is Kafka's `sasl.jaas.config`",
            "librdkafka's `sasl.username` is Kafka's `sasl.jaas.config`",
        ]
    );
}
