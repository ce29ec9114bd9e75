//! The offsets of sources as the offsets topic holds them, in Java's form.
//!
//! | part  | bytes                                                                                     |
//! |-------|-------------------------------------------------------------------------------------------|
//! | key   | JSON array of the connector's name and the source partition: `["flights",{"filename":…}]` |
//! | value | JSON object, the source offset: `{"position":42}`; null resets it                         |
//!
//! A key is a partition for compaction, and for Java, by its *bytes*. A partition that is in the topic already is written
//! with the very bytes that stand there, whoever wrote them; a new one gets the order of fields that Java's `HashMap`
//! would give it.
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::data::java_text::hash_map_order;
use crate::error::{Error, Result};

/// What the offsets topic says, read from its beginning to its end and kept up with what is written.
#[derive(Debug, Default)]
pub(crate) struct OffsetStore {
    connectors: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: Bytes,
    partition: Value,
    offset: Option<Value>,
}

/// A record for the offsets topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetRecord {
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

impl OffsetStore {
    /// Takes over a record of the topic. What is no offset is passed over, as in Java: others may keep keys of their own
    /// there. Gives whether it was one.
    pub(crate) fn apply(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let Some((connector, partition)) = key.and_then(parse_key) else { return false };
        let offset = match value.filter(|value| !value.is_empty()).map(serde_json::from_slice::<Value>) {
            None | Some(Ok(Value::Null)) => None,
            Some(Ok(offset @ Value::Object(_))) => Some(offset),
            Some(_) => return false,
        };
        let entry = Entry { key: Bytes::copy_from_slice(key.unwrap_or_default()), partition, offset };
        self.connectors.entry(connector).or_default().insert(canonical(&entry.partition), entry);
        true
    }

    /// The partitions of a connector and from where to go on in each.
    pub(crate) fn offsets(&self, connector: &str) -> impl Iterator<Item = (&Value, &Value)> {
        let entries = self.connectors.get(connector).into_iter().flatten();
        entries.filter_map(|(_, entry)| Some((&entry.partition, entry.offset.as_ref()?)))
    }

    /// The record that stores an offset, or resets it.
    ///
    /// # Errors
    /// [`ErrorKind::Fatal`](crate::ErrorKind::Fatal) if one of them is not an object of plain values.
    pub(crate) fn record(
        &self,
        connector: &str,
        partition: &Value,
        offset: Option<&Value>,
    ) -> Result<OffsetRecord> {
        let fields = plain_fields("partition", partition)?;
        let known = self.connectors.get(connector).and_then(|known| known.get(&canonical(partition)));
        let key = match known {
            Some(entry) => entry.key.clone(),
            None => new_key(connector, fields)?,
        };
        let value = match offset {
            None => None,
            Some(offset) => {
                plain_fields("offset", offset)?;
                Some(to_json(offset)?)
            }
        };
        Ok(OffsetRecord { key, value })
    }
}

fn parse_key(key: &[u8]) -> Option<(String, Value)> {
    let Ok(Value::Array(parts)) = serde_json::from_slice(key) else { return None };
    match <[Value; 2]>::try_from(parts) {
        Ok([Value::String(connector), partition @ Value::Object(_)]) => Some((connector, partition)),
        _ => None,
    }
}

fn new_key(connector: &str, fields: &Map<String, Value>) -> Result<Bytes> {
    let names: Vec<&String> = fields.keys().collect();
    let ordered: Map<String, Value> = hash_map_order(&names)
        .into_iter()
        .filter_map(|at| names.get(at))
        .filter_map(|name| Some(((*name).clone(), fields.get(*name)?.clone())))
        .collect();
    to_json(&Value::Array(vec![Value::from(connector), Value::Object(ordered)]))
}

/// Kafka Connect takes only plain values in offsets, because Java compares them after a round trip through JSON.
fn plain_fields<'a>(what: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    let Value::Object(fields) = value else {
        let what =
            format!("the source {what} must be an object, such as {{\"filename\": …}}, and is {value}");
        return Err(Error::fatal(what));
    };
    match fields.iter().find(|(_, value)| value.is_array() || value.is_object()) {
        Some((name, _)) => {
            let what = format!("field `{name}` of the source {what} is not a plain value");
            Err(Error::fatal(what).hinting("offsets may hold texts, numbers, booleans and null only"))
        }
        None => Ok(fields),
    }
}

