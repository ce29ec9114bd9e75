//! The primitives of the protocol: a bounded [`Reader`], a [`Writer`] that builds a [`Frame`], and the values
//! that are slices of a frame.
mod error;
mod frame;
mod reader;
mod records;
mod str;
#[cfg(test)]
mod tests;
mod writer;

pub use self::error::{DecodeError, DecodeErrorKind, EncodeError};
pub use self::frame::Frame;
pub use self::reader::Reader;
pub use self::records::Records;
pub use self::str::Str;
pub use self::writer::Writer;
