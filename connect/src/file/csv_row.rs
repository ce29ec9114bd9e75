//! A line of a CSV file as a row. Pure.
//!
//! A quoted field must close on its own line: then a broken row costs one line and not the rest of the file, and any line
//! start is a place from which reading can be resumed.
use std::collections::BTreeMap;
use std::sync::Arc;

use courant_protocol::types::UnixMillis;

use super::csv_config::ColumnType;
use crate::data::{Data, Schema, Struct, Value, civil};

/// The columns of a file, and what is made of each.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    types: Vec<ColumnType>,
    schema: Arc<Schema>,
    key: Option<usize>,
    timestamp: Option<usize>,
    delimiter: char,
}

/// What the configuration says of columns, by name.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) timestamp: Option<&'a str>,
    pub(super) types: &'a BTreeMap<String, ColumnType>,
    pub(super) delimiter: char,
}

/// What a row comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) key: Data,
    pub(super) value: Data,
    pub(super) timestamp: Option<UnixMillis>,
}

impl Columns {
    /// The columns that a header line names.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence without the file's name.
    pub(super) fn from_header(line: &[u8], wanted: &Wanted<'_>) -> Result<Self, String> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        Self::named(&fields(line, wanted.delimiter)?, wanted)
    }

    /// Columns of these names.
    ///
    /// # Errors
    /// As [`from_header`](Self::from_header).
    pub(super) fn named(names: &[String], wanted: &Wanted<'_>) -> Result<Self, String> {
        let find = |name: &str| match names.iter().position(|known| known == name) {
            Some(at) => Ok(at),
            None => Err(format!("there is no column `{name}`; there are {}", names.join(", "))),
        };
        for name in wanted.types.keys() {
            find(name)?;
        }
        let types: Vec<ColumnType> =
            names.iter().map(|name| wanted.types.get(name).copied().unwrap_or_default()).collect();
        let schemas = names.iter().zip(&types).map(|(name, kind)| (name.clone(), kind.schema()));
        Ok(Self {
            schema: Schema::structure(schemas).map_err(|error| error.to_string())?.shared(),
            key: wanted.key.map(find).transpose()?,
            timestamp: wanted.timestamp.map(find).transpose()?,
            types,
            delimiter: wanted.delimiter,
        })
    }

    /// The row of a line.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence without file and line.
    pub(super) fn row(&self, line: &[u8]) -> Result<Row, String> {
        let fields = fields(line, self.delimiter)?;
        if fields.len() != self.types.len() {
            return Err(format!("{} columns instead of {}", fields.len(), self.types.len()));
        }
        let named = |at: usize, wrong: String| {
            let name = self.schema.fields().get(at).map_or("?", |field| field.name());
            format!("column {name}: {wrong}")
        };
        let timestamp = match self.timestamp {
            Some(at) => {
                let text = fields.get(at).map_or("", String::as_str);
                Some(UnixMillis(record_time(text).map_err(|wrong| named(at, wrong))?))
            }
            None => None,
        };
        let key = match self.key.and_then(|at| fields.get(at)) {
            Some(text) => Data::from(text.as_str()),
            None => Data::NULL,
        };
        let mut values = Vec::with_capacity(fields.len());
        for (at, (text, kind)) in fields.into_iter().zip(&self.types).enumerate() {
            values.push(kind.read(text).map_err(|wrong| named(at, wrong))?);
        }
        Ok(Row { key, value: Data::from(Struct::from_values(&self.schema, values)), timestamp })
    }
}

impl ColumnType {
    fn schema(self) -> Schema {
        match self {
            // A text that is empty is an empty text; of every other type there is no empty value.
            Self::String => Schema::string(),
            Self::Int32 => Schema::int32().optional(),
            Self::Int64 => Schema::int64().optional(),
            Self::Float64 => Schema::float64().optional(),
            Self::Boolean => Schema::boolean().optional(),
            Self::Date => Schema::date().optional(),
            Self::Timestamp => Schema::timestamp().optional(),
        }
    }

    fn read(self, text: String) -> Result<Value, String> {
        if self == Self::String {
            return Ok(Value::String(text));
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Value::Null);
        }
        let wrong = |what: &str| format!("{text:?} is not {what}");
        match self {
            Self::String => Ok(Value::Null),
            Self::Int32 => trimmed.parse().map(Value::I32).map_err(|_| wrong("a whole number of 32 bits")),
            Self::Int64 => trimmed.parse().map(Value::I64).map_err(|_| wrong("a whole number of 64 bits")),
            Self::Float64 => match trimmed.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::F64(number)),
                _ => Err(wrong("a number")),
            },
            Self::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(wrong("true or false")),
            },
            Self::Date => civil::read_date(trimmed)
                .and_then(|days| i32::try_from(days).ok())
                .map(Value::Date)
                .ok_or_else(|| wrong("a day; write it as 2013-01-01")),
            Self::Timestamp => time(trimmed).map(Value::Timestamp),
        }
    }
}

