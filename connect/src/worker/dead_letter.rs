//! Dead letters: the record as it was, and headers that say what happened to it, where and why.
use bytes::Bytes;
use courant_protocol::types::{Offset, PartitionId, TopicPartition, UnixMillis};

use crate::error::{Error, ErrorKind, Stage};

/// A record as it came, before any converter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawRecord {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
    pub(crate) timestamp: Option<UnixMillis>,
}

/// Where a record failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) connector: &'a str,
    pub(crate) task: usize,
    pub(crate) stage: Stage,
    /// What failed: the name of a converter, a transform or the connector.
    pub(crate) class: &'a str,
    pub(crate) error: &'a Error,
    /// Where the record came from; a source's record that never was in Kafka has at most a topic.
    pub(crate) origin: Origin<'a>,
}

/// Where a record came from, as far as Kafka goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'a> {
    Kafka(&'a TopicPartition, Offset),
    Bound(&'a str, Option<PartitionId>),
    Outside,
}

impl Failure<'_> {
    /// The dead letter of a record. Headers that are there stay as they are, those of an earlier failure too: a letter that
    /// failed again tells its whole story.
    pub(crate) fn letter(&self, mut record: RawRecord, with_headers: bool) -> RawRecord {
        if with_headers {
            let context = self.headers().into_iter();
            record
                .headers
                .extend(context.map(|(name, value)| (format!("{PREFIX}{name}"), Some(Bytes::from(value)))));
        }
        record
    }

    /// Connect's context headers (KIP-298), in the order in which Java writes them.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(10);
        match self.origin {
            Origin::Kafka(partition, offset) => {
                headers.push(("topic", partition.topic.to_string()));
                headers.push(("partition", partition.partition.to_string()));
                headers.push(("offset", offset.to_string()));
            }
            Origin::Bound(topic, partition) => {
                headers.push(("topic", topic.to_owned()));
                headers.extend(partition.map(|partition| ("partition", partition.to_string())));
            }
            Origin::Outside => {}
        }
        headers.push(("connector.name", self.connector.to_owned()));
        headers.push(("task.id", self.task.to_string()));
        headers.push(("stage", self.stage.to_string()));
        headers.push(("class.name", self.class.to_owned()));
        headers.push(("exception.class.name", java_class(self.error.kind()).to_owned()));
        headers.push(("exception.message", self.error.message_with_cause()));
        headers.push(("exception.stacktrace", format!("{}: {}", java_class(self.error.kind()), self.error)));
        headers
    }
}

/// The exception that Java would have thrown: what tools sort dead letters by.
fn java_class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Data => "org.apache.kafka.connect.errors.DataException",
        ErrorKind::Retriable => "org.apache.kafka.connect.errors.RetriableException",
        ErrorKind::Kafka => "org.apache.kafka.common.KafkaException",
        _ => "org.apache.kafka.connect.errors.ConnectException",
    }
}

const PREFIX: &str = "__connect.errors.";

#[cfg(test)]
mod tests {
    use super::*;

    fn failure<'a>(error: &'a Error, partition: &'a TopicPartition) -> Failure<'a> {
        Failure {
            connector: "snk",
            task: 0,
            stage: Stage::ValueConverter,
            class: "org.apache.kafka.connect.json.JsonConverter",
            error,
            origin: Origin::Kafka(partition, Offset(0)),
        }
    }

    #[test]
    fn the_context_headers_are_those_of_the_golden_recording_in_its_order() {
        let golden = include_str!("../../tests/golden/dlq-headers-4.3.0.txt");
        let recorded: Vec<(&str, &str)> =
            golden.lines().filter_map(|line| line.strip_prefix("H ")?.split_once(" = ")).collect();
        let message = recorded.iter().find(|(name, _)| name.ends_with("exception.message")).unwrap().1;
        let (error, partition) = (Error::data(message), TopicPartition::new("lines", 1));
        let letter = failure(&error, &partition).letter(RawRecord::default(), true);
        assert_eq!(letter.headers.len(), recorded.len());
        for ((name, value), (recorded_name, recorded_value)) in letter.headers.iter().zip(recorded) {
            assert_eq!(name, recorded_name);
            let value = std::str::from_utf8(value.as_deref().unwrap()).unwrap();
            match name.ends_with("stacktrace") {
                true => {
                    assert!(value.starts_with("org.apache.kafka.connect.errors.DataException: "), "{value}")
                }
                false => assert_eq!(value, recorded_value, "{name}"),
            }
        }
    }

    #[test]
    fn a_letter_keeps_the_raw_record_and_the_headers_of_an_earlier_failure() {
        let record = RawRecord {
            key: Some("k".into()),
            value: None,
            headers: vec![("__connect.errors.topic".to_owned(), Some("first".into()))],
            timestamp: Some(UnixMillis(5)),
        };
        let (error, partition) = (Error::data("bad"), TopicPartition::new("second", 3));
        let letter = failure(&error, &partition).letter(record.clone(), true);
        assert_eq!((&letter.key, &letter.value, letter.timestamp), (&record.key, &None, record.timestamp));
        let topics: Vec<_> =
            letter.headers.iter().filter(|(name, _)| name == "__connect.errors.topic").collect();
        let value = |at: usize| topics[at].1.as_deref().unwrap();
        assert_eq!((topics.len(), value(0), value(1)), (2, &b"first"[..], &b"second"[..]));
        assert_eq!(failure(&error, &partition).letter(record.clone(), false), record);
    }
}
