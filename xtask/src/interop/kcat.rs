//! kcat's own command line, and the JSON that it prints.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::client::Offsets;
use super::record::{Bytes, Record};
use crate::process;

/// Writes records partition by partition. All of them must have the same headers: kcat sets them once.
pub(crate) fn produce(
    bootstrap: &str,
    topic: &str,
    codec: &str,
    records: &[Record],
    limit: Duration,
) -> Result<()> {
    let headers = records.first().map(|record| record.headers.clone()).unwrap_or_default();
    ensure!(
        records.iter().all(|record| record.headers == headers),
        "kcat writes the same headers into every record"
    );
    let mut inputs: BTreeMap<i32, String> = BTreeMap::new();
    for record in records {
        inputs.entry(record.partition).or_default().push_str(&line_of(record)?);
    }
    for (partition, input) in inputs {
        let mut kcat = kcat(
            bootstrap,
            &[
                "-P",
                "-t",
                topic,
                "-p",
                &partition.to_string(),
                "-K",
                "\t",
                "-z",
                codec,
                "-X",
                "linger.ms=500",
            ],
        );
        for (name, value) in &headers {
            kcat.args(["-H", &format!("{name}={}", text(value)?.unwrap_or_default())]);
        }
        process::pipe(&mut kcat, input, limit)?;
    }
    Ok(())
}

/// Key, tabulator, value; without a tabulator the key is null.
fn line_of(record: &Record) -> Result<String> {
    let value = text(&record.value)?.context("kcat writes no null here")?;
    Ok(match text(&record.key)? {
        Some(key) => format!("{key}\t{value}\n"),
        None => format!("{value}\n"),
    })
}

/// Reads whole partitions as JSON.
pub(crate) fn consume(
    bootstrap: &str,
    topic: &str,
    partitions: Range<i32>,
    limit: Duration,
) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for partition in partitions {
        let mut kcat = kcat(
            bootstrap,
            &[
                "-C",
                "-t",
                topic,
                "-p",
                &partition.to_string(),
                "-o",
                "beginning",
                "-e",
                "-q",
                "-J",
                "-X",
                "check.crcs=true",
            ],
        );
        for line in process::pipe(&mut kcat, String::new(), limit)? {
            records.push(parse(&line)?);
        }
    }
    Ok(records)
}

/// One line of `kcat -C -J`.
fn parse(line: &str) -> Result<Record> {
    let record: Value =
        serde_json::from_str(line).with_context(|| format!("kcat's line is not JSON: {line}"))?;
    let number =
        |name: &str| record.get(name).and_then(Value::as_i64).with_context(|| format!("no {name}: {line}"));
    let bytes = |value: Option<&Value>| -> Result<Bytes> {
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_bytes().to_vec())),
            Some(other) => bail!("kcat prints {other} for bytes"),
        }
    };
    let mut headers = Vec::new();
    let flat = record.get("headers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for pair in flat.chunks(2) {
        let name = pair.first().and_then(Value::as_str).context("a header without a name")?;
        headers.push((name.to_owned(), bytes(pair.get(1))?));
    }
    Ok(Record {
        partition: i32::try_from(number("partition")?)?,
        offset: Some(number("offset")?),
        timestamp: Some(number("ts")?),
        key: bytes(record.get("key"))?,
        value: bytes(record.get("payload"))?,
        headers,
    })
}

/// Every topic with its number of partitions.
pub(crate) fn list(bootstrap: &str, limit: Duration) -> Result<Vec<(String, i64)>> {
    let lines = process::pipe(&mut kcat(bootstrap, &["-L", "-J"]), String::new(), limit)?;
    let metadata: Value = serde_json::from_str(&lines.join("\n")).context("kcat's metadata is not JSON")?;
    let topics = metadata.get("topics").and_then(Value::as_array).context("kcat lists no topics")?;
    let topic = |topic: &Value| -> Result<(String, i64)> {
        let name = topic.get("topic").and_then(Value::as_str).context("a topic without a name")?;
        let partitions =
            topic.get("partitions").and_then(Value::as_array).context("a topic without partitions")?;
        Ok((name.to_owned(), i64::try_from(partitions.len())?))
    };
    topics.iter().map(topic).collect()
}

/// Offsets by `kcat -Q`, for the start (-2), the end (-1) and a time.
pub(crate) fn offsets(
    bootstrap: &str,
    topic: &str,
    partitions: Range<i32>,
    timestamp: i64,
    limit: Duration,
) -> Result<Vec<Offsets>> {
    let mut found = Vec::new();
    for partition in partitions {
        let ask = |time: i64| -> Result<i64> {
            let mut kcat = kcat(bootstrap, &["-Q", "-t", &format!("{topic}:{partition}:{time}")]);
            let lines = process::pipe(&mut kcat, String::new(), limit)?;
            // `orders [0] offset 42`
            let line = lines.first().context("kcat gave no offset")?;
            line.rsplit(' ').next().unwrap_or_default().parse().with_context(|| format!("no offset: {line}"))
        };
        found.push(Offsets { partition, start: ask(-2)?, end: ask(-1)?, at_time: ask(timestamp)? });
    }
    Ok(found)
}

/// kcat at a cluster.
fn kcat(bootstrap: &str, arguments: &[&str]) -> Command {
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", bootstrap]).args(arguments);
    kcat
}

/// Bytes as text.
fn text(bytes: &Bytes) -> Result<Option<String>> {
    bytes.clone().map(String::from_utf8).transpose().context("kcat's lines are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_flat_and_nulls_as_null() -> Result<()> {
        let line = r#"{"topic":"t","partition":1,"offset":4,"tstype":"create","ts":17,"headers":["a","1","a",null],"key":null,"payload":"x"}"#;
        let record = parse(line)?;
        assert_eq!((record.partition, record.offset, record.timestamp), (1, Some(4), Some(17)));
        assert_eq!((record.key, record.value), (None, Some(b"x".to_vec())));
        assert_eq!(record.headers, [("a".to_owned(), Some(b"1".to_vec())), ("a".to_owned(), None)]);
        Ok(())
    }
}
