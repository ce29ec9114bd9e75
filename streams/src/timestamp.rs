//! Where a record's event time comes from.
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use courant_protocol::types::TopicPartition;

use crate::record::Headers;

/// What a timestamp extractor may know of a record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceRecord<'a> {
    /// Where it stands.
    pub partition: &'a TopicPartition,
    /// Its offset there.
    pub offset: i64,
    /// The time that its producer or its broker gave it; −1 if nobody did.
    pub timestamp: i64,
    /// The highest event time seen in the partition so far; −1 before the first record.
    pub partition_time: i64,
    /// The key's bytes.
    pub key: Option<&'a Bytes>,
    /// The value's bytes.
    pub value: Option<&'a Bytes>,
    /// Its headers.
    pub headers: &'a Headers,
}

/// How a source finds the event time of a record (Java's `TimestampExtractor`).
///
/// A time below 0 makes the task leave the record out and count it as dropped.
#[derive(Clone, Default)]
pub struct TimestampExtractor(Extract);

#[derive(Clone, Default)]
enum Extract {
    #[default]
    FailOnInvalid,
    LogAndSkip,
    PartitionTime,
    Custom(Arc<dyn Fn(&SourceRecord<'_>) -> i64 + Send + Sync>),
}

impl TimestampExtractor {
    /// The record's own timestamp; one without a time ends the task (`FailOnInvalidTimestamp`). This is the default.
    pub fn fail_on_invalid() -> Self {
        Self(Extract::FailOnInvalid)
    }

    /// The record's own timestamp; one without a time is left out (`LogAndSkipOnInvalidTimestamp`).
    pub fn log_and_skip() -> Self {
        Self(Extract::LogAndSkip)
    }

    /// The record's own timestamp, or else the partition's time (`UsePartitionTimeOnInvalidTimestamp`).
    pub fn partition_time() -> Self {
        Self(Extract::PartitionTime)
    }

    /// What a function says.
    pub fn custom(extract: impl Fn(&SourceRecord<'_>) -> i64 + Send + Sync + 'static) -> Self {
        Self(Extract::Custom(Arc::new(extract)))
    }

    /// The event time of a record: `Some` with a time that may be below 0, which leaves the record out; `None` if the
    /// record has no time and none may be invented, which ends the task.
    pub(crate) fn extract(&self, record: &SourceRecord<'_>) -> Option<i64> {
        match &self.0 {
            Extract::Custom(extract) => Some(extract(record)),
            _ if record.timestamp >= 0 => Some(record.timestamp),
            Extract::FailOnInvalid => None,
            Extract::LogAndSkip => Some(record.timestamp),
            Extract::PartitionTime => Some(record.partition_time),
        }
    }
}

impl fmt::Debug for TimestampExtractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Extract::FailOnInvalid => "FailOnInvalidTimestamp",
            Extract::LogAndSkip => "LogAndSkipOnInvalidTimestamp",
            Extract::PartitionTime => "UsePartitionTimeOnInvalidTimestamp",
            Extract::Custom(_) => "a function",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(extractor: TimestampExtractor, timestamp: i64) -> Option<i64> {
        let (partition, headers) = (TopicPartition::new("t", 0), Headers::default());
        let (key, value) = (None, None);
        let record = SourceRecord {
            partition: &partition,
            offset: 7,
            timestamp,
            partition_time: 50,
            key,
            value,
            headers: &headers,
        };
        extractor.extract(&record)
    }

    #[test]
    fn a_record_without_a_time_fails_is_skipped_or_gets_the_partitions_time() {
        assert_eq!(extract(TimestampExtractor::default(), -1), None);
        assert_eq!(extract(TimestampExtractor::log_and_skip(), -1), Some(-1));
        assert_eq!(extract(TimestampExtractor::partition_time(), -1), Some(50));
        assert_eq!(extract(TimestampExtractor::partition_time(), 20), Some(20));
        assert_eq!(extract(TimestampExtractor::custom(|record| record.offset * 2), -1), Some(14));
    }
}
