//! Numbers in big-endian order, as Java's `Short`-, `Integer`-, `Long`-, `Float`- and `DoubleSerializer` write them.
use bytes::{Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// Declares a codec per number.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $number:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Codec<$number> for $name {
            fn encode(
                &self,
                value: &$number,
                _: &CodecContext<'_>,
                out: &mut BytesMut,
            ) -> Result<Encoded, CodecError> {
                out.extend_from_slice(&value.to_be_bytes());
                Ok(Encoded::Bytes)
            }

            fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<$number, CodecError> {
                match bytes.first_chunk() {
                    Some(number) if bytes.len() == number.len() => Ok(<$number>::from_be_bytes(*number)),
                    _ => Err(CodecError::length(stringify!($name), size_of::<$number>(), bytes.len())),
                }
            }
        }
    )*};
}

numbers! {
    /// `i16` in 2 bytes, big-endian, two's complement: Java's `Short`.
    I16Be: i16;
    /// `i32` in 4 bytes, big-endian, two's complement: Java's `Integer`.
    I32Be: i32;
    /// `i64` in 8 bytes, big-endian, two's complement: Java's `Long`.
    I64Be: i64;
    /// `f32` in 4 bytes, IEEE 754, big-endian: Java's `Float`.
    F32Be: f32;
    /// `f64` in 8 bytes, IEEE 754, big-endian: Java's `Double`.
    F64Be: f64;
}