fn to_json(value: &Value) -> Result<Bytes> {
    let json = serde_json::to_vec(value);
    json.map(Bytes::from).map_err(|error| Error::fatal("an offset cannot be written as JSON").because(error))
}

/// The same text for the same fields, whatever their order.
fn canonical(partition: &Value) -> String {
    let Value::Object(fields) = partition else { return partition.to_string() };
    let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
    serde_json::to_string(&sorted).unwrap_or_else(|_| partition.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use serde_json::json;

    #[test]
    fn what_java_wrote_is_read_and_a_tombstone_resets() {
        let golden = include_str!("../../tests/golden/internal-topics-4.3.0.txt");
        let mut store = OffsetStore::default();
        let mut applied = 0;
        for line in golden.lines().filter(|line| line.contains("-offsets-")) {
            let (key, value) = line.split_once(" K=").unwrap().1.split_once(" V=").unwrap();
            applied += usize::from(store.apply(Some(key.as_bytes()), Some(value.as_bytes())));
        }
        assert!(applied > 10, "{applied}");
        assert_eq!(store.offsets("fs1").count(), 0, "the last word on fs1 is a tombstone");
        let (partition, offset) = store.offsets("pg").next().unwrap();
        assert_eq!(partition, &json!({"server": "srv"}));
        assert_eq!(offset["txId"], json!(743));
    }

    #[test]
    fn a_new_partition_is_written_as_java_writes_it() {
        let store = OffsetStore::default();
        let record =
            store.record("fs1", &json!({"filename": "/data/in.txt"}), Some(&json!({"position": 6}))).unwrap();
        assert_eq!(&record.key[..], br#"["fs1",{"filename":"/data/in.txt"}]"#);
        assert_eq!(record.value.as_deref(), Some(&br#"{"position":6}"#[..]));
    }

    #[test]
    fn several_fields_come_in_the_order_of_a_java_hash_map() {
        // Measured: a HashMap with these six keys iterates in this order; `server` and `a` share a bucket, in order of arrival.
        let partition = json!({"server": 4, "a": 1, "db": 2, "filename": 3, "table": 5, "zebra": 6});
        let record = OffsetStore::default().record("c", &partition, None).unwrap();
        let expected = br#"["c",{"zebra":6,"server":4,"a":1,"filename":3,"db":2,"table":5}]"#;
        assert_eq!(std::str::from_utf8(&record.key), std::str::from_utf8(expected));
    }

    #[test]
    fn a_partition_that_is_in_the_topic_keeps_its_bytes_whatever_their_order() {
        let mut store = OffsetStore::default();
        let written = br#"[ "c", {"b":1,"a":2} ]"#;
        assert!(store.apply(Some(written), Some(br#"{"position":1}"#)));
        let record = store.record("c", &json!({"a": 2, "b": 1}), Some(&json!({"position": 2}))).unwrap();
        assert_eq!(&record.key[..], written);
    }

    #[test]
    fn foreign_keys_are_passed_over() {
        let mut store = OffsetStore::default();
        for (key, value) in [
            (None, Some(&b"{}"[..])),
            (Some(&b"x-other"[..]), Some(b"{}")),
            (Some(b"[\"c\"]"), Some(b"{}")),
            (Some(b"[\"c\",7]"), Some(b"{}")),
            (Some(b"[\"c\",{}]"), Some(b"not json")),
        ] {
            assert!(!store.apply(key, value), "{key:?}");
        }
        assert_eq!(store.offsets("c").count(), 0);
    }

    #[test]
    fn nested_values_are_refused() {
        let store = OffsetStore::default();
        for partition in [json!("file"), json!({"file": {"name": 1}})] {
            let error = store.record("c", &partition, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
        }
        assert!(store.record("c", &json!({}), Some(&json!({"at": [1]}))).is_err());
    }
}
