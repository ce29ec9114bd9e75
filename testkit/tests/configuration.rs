//! Our tables of properties against what Kafka 4.3.1 says of its own clients: each name is there, with the same type,
//! default, importance and valid values, or the difference is named here with its reason.
use std::collections::{BTreeMap, BTreeSet};

use courant_admin::ADMIN;
use courant_client::config::{Accepts, COMMON, Importance, Kind, Row, Status, Table};
use courant_consumer::CONSUMER;
use courant_producer::PRODUCER;

/// What `cargo xtask kafka configs` prints.
const KAFKAS: &str = include_str!("../../client/tests/golden/config-4.3.1.txt");

/// Property, what differs, what it is here, why.
// tidy: one table
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("auto.offset.reset", "valid", "", "a parser of its own tells what it takes"),
    ("bootstrap.resolve.timeout.ms", "name", "", "Kafka 4.4 has it (KIP-909)"),
    (
        "client.id",
        "importance",
        "medium",
        "Java's consumer finds it less important than its other clients do",
    ),
    ("client.rack", "name", "", "Kafka 4.4's producer has it (KIP-1123)"),
    ("compression.gzip.level", "valid", "[-1,...,9]", "0 is refused with a reason"),
    ("compression.type", "valid", "(case insensitive) [gzip, lz4, none, snappy, zstd]", "any case is taken"),
    ("connections.max.idle.ms", "default", "540000", "an admin client uses the connections of its `Kafka`"),
    ("connections.max.idle.ms", "valid", "[-1,...]", "no time is less than none at all"),
    ("default.api.timeout.ms", "name", "", "a producer's connection makes calls that have a deadline too"),
    (
        "enable.metrics.push",
        "default",
        "true",
        "the admin client's is the connection's, and nothing is pushed",
    ),
    ("fetch.buffer.bytes", "name", "", "a bound of memory that Java has not"),
    ("group.protocol", "valid", "(case insensitive) [classic, consumer]", "it is the same but for the case"),
    ("heartbeat.interval.ms", "valid", "[1,...]", "without time in between nothing else would be done"),
    ("internal.leave.group.on.close", "name", "", "Java keeps it to itself, and to Kafka Streams"),
    (
        "isolation.level",
        "valid",
        "(case insensitive) [read_committed, read_uncommitted]",
        "any case is taken",
    ),
    ("key.deserializer", "default", "null", "records are handed out as bytes, and none is required"),
    ("key.serializer", "default", "null", "records are handed over as bytes, and none is required"),
    ("keep.control.records", "name", "", "franz-go's option, which Java has not"),
    ("max.decompressed.batch.bytes", "name", "", "a bound of memory that Java has not"),
    (
        "partition.assignment.strategy",
        "default",
        "range,cooperative-sticky",
        "the names of Java's two classes",
    ),
    ("partitioner.rack.aware", "name", "", "Kafka 4.4 has it (KIP-1123)"),
    ("receive.buffer.bytes", "default", "65536", "the producer's is the connection's, and has no effect"),
    ("retries", "valid", "[0,...]", "the end is that of the type"),
    (
        "sasl.mechanism",
        "valid",
        "[GSSAPI, OAUTHBEARER, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512]",
        "others need Java classes",
    ),
    ("session.timeout.ms", "valid", "[1,...]", "a member must have time to be heard of"),
    (
        "share.acquire.mode",
        "valid",
        "(case insensitive) [BATCH_OPTIMIZED, RECORD_LIMIT]",
        "it is the same but for the case",
    ),
    ("socket.connection.setup.timeout.max.ms", "valid", "[0,...]", "no time is less than none at all"),
    ("socket.connection.setup.timeout.ms", "valid", "[0,...]", "no time is less than none at all"),
    ("value.deserializer", "default", "null", "records are handed out as bytes, and none is required"),
    ("value.serializer", "default", "null", "records are handed over as bytes, and none is required"),
];

/// One of Kafka's lines, or one of our rows in the same words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    kind: String,
    default: String,
    importance: String,
    valid: String,
}

fn kafkas(client: &str) -> BTreeMap<&'static str, Said> {
    let lines =
        KAFKAS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('|').collect::<Vec<_>>());
    let of_client = lines.filter(|fields| fields[0] == client);
    of_client
        .map(|fields| {
            let [kind, default, importance, valid] = [2, 3, 4, 5].map(|field| fields[field].to_owned());
            (fields[1], Said { kind, default, importance, valid: sorted(&valid) })
        })
        .collect()
}

