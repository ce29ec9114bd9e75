//! Nothing, as Java's `VoidSerializer` writes it.
use bytes::{Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// `()` as null, for records without a key or without a value. Bytes are an error, even if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Void;

impl Codec<()> for Void {
    fn encode(&self, (): &(), _: &CodecContext<'_>, _: &mut BytesMut) -> Result<Encoded, CodecError> {
        Ok(Encoded::Null)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<(), CodecError> {
        Err(CodecError::value("Void", format!("there should be null, and there are {} bytes", bytes.len())))
    }

    fn decode_null(&self, _: &CodecContext<'_>) -> Result<(), CodecError> {
        Ok(())
    }
}
