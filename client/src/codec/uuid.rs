//! UUIDs as text, as Java's `UUIDSerializer` writes them.
use std::fmt::Write;

use bytes::{Bytes, BytesMut};

use super::{Codec, CodecContext, CodecError, Encoded};

/// A UUID's 128 bits as its text: `123e4567-e89b-12d3-a456-426614174000`.
///
/// The number is what UUID crates call `as_u128` and `from_u128`. Capital digits are read as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UuidText;

impl Codec<u128> for UuidText {
    fn encode(&self, value: &u128, _: &CodecContext<'_>, out: &mut BytesMut) -> Result<Encoded, CodecError> {
        let (time_low, time_mid) = (value >> 96, value >> 80 & 0xffff);
        let (time_high, clock, node) = (value >> 64 & 0xffff, value >> 48 & 0xffff, value & 0xffff_ffff_ffff);
        write!(out, "{time_low:08x}-{time_mid:04x}-{time_high:04x}-{clock:04x}-{node:012x}")
            .map_err(|error| CodecError::value("UuidText", "its text was not written").caused_by(error))?;
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<u128, CodecError> {
        if bytes.len() != LENGTH {
            return Err(CodecError::length("UuidText", LENGTH, bytes.len()));
        }
        let mut number = 0;
        for (place, byte) in bytes.iter().enumerate() {
            let digit = char::from(*byte).to_digit(16);
            match (DASHES.contains(&place), digit) {
                (true, _) if *byte == b'-' => {}
                (false, Some(digit)) => number = number << 4 | u128::from(digit),
                (true, _) => return Err(CodecError::malformed("UuidText", "no dash").at_byte(place)),
                (false, None) => return Err(CodecError::malformed("UuidText", "no digit").at_byte(place)),
            }
        }
        Ok(number)
    }
}

/// 32 digits and four dashes.
const LENGTH: usize = 36;
const DASHES: [usize; 4] = [8, 13, 18, 23];
