//! A record as a line of JSON.
use bytes::{Bytes, BytesMut};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::SinkRecord;
use crate::converter::{Converter, JsonConverter};
use crate::data::Data;
use crate::error::Result;

/// What a line holds of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LineContent {
    /// Its value; that of a tombstone is `null`.
    #[default]
    Value,
    /// All of it: topic, partition, offset, timestamp, key, value and headers.
    Record,
}

/// Writes records as JSON without schemas. JSON escapes line ends, so a line is always one record.
#[derive(Debug)]
pub(super) struct JsonLine {
    content: LineContent,
    converter: JsonConverter,
}

impl JsonLine {
    pub(super) fn new(content: LineContent) -> Self {
        Self { content, converter: JsonConverter::new().schemas_enable(false) }
    }

    /// Appends the line of a record, or nothing.
    ///
    /// # Errors
    /// A data error if the record has no JSON.
    pub(super) fn write(&self, record: &SinkRecord, out: &mut BytesMut) -> Result<()> {
        let line = match self.content {
            LineContent::Value => self.json(record.topic(), record.value())?,
            LineContent::Record => self.whole(record)?,
        };
        out.extend_from_slice(&line);
        out.extend_from_slice(b"\n");
        Ok(())
    }

    fn json(&self, topic: &str, data: &Data) -> Result<Bytes> {
        Ok(self.converter.encode(topic, data)?.unwrap_or(Bytes::from_static(b"null")))
    }

    fn whole(&self, record: &SinkRecord) -> Result<Bytes> {
        let topic = record.topic();
        let text = |text: &str| self.json(topic, &Data::schemaless(text));
        let number = |number: Option<i64>| self.json(topic, &Data::schemaless(number));
        let partition = record.record.partition.map(|partition| i64::from(partition.0));
        let mut headers = BytesMut::new();
        for (at, (name, value)) in record.record.headers.iter().enumerate() {
            headers.extend_from_slice(if at > 0 { b",[" } else { b"[" });
            headers.extend_from_slice(&text(name)?);
            headers.extend_from_slice(b",");
            headers.extend_from_slice(&self.json(topic, value)?);
            headers.extend_from_slice(b"]");
        }
        let mut line = BytesMut::new();
        for (name, json) in [
            (&b"{\"topic\":"[..], text(topic)?),
            (b",\"partition\":", number(partition)?),
            (b",\"offset\":", number(record.record.offset.map(|offset| offset.0))?),
            (b",\"timestamp\":", number(record.record.timestamp.map(|timestamp| timestamp.0))?),
            (b",\"key\":", self.json(topic, record.key())?),
            (b",\"value\":", self.json(topic, record.value())?),
            (b",\"headers\":[", headers.freeze()),
        ] {
            line.extend_from_slice(name);
            line.extend_from_slice(&json);
        }
        line.extend_from_slice(b"]}");
        Ok(line.freeze())
    }
}

/// Whether bytes are one whole JSON value: a line that a crash has cut short is not.
pub(super) fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ConnectRecord;
    use crate::data::Value;
    use courant_protocol::types::{Offset, PartitionId, TopicPartition, UnixMillis};

    fn line(content: LineContent, value: Data) -> String {
        let mut record = ConnectRecord::to("orders");
        record.partition = Some(PartitionId(2));
        record.offset = Some(Offset(7));
        record.timestamp = Some(UnixMillis(5));
        record.key = Data::from("k");
        record.value = value;
        record.headers = vec![("h".to_owned(), Data::schemaless(1_i32)), ("h".to_owned(), Data::NULL)];
        let record = SinkRecord::new(TopicPartition::new("orders", PartitionId(2)), Offset(7), record);
        let mut out = BytesMut::new();
        JsonLine::new(content).write(&record, &mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_line_holds_the_value_or_all_of_the_record() {
        let value = Data::schemaless(Value::map([("a", Value::from("x\ny"))]));
        assert_eq!(line(LineContent::Value, value.clone()), "{\"a\":\"x\\ny\"}\n");
        assert_eq!(
            line(LineContent::Record, value),
            "{\"topic\":\"orders\",\"partition\":2,\"offset\":7,\"timestamp\":5,\"key\":\"k\",\"value\":{\"a\":\"x\\ny\"},\
             \"headers\":[[\"h\",1],[\"h\",null]]}\n"
        );
        assert_eq!(line(LineContent::Value, Data::NULL), "null\n");
    }
}
