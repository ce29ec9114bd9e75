//! The properties of the CSV source.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::line_file::{LastLine, check_readable};
use crate::api::Config;

/// The type of a column's values; an empty field of any type but text is null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ColumnType {
    /// Text as it stands.
    #[default]
    String,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number.
    Float64,
    /// `true` or `false`.
    Boolean,
    /// A day, as `2013-01-01`.
    Date,
    /// A point in time, as `2013-01-01T10:15:00Z`.
    Timestamp,
}

/// What [`CsvSource`](super::CsvSource) can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct CsvSourceConfig {
    /// The file to read.
    pub file: String,
    /// The topic that the rows go to.
    pub topic: String,
    /// The column whose text is the record's key; without one records have no key.
    #[serde(rename = "key.column")]
    pub key_column: Option<String>,
    /// The column that holds the event's time, such as 2013-01-01T10:15:00Z; without one the time of writing holds.
    #[serde(rename = "timestamp.column")]
    pub timestamp_column: Option<String>,
    /// The types of columns that are no texts, such as `delay:int64,distance:float64`.
    #[serde(rename = "column.types", default)]
    pub column_types: BTreeMap<String, ColumnType>,
    /// The names of the columns, for a file whose first line is a row already.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What stands between fields.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// What is done with a last line that has no line end: `wait` for it, or `take` the line as it stands.
    #[serde(rename = "last.line", default)]
    pub last_line: LastLine,
    /// The longest line that is a row, in bytes.
    #[serde(rename = "line.max.bytes", default = "line_max_bytes")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub line_max_bytes: usize,
}

fn comma() -> char {
    ','
}

pub(super) fn line_max_bytes() -> usize {
    1024 * 1024
}

impl Config for CsvSourceConfig {
    async fn check(&self) -> Vec<(String, String)> {
        let mut problems: Vec<_> = check_readable(&self.file).await.into_iter().collect();
        if matches!(self.delimiter, '"' | '\n' | '\r') {
            let text = format!("cannot be {:?}, which separates nothing", self.delimiter);
            problems.push(("delimiter".to_owned(), text));
        }
        problems
    }
}
