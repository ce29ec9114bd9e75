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
mod file_error;
mod json_line;
mod json_lines_sink;
mod line_file;
mod line_source;
mod line_writer;
mod lines;
mod position;
#[cfg(test)]
mod tests;

pub use csv_config::{ColumnType, CsvSourceConfig};
pub use csv_source::{CsvSource, CsvSourceTask};
pub use json_line::LineContent;
pub use json_lines_sink::{JsonLinesSink, JsonLinesSinkConfig, JsonLinesSinkTask};
pub use line_file::LastLine;
pub use line_source::{LineSource, LineSourceConfig, LineSourceTask};
pub use position::{FilePartition, FilePosition};

use file_error::file_error;
