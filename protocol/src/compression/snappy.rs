//! snappy: xerial's framing, which Java writes, and raw blocks, which librdkafka and others write.
//!
//! ```text
//! 82 53 4e 41 50 50 59 00   magic           8 bytes
//! 00 00 00 01               version         i32
//! 00 00 00 01               compatible with i32
//! { length i32, raw snappy block of that length } …   up to 32 KiB of input each
//! ```
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::output::Output;
use super::{Codec, CompressionError};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// How much of the input goes into one block, as in Java.
const BLOCK_BYTES: usize = 32 << 10;

/// No valid block grows more: the best copy element makes 64 bytes from 3.
const MAX_RATIO: usize = 22;

/// The context of snappy.
#[derive(Default)]
pub(super) struct Snappy {
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
}

impl Snappy {
    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressionError> {
        output.extend_from_slice(HEADER);
        for block in input.chunks(BLOCK_BYTES) {
            let at = output.len();
            output.resize(at + 4 + max_compress_len(block.len()), 0);
            let room = output.get_mut(at + 4..).unwrap_or_default();
            let encoder = self.encoder.get_or_insert_with(Encoder::new);
            let size = encoder.compress(block, room).map_err(|error| CompressionError::Failed {
                codec: Codec::Snappy,
                reason: error.to_string(),
            })?;
            if let Some(length) = output.get_mut(at..at + 4) {
                length.copy_from_slice(&(size as u32).to_be_bytes());
            }
            output.truncate(at + 4 + size);
        }
        Ok(())
    }

    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let mut output = Output::new(Codec::Snappy, output, limit);
        if !input.starts_with(MAGIC) {
            self.block(input, &mut output)?;
            return output.finish();
        }
        let mut rest = input.get(HEADER.len()..).ok_or_else(|| malformed("the header is cut"))?;
        while !rest.is_empty() {
            let (length, tail) =
                rest.split_first_chunk().ok_or_else(|| malformed("a block length is cut"))?;
            let length = usize::try_from(i32::from_be_bytes(*length))
                .map_err(|_| malformed("a block length is negative"))?;
            let (block, tail) =
                tail.split_at_checked(length).ok_or_else(|| malformed("a block is longer than the data"))?;
            self.block(block, &mut output)?;
            rest = tail;
        }
        output.finish()
    }

    fn block(&mut self, block: &[u8], output: &mut Output<'_>) -> Result<(), CompressionError> {
        let size = decompress_len(block).map_err(|error| malformed(error.to_string()))?;
        if size > block.len().saturating_mul(MAX_RATIO) {
            return Err(malformed("a block claims more than its bytes can hold"));
        }
        let written = self
            .decoder
            .get_or_insert_with(Decoder::new)
            .decompress(block, output.room_for(size)?)
            .map_err(|error| malformed(error.to_string()))?;
        output.advance(written);
        Ok(())
    }
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>) -> CompressionError {
    CompressionError::Malformed { codec: Codec::Snappy, reason: reason.into() }
}
