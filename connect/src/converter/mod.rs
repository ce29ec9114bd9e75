//! Converters: data into the bytes of a record's key, value or header, and back.
//!
//! ```text
//! source: Data ── encode(topic, data) ──► bytes, or null: a tombstone
//! sink:   Data ◄── decode(topic, bytes) ── bytes, or null
//! ```
//! They stand apart from the codecs of the clients because they carry schemas. The bytes are those that Java's
//! converters of the same names write, so that connectors of both worlds can share topics.
//!
//! ```
//! use bytes::Bytes;
//! use courant_connect::converter::{Converter, JsonConverter};
//! use courant_connect::data::{Data, Value};
//!
//! let converter = JsonConverter::new().schemas_enable(false);
//! let row = Data::schemaless(Value::map([("carrier", Value::from("UA")), ("delay", Value::from(2_i64))]));
//! let bytes = converter.encode("departures", &row)?;
//! assert_eq!(bytes.as_deref(), Some(&br#"{"carrier":"UA","delay":2}"#[..]));
//! assert_eq!(converter.decode("departures", bytes)?, row);
//! # Ok::<(), courant_connect::Error>(())
//! ```
mod by_name;
mod byte_array;
mod conversion;
pub mod json;
mod number;
mod string;

pub use self::by_name::converter;
pub use self::byte_array::ByteArrayConverter;
pub use self::conversion::Converter;
pub use self::json::JsonConverter;
pub use self::number::NumberConverter;
pub use self::string::StringConverter;