fn ours(tables: [&Table; 2]) -> BTreeMap<&'static str, Said> {
    let rows = tables.into_iter().flat_map(|table| table.rows());
    rows.map(|row| (row.name, said(row))).collect()
}

fn said(row: &Row) -> Said {
    let kind = match row.kind {
        Kind::Bool => "boolean",
        Kind::Short => "short",
        Kind::Int => "int",
        Kind::Long => "long",
        Kind::Double => "double",
        Kind::String => "string",
        Kind::List => "list",
        Kind::Password => "password",
        Kind::Class => "class",
        _ => "?",
    };
    let importance = match row.importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    };
    let default = row.default.unwrap_or("null");
    let valid = match row.accepts {
        Accepts::Any => String::new(),
        Accepts::Between(least, i64::MAX) => format!("[{least},...]"),
        Accepts::Between(least, most) => format!("[{least},...,{most}]"),
        Accepts::Fraction(least, most) => format!("[{least:.1},...,{most:?}]"),
        Accepts::OneOf(words) => format!("[{}]", words.join(", ")),
        Accepts::OneOfInAnyCase(words) => format!("(case insensitive) [{}]", words.join(", ")),
        Accepts::NotEmpty => "non-empty string".to_owned(),
        _ => "?".to_owned(),
    };
    Said {
        kind: kind.to_owned(),
        default: default.to_owned(),
        importance: importance.to_owned(),
        valid: sorted(&valid),
    }
}

/// Words in one order: Kafka's is that of a hash map.
fn sorted(valid: &str) -> String {
    match valid.split_once('[') {
        Some((before, words)) if !words.contains("...") => {
            let words: BTreeSet<&str> = words.trim_end_matches(']').split(", ").collect();
            format!("{before}[{}]", words.into_iter().collect::<Vec<_>>().join(", "))
        }
        _ => valid.to_owned(),
    }
}

/// Each difference: client, property, what differs, what Kafka says, what we say.
fn differences(client: &'static str, tables: [&Table; 2]) -> Vec<[String; 5]> {
    let (kafkas, ours) = (kafkas(client), ours(tables));
    let line = |name: &str, what: &str, theirs: &str, ours: &str| {
        [client, name, what, theirs, ours].map(str::to_owned)
    };
    let mut found = Vec::new();
    for (name, theirs) in &kafkas {
        let Some(ours) = ours.get(name) else {
            found.push(line(name, "name", name, ""));
            continue;
        };
        for (what, theirs, ours) in [
            ("type", &theirs.kind, &ours.kind),
            ("default", &theirs.default, &ours.default),
            ("importance", &theirs.importance, &ours.importance),
            ("valid", &theirs.valid, &ours.valid),
        ] {
            if theirs != ours {
                found.push(line(name, what, theirs, ours));
            }
        }
    }
    let invented = ours.keys().filter(|name| !kafkas.contains_key(*name));
    found.extend(invented.map(|name| line(name, "name", "", "")));
    found
}

#[test]
fn the_tables_differ_from_kafkas_in_what_is_named_here_alone() {
    let mut found = differences("producer", [&COMMON, &PRODUCER]);
    found.extend(differences("consumer", [&COMMON, &CONSUMER]));
    found.extend(differences("admin", [&COMMON, &ADMIN]));
    let is_named = |[_, name, what, theirs, ours]: &[String; 5]| {
        // A name that Kafka has and we have not is never as it should be.
        let missing = what == "name" && !theirs.is_empty();
        !missing && DIFFERENCES.iter().any(|(n, w, here, _)| name == n && what == w && ours == here)
    };
    let unnamed: Vec<_> = found.iter().filter(|line| !is_named(line)).collect();
    assert!(unnamed.is_empty(), "client, property, what, Kafka's, ours: {unnamed:#?}");
    for (name, what, ours, _) in DIFFERENCES {
        let is_there = |line: &[String; 5]| line[1] == *name && line[2] == *what && line[4] == *ours;
        assert!(found.iter().any(is_there), "`{name}` does not differ in its {what} any more");
    }
}

#[test]
fn every_row_tells_what_it_does_and_what_is_not_honoured_tells_why() {
    for row in [&COMMON, &PRODUCER, &CONSUMER, &ADMIN].into_iter().flat_map(|table| table.rows()) {
        assert!(row.doc.ends_with('.'), "{}: {}", row.name, row.doc);
        if let Status::Accepted(reason) | Status::Refused(reason) = row.status {
            assert!(reason.len() > 10, "{}: {reason}", row.name);
        }
    }
}
