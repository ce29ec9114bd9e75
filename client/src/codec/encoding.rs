//! The trait of all codecs, and what encoding a value comes to.
use bytes::{Bytes, BytesMut};

use super::{CodecContext, CodecError};

/// What encoding a value came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a null that is taken for no bytes is an empty value, which deletes nothing"]
pub enum Encoded {
    /// The bytes that were appended; there may be none, which is the empty value.
    Bytes,
    /// Null: in a compacted topic a tombstone, which deletes its key.
    Null,
}

/// Turns values of `T` into bytes and back.
///
/// A codec of one's own needs the two required methods. It should be written for one `T` alone, so that the compiler
/// finds the types of a topic from its codecs.
///
/// ```
/// use bytes::{BufMut, Bytes, BytesMut};
/// use courant_client::codec::{Codec, CodecContext, CodecError, Encoded};
///
/// /// Temperatures in tenths of a degree, as one signed byte.
/// #[derive(Clone)]
/// struct Tenths;
///
/// impl Codec<f32> for Tenths {
///     fn encode(&self, degrees: &f32, _: &CodecContext<'_>, out: &mut BytesMut) -> Result<Encoded, CodecError> {
///         let tenths = (degrees * 10.0).round();
///         if !(-128.0..=127.0).contains(&tenths) {
///             return Err(CodecError::value("Tenths", format!("{degrees} is out of range")));
///         }
///         out.put_i8(tenths as i8);
///         Ok(Encoded::Bytes)
///     }
///
///     fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<f32, CodecError> {
///         match bytes[..] {
///             [byte] => Ok(f32::from(byte as i8) / 10.0),
///             _ => Err(CodecError::length("Tenths", 1, bytes.len())),
///         }
///     }
/// }
///
/// let context = CodecContext::value("temperatures");
/// let bytes = Tenths.encode_bytes(&-1.5, &context, &mut BytesMut::new())?;
/// assert_eq!(Tenths.decode_nullable(bytes, &context)?, -1.5);
/// assert!(Tenths.decode_nullable(None, &context).is_err()); // `Nullable(Tenths)` would take it
/// # Ok::<(), CodecError>(())
/// ```
pub trait Codec<T>: Clone + Send + Sync + 'static {
    /// Appends the bytes of `value` to `out`, whose earlier bytes belong to others.
    ///
    /// # Errors
    /// [`CodecErrorKind::Value`](super::CodecErrorKind::Value) or another kind of the codec's choosing; whatever was
    /// appended by then is thrown away by the caller.
    fn encode(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError>;

    /// Reads a value from all of `bytes`. The value may keep slices of them, which keep their whole batch in memory.
    ///
    /// # Errors
    /// What in the bytes is not such a value, and where.
    fn decode(&self, bytes: Bytes, context: &CodecContext<'_>) -> Result<T, CodecError>;

    /// What null stands for. A tombstone is not a value, so most codecs refuse it; [`Nullable`](super::Nullable) takes it.
    ///
    /// # Errors
    /// [`CodecErrorKind::Null`](super::CodecErrorKind::Null).
    fn decode_null(&self, context: &CodecContext<'_>) -> Result<T, CodecError> {
        Err(CodecError::null(self.name(), context))
    }

    /// Which bytes of an encoded key find its partition, if not all of them: a windowed key goes where its inner key goes.
    #[doc(hidden)]
    fn partition_bytes(&self, _encoded: &Bytes) -> Option<Bytes> {
        None
    }

    /// The codec's name in errors.
    fn name(&self) -> &'static str {
        short_name(std::any::type_name::<Self>())
    }

    /// The bytes of `value` as a slice of their own, `None` for null. `scratch` is where they are written: used again and
    /// again, it asks for memory once in many values.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    fn encode_bytes(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        scratch: &mut BytesMut,
    ) -> Result<Option<Bytes>, CodecError> {
        scratch.clear();
        match self.encode(value, context, scratch)? {
            Encoded::Bytes => Ok(Some(scratch.split().freeze())),
            Encoded::Null => Ok(None),
        }
    }

    /// Reads what a record has: bytes, or null.
    ///
    /// # Errors
    /// As [`Codec::decode`] and [`Codec::decode_null`].
    fn decode_nullable(&self, bytes: Option<Bytes>, context: &CodecContext<'_>) -> Result<T, CodecError> {
        match bytes {
            Some(bytes) => self.decode(bytes, context),
            None => self.decode_null(context),
        }
    }
}

/// The last word of a type's path, without its parameters.
fn short_name(path: &'static str) -> &'static str {
    let bare = path.split('<').next().unwrap_or(path);
    bare.rsplit("::").next().unwrap_or(bare)
}
