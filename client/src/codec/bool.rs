//! Truth in one byte, as Java's `BooleanSerializer` writes it.
use bytes::{BufMut, Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// `bool` in one byte: `00` is false, `01` is true, all else is an error (KIP-907).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bool;

impl Codec<bool> for Bool {
    fn encode(&self, value: &bool, _: &CodecContext<'_>, out: &mut BytesMut) -> Result<Encoded, CodecError> {
        out.put_u8(u8::from(*value));
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<bool, CodecError> {
        match bytes.as_ref() {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => {
                Err(CodecError::value("Bool", format!("{byte:#04x} is neither 0x00 nor 0x01")).at_byte(0))
            }
            _ => Err(CodecError::length("Bool", 1, bytes.len())),
        }
    }
}
