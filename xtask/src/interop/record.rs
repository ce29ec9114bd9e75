//! A record as the programs write and read it: one line, tab-separated, bytes in base64, `-` for null.

use std::fmt;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Bytes that may be null.
pub(crate) type Bytes = Option<Vec<u8>>;

/// A record, and its offset once it has one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it is or shall be.
    pub(crate) partition: i32,
    /// `None` before it is written.
    pub(crate) offset: Option<i64>,
    /// Milliseconds; `None` when the client that wrote it chose it.
    pub(crate) timestamp: Option<i64>,
    /// Its key.
    pub(crate) key: Bytes,
    /// Its value.
    pub(crate) value: Bytes,
    /// Its headers in their order.
    pub(crate) headers: Vec<(String, Bytes)>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Bytes| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        write!(
            f,
            "{}@{:?} time {:?} key {:?} value {:?}",
            self.partition,
            self.offset,
            self.timestamp,
            text(&self.key),
            text(&self.value)
        )?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, " {name}={:?}", text(value)))
    }
}

impl Record {
    /// The line that `produce` reads.
    pub(crate) fn to_line(&self) -> String {
        let timestamp = self.timestamp.unwrap_or(-1);
        let mut line =
            format!("{}\t{timestamp}\t{}\t{}", self.partition, encode(&self.key), encode(&self.value));
        for (name, value) in &self.headers {
            line.push_str(&format!("\t{}:{}", BASE64_STANDARD.encode(name), encode(value)));
        }
        line
    }

    /// Reads a line that `consume` wrote.
    pub(crate) fn from_line(line: &str) -> Result<Self> {
        let mut parts = line.split('\t');
        let mut next = || parts.next().with_context(|| format!("a short line: {line}"));
        let (partition, offset) = (next()?.parse()?, Some(next()?.parse()?));
        let (timestamp, key, value) = (Some(next()?.parse()?), decode(next()?)?, decode(next()?)?);
        let mut headers = Vec::new();
        for header in parts {
            let (name, value) = header.split_once(':').with_context(|| format!("no header: {header}"))?;
            let Some(name) = decode(name)? else { bail!("a header without a name: {line}") };
            headers.push((String::from_utf8(name)?, decode(value)?));
        }
        Ok(Self { partition, offset, timestamp, key, value, headers })
    }
}

/// Base64, or `-` for null.
fn encode(bytes: &Bytes) -> String {
    bytes.as_ref().map_or_else(|| "-".to_owned(), |bytes| BASE64_STANDARD.encode(bytes))
}

/// The opposite of [`encode`].
fn decode(text: &str) -> Result<Bytes> {
    if text == "-" { Ok(None) } else { Ok(Some(BASE64_STANDARD.decode(text)?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_line() -> Result<()> {
        let record = Record {
            partition: 2,
            offset: Some(7),
            timestamp: Some(1_357_000_000_000),
            key: None,
            value: Some(vec![0, 9, 10, 255]),
            headers: vec![
                ("a".to_owned(), Some(b"1".to_vec())),
                ("a".to_owned(), None),
                ("".to_owned(), Some(Vec::new())),
            ],
        };
        let line = record.to_line();
        let (partition, rest) = line.split_once('\t').context("no tab")?;
        assert_eq!(Record::from_line(&format!("{partition}\t7\t{rest}"))?, record);
        Ok(())
    }

    #[test]
    fn a_damaged_line_is_an_error() {
        assert!(Record::from_line("0\t1\t2\t-").is_err());
        assert!(Record::from_line("0\t1\t2\t-\t-\tno-colon").is_err());
        assert!(Record::from_line("0\t1\t2\t-\t%").is_err());
    }
}
