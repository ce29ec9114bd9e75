//! The records that every client writes: nulls, empties, duplicates, other alphabets, and bytes that are no text.

use super::record::{Bytes, Record};

/// Partitions of each topic. The last one holds bytes that are no text, which kcat cannot print.
pub(crate) const PARTITIONS: i32 = 3;
/// Records of each partition.
pub(crate) const PER_PARTITION: i32 = 150;
/// When the first record happened: long before the test, as a real file's events.
const FIRST_TIMESTAMP: i64 = 1_357_000_000_000;

/// The partitions that hold text.
pub(crate) fn text_partitions() -> std::ops::Range<i32> {
    0..PARTITIONS - 1
}

/// The records of a client that can write anything.
pub(crate) fn full() -> Vec<Record> {
    let mut records = Vec::new();
    for index in 0..PER_PARTITION {
        for partition in 0..PARTITIONS {
            let binary = !text_partitions().contains(&partition);
            records.push(record(partition, index, binary));
        }
    }
    records
}

/// The records that kcat can write: text, the same headers in each, times of its own, no empty value.
pub(crate) fn plain() -> Vec<Record> {
    let mut records = full();
    for record in &mut records {
        record.timestamp = None;
        record.headers = vec![
            ("a".to_owned(), bytes("1")),
            ("a".to_owned(), bytes("2")),
            ("source".to_owned(), bytes("kcat")),
        ];
        let key =
            record.key.take().map(|key| String::from_utf8_lossy(&key).replace(|c: char| c.is_control(), "·"));
        record.key = key.filter(|key| !key.is_empty()).map(String::into_bytes);
        let value =
            format!("value of {:?} in partition {}", record.key.as_ref().map(Vec::len), record.partition);
        record.value = Some(value.into_bytes());
    }
    records
}

/// A time that lies among the records' times; the answer of every client must be the same.
pub(crate) const fn middle_timestamp() -> i64 {
    FIRST_TIMESTAMP + PER_PARTITION as i64 / 2 * 1000
}

/// One record; which nulls and empties it has follows from its index.
fn record(partition: i32, index: i32, binary: bool) -> Record {
    let key = match index % 7 {
        0 => None,
        1 => bytes(""),
        2 => bytes("Schlüssel 鍵"),
        _ => bytes(&format!("key-{}", index % 13)),
    };
    let value = match (index % 29, index % 31) {
        (3, _) => None,
        (_, 5) => bytes(""),
        _ if binary => Some((0..64 + index).map(|n| ((n * 7 + index) % 256).to_le_bytes()[0]).collect()),
        _ => bytes(&format!(
            "the value of record {index}, a text long enough to compress, über alles {}",
            index % 10
        )),
    };
    let headers = match index % 4 {
        0 => vec![("a", bytes("1")), ("b", bytes("of b")), ("a", bytes("2")), ("a", bytes("1"))],
        1 => vec![("null", None), ("empty", bytes(""))],
        2 => vec![("überschrift", bytes("straße"))],
        _ => Vec::new(),
    };
    Record {
        partition,
        offset: None,
        // Times that go back now and then: an index by time must not trust their order.
        timestamp: Some(FIRST_TIMESTAMP + i64::from(index) * 1000 - i64::from(index % 5) * 1700),
        key,
        value,
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// Bytes of a text.
fn bytes(text: &str) -> Bytes {
    Some(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_hold_what_clients_get_wrong() {
        let records = full();
        assert_eq!(records.len(), usize::try_from(PARTITIONS * PER_PARTITION).unwrap());
        let any = |test: fn(&Record) -> bool| records.iter().any(test);
        assert!(any(|record| record.key.is_none()) && any(|record| record.key == bytes("")));
        assert!(any(|record| record.value.is_none()) && any(|record| record.value == bytes("")));
        assert!(any(|record| record.headers.iter().filter(|(name, _)| name == "a").count() == 3));
        assert!(any(|record| record.headers.iter().any(|(_, value)| value.is_none())));
        assert!(any(|record| record
            .value
            .as_ref()
            .is_some_and(|value| String::from_utf8(value.clone()).is_err())));
    }

    #[test]
    fn plain_records_are_lines_of_text() {
        for record in plain() {
            let value = record.value.unwrap_or_default();
            assert!(!value.is_empty() && !value.contains(&b'\t') && !value.contains(&b'\n'));
            assert!(record.key.is_none_or(|key| !key.is_empty()));
        }
    }
}
