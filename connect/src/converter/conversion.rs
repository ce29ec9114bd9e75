//! The trait of all converters.
use bytes::Bytes;
use std::fmt;

use crate::Result;
use crate::data::Data;

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
