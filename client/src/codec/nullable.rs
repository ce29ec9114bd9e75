//! Values that may be missing: null and its codec.
use bytes::{Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// `Option<T>` over a codec of `T`: `None` is null, which as a value is a tombstone.
///
/// ```
/// use courant_client::codec::{Codec, CodecContext, Nullable, Utf8};
/// let (codec, context) = (Nullable(Utf8), CodecContext::value("names"));
/// assert_eq!(codec.decode_nullable(None, &context)?, None);
/// assert_eq!(codec.decode_nullable(Some("".into()), &context)?, Some(String::new())); // empty is not null
/// # Ok::<(), courant_client::codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nullable<C>(pub C);

impl<T, C: Codec<T>> Codec<Option<T>> for Nullable<C> {
    fn encode(
        &self,
        value: &Option<T>,
        context: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        match value {
            Some(value) => self.0.encode(value, context, out),
            None => Ok(Encoded::Null),
        }
    }

    fn decode(&self, bytes: Bytes, context: &CodecContext<'_>) -> Result<Option<T>, CodecError> {
        self.0.decode(bytes, context).map(Some)
    }

    fn decode_null(&self, _: &CodecContext<'_>) -> Result<Option<T>, CodecError> {
        Ok(None)
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn encode_bytes(
        &self,
        value: &Option<T>,
        context: &CodecContext<'_>,
        scratch: &mut BytesMut,
    ) -> Result<Option<Bytes>, CodecError> {
        match value {
            Some(value) => self.0.encode_bytes(value, context, scratch),
            None => Ok(None),
        }
    }
}
