//! The text that is committed with an offset: the partition's stream time, as Kafka Streams writes it.
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut};

/// What travels with a committed offset: whoever takes the partition over takes over how late it is
/// (Kafka Streams' `TopicPartitionMetadata`).
///
/// Base64 of `2 ‖ time:8 ‖ (count:4 ‖ (length:4 ‖ name ‖ value:8)*)?`. Version 1 has the time alone. Anything else means
/// that nothing is known, which is no reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetMetadata {
    /// The largest timestamp that was processed of the partition; -1 if there was none.
    pub(crate) partition_time: i64,
    /// Times that operators keep, by name: how far windows were closed.
    pub(crate) operator_times: BTreeMap<String, i64>,
}

impl Default for OffsetMetadata {
    fn default() -> Self {
        Self { partition_time: -1, operator_times: BTreeMap::new() }
    }
}

impl OffsetMetadata {
    /// The text.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.put_i64(self.partition_time);
        if !self.operator_times.is_empty() {
            bytes.put_i32(i32::try_from(self.operator_times.len()).unwrap_or(i32::MAX));
            for (name, time) in &self.operator_times {
                bytes.put_i32(i32::try_from(name.len()).unwrap_or(i32::MAX));
                bytes.put_slice(name.as_bytes());
                bytes.put_i64(*time);
            }
        }
        STANDARD.encode(bytes)
    }

    /// Reads a text; `None` if it was not written by a stream task.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let decoded = STANDARD.decode(text).ok()?;
        let mut bytes = decoded.as_slice();
        let version = bytes.try_get_u8().ok()?;
        if !(1..=VERSION).contains(&version) {
            return None;
        }
        let mut metadata = Self { partition_time: bytes.try_get_i64().ok()?, ..Self::default() };
        if version == VERSION && bytes.has_remaining() {
            for _ in 0..bytes.try_get_i32().ok()? {
                let length = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
                let (name, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                let name = String::from_utf8_lossy(name).into_owned();
                metadata.operator_times.insert(name, bytes.try_get_i64().ok()?);
            }
        }
        Some(metadata)
    }
}

const VERSION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_java_writes_it() {
        // new TopicPartitionMetadata(1700000000000L, new ProcessorMetadata()).encode()
        let metadata = OffsetMetadata { partition_time: 1_700_000_000_000, ..OffsetMetadata::default() };
        assert_eq!(metadata.encode(), "AgAAAYvP5WgA");
        assert_eq!(OffsetMetadata::decode("AgAAAYvP5WgA"), Some(metadata));
    }

    #[test]
    fn times_of_operators_are_written_as_java_writes_them() {
        // With ProcessorMetadata of {store=7}.
        let operator_times = BTreeMap::from([("store".to_owned(), 7)]);
        let metadata = OffsetMetadata { partition_time: 5, operator_times };
        assert_eq!(metadata.encode(), "AgAAAAAAAAAFAAAAAQAAAAVzdG9yZQAAAAAAAAAH");
    }

    #[test]
    fn times_of_operators_travel_along() {
        let operator_times = BTreeMap::from([("store".to_owned(), 7), ("other".to_owned(), -1)]);
        let metadata = OffsetMetadata { partition_time: 5, operator_times };
        assert_eq!(OffsetMetadata::decode(&metadata.encode()), Some(metadata));
    }

    #[test]
    fn what_nobody_of_ours_wrote_says_nothing() {
        for text in ["", "hello", "AwAAAYvP5WgA", "AgAA", "AgAAAYvP5WgAAAAA/w=="] {
            assert_eq!(OffsetMetadata::decode(text), None, "{text}");
        }
        let version_1 = OffsetMetadata { partition_time: 1_700_000_000_000, ..OffsetMetadata::default() };
        assert_eq!(OffsetMetadata::decode("AQAAAYvP5WgA"), Some(version_1));
    }
}
