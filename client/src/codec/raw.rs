//! Bytes as they are, as Java's `ByteArraySerializer` and `BytesSerializer` write them.
use bytes::{Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// `Bytes` as they are. What is decoded shares the memory of its batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl Codec<Bytes> for Raw {
    fn encode(&self, value: &Bytes, _: &CodecContext<'_>, out: &mut BytesMut) -> Result<Encoded, CodecError> {
        out.extend_from_slice(value);
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<Bytes, CodecError> {
        Ok(bytes)
    }

    fn encode_bytes(
        &self,
        value: &Bytes,
        _: &CodecContext<'_>,
        _: &mut BytesMut,
    ) -> Result<Option<Bytes>, CodecError> {
        // They are shared already; nothing is copied.
        Ok(Some(value.clone()))
    }
}

/// `Vec<u8>` as it is; what is decoded is a copy of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawVec;

impl Codec<Vec<u8>> for RawVec {
    fn encode(
        &self,
        value: &Vec<u8>,
        _: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        out.extend_from_slice(value);
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.into())
    }
}
