//! The table as a whole: what each property changes, and what is said of those that cannot be followed.
use courant_client::config::Status;

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<ConsumerSettings, ConfigError> {
    let mut properties = Properties::new();
    for (name, value) in pairs {
        properties.set(*name, value);
    }
    ConsumerSettings::new(&properties)
}

#[test]
fn the_defaults_are_javas() {
    let settings = read(&[("group.id", "g")]).unwrap();
    assert_eq!(settings.auto_offset_reset, OffsetReset::Latest);
    assert_eq!(settings.auto_commit_interval, Some(Duration::from_millis(5000)));
    assert_eq!(settings.isolation, IsolationLevel::ReadUncommitted);
    assert_eq!((settings.max_poll_records, settings.fetch_min_bytes), (500, 1));
    assert_eq!((settings.fetch_max_bytes, settings.max_partition_fetch_bytes), (52_428_800, 1_048_576));
    assert!(settings.check_crcs);
}

#[test]
fn without_a_group_nothing_is_committed_in_the_background() {
    assert_eq!(read(&[]).unwrap().auto_commit_interval, None);
    let error = read(&[("enable.auto.commit", "true")]).unwrap_err();
    assert!(error.to_string().contains("`group.id` is not set"), "{error}");
}

#[test]
fn wrong_values_and_names_are_told_with_what_is_right() {
    let error = read(&[("auto.offset.reset", "erliest")]).unwrap_err();
    assert!(error.to_string().contains("expected earliest, latest, none, or by_duration:"), "{error}");
    let error = read(&[("max.pol.records", "5")]).unwrap_err();
    assert!(error.to_string().contains("did you mean `max.poll.records`?"), "{error}");
    assert!(read(&[("max.poll.records", "0")]).is_err());
    assert!(read(&[("group.protocol", "consumer")]).is_err());
    assert!(read(&[("session.timeout.ms", "3000")]).is_err());
    let error = read(&[("partition.assignment.strategy", "rang")]).unwrap_err();
    assert!(error.to_string().contains("range, roundrobin"), "{error}");
    assert!(read(&[("auto.offset.reset", "by_duration:PT1H")]).is_ok());
    let error = read(&[("interceptor.classes", "com.example.Mine")]).unwrap_err();
    assert!(error.to_string().contains("interceptor(..)"), "{error}");
}

#[test]
fn the_documentation_lists_every_row_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PROPERTIES.md");
    if std::env::var_os("COURANT_WRITE").is_some() {
        std::fs::write(path, CONSUMER.describe()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == CONSUMER.describe(),
        "COURANT_WRITE=1 cargo test -p courant-consumer --lib writes {path} anew"
    );
}

#[test]
fn every_row_takes_its_own_default_and_changes_nothing_by_it() {
    // Given at all, these two mean something.
    let by_word = ["allow.auto.create.topics", "default.api.timeout.ms"];
    let without = format!("{:?}", read(&[("group.id", "g")]).unwrap());
    for row in CONSUMER.rows().filter(|row| !by_word.contains(&row.name)) {
        if let Some(default) = row.default {
            let with = read(&[("group.id", "g"), (row.name, default)]).unwrap();
            assert_eq!(format!("{with:?}"), without, "{}", row.name);
        }
    }
}

/// A value of each property that is honoured, beside its default.
// tidy: one table
const OTHERS: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "true"),
    ("auto.commit.interval.ms", "7"),
    ("auto.offset.reset", "earliest"),
    ("check.crcs", "false"),
    ("client.rack", "a"),
    ("default.api.timeout.ms", "7"),
    ("enable.auto.commit", "false"),
    ("exclude.internal.topics", "false"),
    ("fetch.buffer.bytes", "4096"),
    ("fetch.max.bytes", "7"),
    ("fetch.max.wait.ms", "7"),
    ("fetch.min.bytes", "7"),
    ("group.id", "h"),
    ("group.instance.id", "i"),
    ("heartbeat.interval.ms", "7"),
    ("internal.leave.group.on.close", "false"),
    ("isolation.level", "READ_COMMITTED"),
    ("keep.control.records", "true"),
    ("max.decompressed.batch.bytes", "4096"),
    ("max.partition.fetch.bytes", "7"),
    ("max.poll.interval.ms", "7"),
    ("max.poll.records", "7"),
    ("partition.assignment.strategy", "roundrobin"),
    ("session.timeout.ms", "50000"),
];

#[test]
fn every_row_that_is_honoured_changes_something_and_every_other_one_nothing() {
    // Its only value that is not refused is its default.
    let honoured =
        CONSUMER.rows().filter(|row| row.status == Status::Honoured && row.name != "group.protocol");
    let mut honoured: Vec<_> = honoured.map(|row| row.name).collect();
    honoured.sort_unstable();
    assert_eq!(honoured, OTHERS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let without = format!("{:?}", read(&[("group.id", "g")]).unwrap());
    for (name, value) in OTHERS {
        let mut given = vec![(*name, *value)];
        given.extend([("group.id", "g")].into_iter().filter(|(other, _)| other != name));
        assert_ne!(format!("{:?}", read(&given).unwrap()), without, "{name}");
    }
    for row in CONSUMER.rows() {
        match row.status {
            Status::Accepted(_) if row.default.is_none() => {
                let given = [("group.id", "g"), (row.name, "x")];
                assert_eq!(format!("{:?}", read(&given).unwrap()), without, "{}", row.name);
            }
            Status::Refused(_) => assert!(read(&[(row.name, "x")]).is_err(), "{}", row.name),
            _ => {}
        }
    }
}

#[test]
fn librdkafkas_names_and_words_stand_for_kafkas() {
    let settings = read(&[
        ("group.id", "g"),
        ("auto.commit.enable", "false"),
        ("auto.offset.reset", "smallest"),
        ("fetch.wait.max.ms", "7"),
        ("fetch.message.max.bytes", "8"),
        ("queued.max.messages.kbytes", "9"),
    ]);
    let settings = settings.unwrap();
    assert_eq!((settings.auto_commit_interval, settings.auto_offset_reset), (None, OffsetReset::Earliest));
    assert_eq!((settings.fetch_max_wait, settings.max_partition_fetch_bytes), (Duration::from_millis(7), 8));
    assert_eq!(settings.fetch_buffer_bytes, 9 * 1024);
    for (name, instead) in [
        ("enable.partition.eof", "current_lag"),
        ("rebalance_cb", "rebalance_listener(..)"),
        ("offset_commit_cb", "interceptor(..)"),
        ("enable.auto.offset.store", "enable.auto.commit"),
    ] {
        let error = read(&[(name, "true")]).unwrap_err().to_string();
        assert!(error.contains(instead), "{error}");
    }
    for (word, reset) in
        [("beginning", OffsetReset::Earliest), ("largest", OffsetReset::Latest), ("error", OffsetReset::None)]
    {
        assert_eq!(read(&[("auto.offset.reset", word)]).unwrap().auto_offset_reset, reset);
    }
}
