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
pub mod json;
mod number;
mod string;

use bytes::Bytes;
use std::fmt;

use crate::Result;
use crate::data::Data;

pub use self::by_name::converter;
pub use self::byte_array::ByteArrayConverter;
pub use self::json::JsonConverter;
pub use self::number::NumberConverter;
pub use self::string::StringConverter;

/// Turns [`Data`] into the bytes of a key, a value or a header, and back.
///
/// A converter is shared by all tasks of a connector; what it remembers (schemas) it guards itself.
pub trait Converter: fmt::Debug + Send + Sync + 'static {
    /// The name of the Java class whose bytes it writes; dead letters carry it.
    fn class_name(&self) -> &str;

    /// The bytes of a key or value; `None` is null, as a value a tombstone.
    ///
    /// # Errors
    /// A [data](crate::ErrorKind::Data) error if the converter cannot write this data.
    fn encode(&self, topic: &str, data: &Data) -> Result<Option<Bytes>>;

    /// The key or value that the bytes mean; `None` is null.
    ///
    /// # Errors
    /// A [data](crate::ErrorKind::Data) error if the bytes are not this converter's.
    fn decode(&self, topic: &str, bytes: Option<Bytes>) -> Result<Data>;

    /// The bytes of a header; as those of a value unless the converter says otherwise.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encode_header(&self, topic: &str, _header: &str, data: &Data) -> Result<Option<Bytes>> {
        self.encode(topic, data)
    }

    /// The data that a header's bytes mean; as those of a value unless the converter says otherwise.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_header(&self, topic: &str, _header: &str, bytes: Option<Bytes>) -> Result<Data> {
        self.decode(topic, bytes)
    }
}
