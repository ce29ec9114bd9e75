//! Text as UTF-8, as Java's `StringSerializer` writes it.
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// `String` as UTF-8. What is not UTF-8 is an error; Java's deserializer replaces it silently.
///
/// ```text
/// bytes: the text, without a length; the empty text has none
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8;

impl Codec<String> for Utf8 {
    fn encode(
        &self,
        value: &String,
        _: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<String, CodecError> {
        text("Utf8", &bytes).map(str::to_owned)
    }
}

/// `Arc<str>` as UTF-8, for text that is handed around: else as [`Utf8`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedUtf8;

impl Codec<Arc<str>> for SharedUtf8 {
    fn encode(
        &self,
        value: &Arc<str>,
        _: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<Arc<str>, CodecError> {
        text("SharedUtf8", &bytes).map(Arc::from)
    }
}

/// The text in `bytes`, or where it stops being text.
pub(super) fn text<'a>(codec: &'static str, bytes: &'a [u8]) -> Result<&'a str, CodecError> {
    std::str::from_utf8(bytes).map_err(|error| {
        CodecError::malformed(codec, "not UTF-8").at_byte(error.valid_up_to()).caused_by(error)
    })
}
