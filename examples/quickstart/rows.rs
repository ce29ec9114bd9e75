//! The rows of a CSV file, one line each.
//!
//! A quoted field must close on its own line: then a broken row costs one line and not the rest of the file. That is
//! why the lines are split here; CSV libraries let a quoted field run on.
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};

/// The columns that the run needs, by name.
pub(crate) struct Columns<'a> {
    pub(crate) key: &'a str,
    pub(crate) time: &'a str,
    pub(crate) value: &'a str,
}

/// A row that can be sent.
pub(crate) struct Row {
    /// The text of the key column.
    pub(crate) key: String,
    /// The event's time in milliseconds since 1970.
    pub(crate) time_ms: i64,
    /// A JSON object, column → text.
    pub(crate) json: Vec<u8>,
}

/// A line that is not a row.
pub(crate) struct Malformed {
    /// The number of the line in the file; the first is 1.
    pub(crate) line: u64,
    /// The line without its end.
    pub(crate) raw: Vec<u8>,
    /// What is wrong with it, in one line.
    pub(crate) error: String,
}

/// Reads a file row by row.
pub(crate) struct Rows {
    reader: BufReader<File>,
    names: Vec<String>,
    key: usize,
    time: usize,
    value: usize,
    line: u64,
    bytes_read: u64,
    bytes_total: u64,
}

impl Rows {
    /// Opens the file and finds the columns in its header line.
    pub(crate) fn open(path: &Path, columns: &Columns<'_>) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let bytes_total = file.metadata().map_or(0, |metadata| metadata.len());
        let mut reader = BufReader::new(file);
        let mut header = Vec::new();
        let bytes_read = reader
            .read_until(b'\n', &mut header)
            .with_context(|| format!("cannot read {}", path.display()))? as u64;
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&header);
        let names = fields(without_line_end(header))
            .map_err(|wrong| anyhow::anyhow!("the header line of {}: {wrong}", path.display()))?;
        if let Some(twice) =
            names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            bail!("{} has two columns named `{twice}`", path.display());
        }
        let find = |name: &str| {
            names.iter().position(|n| n == name).with_context(|| {
                format!("{} has no column `{name}`; its columns are {}", path.display(), names.join(", "))
            })
        };
        let (key, time, value) = (find(columns.key)?, find(columns.time)?, find(columns.value)?);
        Ok(Self { reader, names, key, time, value, line: 1, bytes_read, bytes_total })
    }

    /// How far the file is read, from 0 to 1.
    pub(crate) fn share_read(&self) -> f64 {
        if self.bytes_total == 0 { 1.0 } else { (self.bytes_read as f64 / self.bytes_total as f64).min(1.0) }
    }

    /// The next row, or `None` at the end of the file. Empty lines are passed over.
    pub(crate) fn next_row(&mut self) -> anyhow::Result<Option<Result<Row, Malformed>>> {
        loop {
            let mut raw = Vec::new();
            let read = self.reader.read_until(b'\n', &mut raw).context("cannot read on in the file")?;
            if read == 0 {
                return Ok(None);
            }
            self.bytes_read += read as u64;
            self.line += 1;
            raw.truncate(without_line_end(&raw).len());
            if !raw.is_empty() {
                let row = self.row(&raw).map_err(|error| Malformed { line: self.line, raw, error });
                return Ok(Some(row));
            }
        }
    }

    fn row(&self, raw: &[u8]) -> Result<Row, String> {
        let mut fields = fields(raw)?;
        if fields.len() != self.names.len() {
            return Err(format!("{} columns instead of {}", fields.len(), self.names.len()));
        }
        let time_ms = time_ms(&fields[self.time])
            .map_err(|wrong| format!("column {}: {wrong}", self.names[self.time]))?;
        number(&fields[self.value]).map_err(|wrong| format!("column {}: {wrong}", self.names[self.value]))?;
        let object: serde_json::Map<String, serde_json::Value> =
            self.names.iter().cloned().zip(fields.iter().cloned().map(serde_json::Value::String)).collect();
        let json = serde_json::to_vec(&object).map_err(|wrong| wrong.to_string())?;
        Ok(Row { key: fields.swap_remove(self.key), time_ms, json })
    }
}

/// Reads a number that may be absent: the empty text is no number.
pub(crate) fn number(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(format!("{text:?} is not a number")),
    }
}

fn time_ms(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|_| format!("{text:?} is not a time; write it as 2013-01-01T10:15:00Z"))?;
    match time.as_millisecond() {
        ms @ 0.. => Ok(ms),
        _ => Err(format!("{text:?} lies before 1970, which a record's timestamp cannot")),
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Splits a line into its fields as RFC 4180 writes them.
fn fields(line: &[u8]) -> Result<Vec<String>, String> {
    let mut rest =
        std::str::from_utf8(line).map_err(|wrong| format!("not UTF-8 after byte {}", wrong.valid_up_to()))?;
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(rest)?,
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn plain_field(rest: &str) -> Result<(String, &str), String> {
    let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
    if field.contains('"') {
        return Err(format!("a quote inside the unquoted field {field:?}"));
    }
    Ok((field.to_owned(), after))
}

/// Reads on after an opening quote; two quotes stand for one.
fn quoted_field(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let (text, after) = rest.split_once('"').ok_or("a quoted field does not close on its line")?;
        field.push_str(text);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None if after.is_empty() || after.starts_with(',') => return Ok((field, after)),
            None => return Err("text after a closing quote".to_owned()),
        }
    }
}