fn time(text: &str) -> Result<i64, String> {
    civil::read_timestamp(text)
        .ok_or_else(|| format!("{text:?} is not a time; write it as 2013-01-01T10:15:00Z"))
}

fn record_time(text: &str) -> Result<i64, String> {
    match time(text)? {
        ms @ 0.. => Ok(ms),
        _ => Err(format!("{text:?} lies before 1970, which a record's timestamp cannot")),
    }
}

/// Splits a line into its fields as RFC 4180 writes them.
fn fields(line: &[u8], delimiter: char) -> Result<Vec<String>, String> {
    let mut rest =
        std::str::from_utf8(line).map_err(|wrong| format!("not UTF-8 after byte {}", wrong.valid_up_to()))?;
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted, delimiter)?,
            None => plain_field(rest, delimiter)?,
        };
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn plain_field(rest: &str, delimiter: char) -> Result<(String, &str), String> {
    let (field, after) = rest.split_at(rest.find(delimiter).unwrap_or(rest.len()));
    if field.contains('"') {
        return Err(format!("a quote inside the unquoted field {field:?}"));
    }
    Ok((field.to_owned(), after))
}

/// Reads on after an opening quote; two quotes stand for one.
fn quoted_field(mut rest: &str, delimiter: char) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let (text, after) = rest.split_once('"').ok_or("a quoted field does not close on its line")?;
        field.push_str(text);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None if after.is_empty() || after.starts_with(delimiter) => return Ok((field, after)),
            None => return Err("text after a closing quote".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, types: &[(&str, ColumnType)]) -> Result<Columns, String> {
        let types = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let wanted = Wanted { key: Some("k"), timestamp: Some("at"), types: &types, delimiter: ',' };
        Columns::from_header(header.as_bytes(), &wanted)
    }

    #[test]
    fn a_row_takes_key_time_and_types_from_its_columns() {
        let columns = columns("\u{feff}k,at,n,\"a \"\"b\"\"\"", &[("n", ColumnType::Int64)]).unwrap();
        let row = columns.row(b"UA,1970-01-01T00:00:01Z,-5,\"x, \"\"y\"\"\"").unwrap();
        assert_eq!((row.key, row.timestamp), (Data::from("UA"), Some(UnixMillis(1_000))));
        assert_eq!(row.value.value.field("n"), Some(&Value::I64(-5)));
        assert_eq!(row.value.value.field("a \"b\""), Some(&Value::from("x, \"y\"")));
        let row = columns.row(b"UA,1970-01-01T00:00:01Z,,").unwrap();
        assert_eq!(row.value.value.field("n"), Some(&Value::Null));
        row.value.validated().unwrap();
    }

    #[test]
    fn a_bad_row_says_what_is_wrong_with_which_column() {
        let columns = columns("k,at,n", &[("n", ColumnType::Float64)]).unwrap();
        for (line, wrong) in [
            (&b"not,enough"[..], "2 columns instead of 3"),
            (
                b"a,2013-01-01?10:15:00Z,1",
                "column at: \"2013-01-01?10:15:00Z\" is not a time; write it as 2013-01-01T10:15:00Z",
            ),
            (
                b"a,1969-01-01T00:00:00Z,1",
                "column at: \"1969-01-01T00:00:00Z\" lies before 1970, which a record's timestamp cannot",
            ),
            (b"a,2013-01-01T10:15:00Z,soon", "column n: \"soon\" is not a number"),
            (b"a,2013-01-01T10:15:00Z,inf", "column n: \"inf\" is not a number"),
            (b"X\"unclosed,quote", "a quote inside the unquoted field \"X\\\"unclosed\""),
            (b"\"unclosed,quote", "a quoted field does not close on its line"),
            (b"\"a\"b,c,d", "text after a closing quote"),
            (b"a\xff,b,c", "not UTF-8 after byte 1"),
        ] {
            assert_eq!(columns.row(line).unwrap_err(), wrong);
        }
    }

    #[test]
    fn a_header_that_lacks_a_wanted_column_lists_those_that_are_there() {
        assert_eq!(columns("k,when", &[]).unwrap_err(), "there is no column `at`; there are k, when");
        assert_eq!(
            columns("k,at", &[("n", ColumnType::Date)]).unwrap_err(),
            "there is no column `n`; there are k, at"
        );
        assert_eq!(columns("k,at,k", &[]).unwrap_err(), "a struct has two fields named `k`");
    }
}
