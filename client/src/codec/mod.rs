//! How keys and values become bytes: one trait for producers, consumers, and the topics and stores of streams.
//!
//! A codec is a value that is named where a topic or a store is named, `(Utf8, Json)` for a key and a value, and the types
//! follow from it. The built-in ones write what Java's serializers write:
//!
//! | codec | Rust | Java | bytes |
//! |---|---|---|---|
//! | [`Utf8`], [`SharedUtf8`] | `String`, `Arc<str>` | `StringSerializer` | UTF-8 |
//! | [`Raw`], [`RawVec`] | `Bytes`, `Vec<u8>` | `ByteArraySerializer`, `BytesSerializer` | as they are |
//! | [`I16Be`], [`I32Be`], [`I64Be`] | `i16`, `i32`, `i64` | `Short…`, `Integer…`, `LongSerializer` | 2, 4, 8, big-endian |
//! | [`F32Be`], [`F64Be`] | `f32`, `f64` | `Float…`, `DoubleSerializer` | 4, 8, IEEE 754, big-endian |
//! | [`Bool`] | `bool` | `BooleanSerializer` | 1: `00` or `01` |
//! | [`UuidText`] | `u128` | `UUIDSerializer` | 36 characters of text |
//! | [`Void`] | `()` | `VoidSerializer` | null |
//! | [`Nullable<C>`](Nullable) | `Option<T>` | any, with null | as `C`, or null |
//! | `Json` (feature `json`) | any type of serde's | `JsonSerializer` | JSON text |
//!
//! ```
//! use courant_client::codec::{Codec, CodecContext, Encoded, I64Be, Nullable};
//!
//! let (codec, context) = (Nullable(I64Be), CodecContext::value("totals"));
//! let mut bytes = bytes::BytesMut::new();
//! assert_eq!(codec.encode(&Some(7), &context, &mut bytes)?, Encoded::Bytes);
//! assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 7][..]);
//! assert_eq!(codec.encode(&None, &context, &mut bytes)?, Encoded::Null); // a tombstone
//! # Ok::<(), courant_client::codec::CodecError>(())
//! ```
mod bool;
mod context;
mod encoding;
mod error;
#[cfg(feature = "json")]
mod json;
mod nullable;
mod numbers;
mod raw;
mod utf8;
mod uuid;
mod void;

#[cfg(test)]
mod tests;

pub use self::bool::Bool;
pub use self::context::{CodecContext, CodecHeaders};
pub use self::encoding::{Codec, Encoded};
pub use self::error::{CodecError, CodecErrorKind};
#[cfg(feature = "json")]
pub use self::json::Json;
pub use self::nullable::Nullable;
pub use self::numbers::{F32Be, F64Be, I16Be, I32Be, I64Be};
pub use self::raw::{Raw, RawVec};
pub use self::utf8::{SharedUtf8, Utf8};
pub use self::uuid::UuidText;
pub use self::void::Void;
