//! Data as JSON, with its schema beside it or without, byte for byte as Java's `JsonConverter` writes it.
//!
//! ```text
//! with schemas:     {"schema":{"type":"struct","fields":[…],"optional":false},"payload":{"id":7}}
//! without schemas:  {"id":7}
//! ```
//! Bytes and decimals are base64 text (decimals are numbers with `decimal.format=NUMERIC`); a map whose keys are texts is
//! an object, any other map an array of pairs; NaN and the infinities are texts.
//!
//! Two things are easily taken for each other. Data without schema and value is null: a tombstone. A null *with* a schema
//! is written as JSON: the bytes `null`, or an envelope with `"payload":null`. In a compacted topic that deletes nothing.
mod cache;
mod compat;
mod json_converter;
mod options;
mod read;
mod schema_read;
mod schema_write;
#[cfg(test)]
mod tests;
mod write;

pub use self::json_converter::JsonConverter;
use self::json_converter::Options;
pub use self::options::{DecimalFormat, Reading};
