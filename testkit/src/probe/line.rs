//! Records as lines.

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use courant_producer::Record;
use courant_protocol::types::TopicName;

/// Reads `partition timestamp key value [name:value …]`.
pub(crate) fn parse(topic: &TopicName, line: &str) -> Result<Record> {
    let mut parts = line.split('\t');
    let mut next = || parts.next().with_context(|| format!("a short line: {line}"));
    let mut record =
        Record::to(topic.clone()).partition(next()?.parse::<i32>()?).timestamp(next()?.parse::<i64>()?);
    if let Some(key) = decode(next()?)? {
        record = record.key(key);
    }
    if let Some(value) = decode(next()?)? {
        record = record.value(value);
    }
    for header in parts {
        let (name, value) = header.split_once(':').with_context(|| format!("no header: {header}"))?;
        let name = String::from_utf8(decode(name)?.context("a header without a name")?)?;
        record = match decode(value)? {
            Some(value) => record.header(name, value),
            None => record.null_header(name),
        };
    }
    Ok(record)
}

/// Writes `partition offset timestamp key value [name:value …]`.
pub(crate) fn format(record: &courant_consumer::Record<'_>) -> String {
    let mut line = format!(
        "{}\t{}\t{}\t{}\t{}",
        record.partition(),
        record.offset(),
        record.timestamp(),
        encode(record.key()),
        encode(record.value())
    );
    for header in record.headers() {
        line.push_str(&format!("\t{}:{}", BASE64_STANDARD.encode(header.key), encode(header.value)));
    }
    line
}

/// Base64, or `-` for null.
fn encode(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| BASE64_STANDARD.encode(bytes))
}

/// The opposite of [`encode`].
fn decode(text: &str) -> Result<Option<Vec<u8>>> {
    if text == "-" { Ok(None) } else { Ok(Some(BASE64_STANDARD.decode(text)?)) }
}
