//! Files: a CSV source, a source of lines, and a sink that writes JSON lines.
//!
//! ```text
//! file ─► line_file.rs ─► lines.rs ─► csv_row.rs ─► SourceRecord, with the byte after the line as its offset
//!         reads on, sees   complete    fields by      bad rows: BadInput with headers `line` and `error`
//!         a new file       lines only  column
//! SinkRecord ─► json_line.rs ─► line_writer.rs ─► file; flush() makes it durable before offsets are committed
//! ```
//! A source goes on from the exact byte behind the last row that is safe in Kafka. It follows a file that grows, leaves an
//! unfinished last line for later, begins anew where the file was cut or replaced, and reads a file that was renamed to its
//! end before it opens the one that took its name.
mod csv_config;
mod csv_row;
mod csv_source;
mod json_line;
mod json_lines_sink;
mod line_file;
mod line_source;
mod line_writer;
mod lines;
mod position;

pub use csv_config::{ColumnType, CsvSourceConfig};
pub use csv_source::{CsvSource, CsvSourceTask};
pub use json_line::LineContent;
pub use json_lines_sink::{JsonLinesSink, JsonLinesSinkConfig, JsonLinesSinkTask};
pub use line_file::LastLine;
pub use line_source::{LineSource, LineSourceConfig, LineSourceTask};
pub use position::{FilePartition, FilePosition};

use std::io;
use std::path::Path;

use crate::error::Error;

/// An error of the file system about a file; its kind decides whether trying again makes sense.
fn file_error(what: &str, path: &Path, error: io::Error) -> Error {
    let kind = Error::from(io::Error::from(error.kind())).kind();
    let full = error.kind() == io::ErrorKind::StorageFull;
    let named = Error::new(kind, format!("cannot {what} {}", path.display())).because(error);
    if full { named.hinting("make room on the disk") } else { named }
}

#[cfg(test)]
mod tests;
