//! zstd by the C library.
use std::io;

use zstd::bulk::Compressor;
use zstd::stream::raw::{Decoder, Operation};

use super::output::Output;
use super::{Codec, CompressionError};

/// Kafka's default level (`compression.zstd.level`).
const DEFAULT_LEVEL: i32 = 3;

/// The contexts of zstd, kept because making one costs more than a small batch.
#[derive(Default)]
pub(super) struct Zstd {
    compressor: Option<(i32, Compressor<'static>)>,
    decoder: Option<Decoder<'static>>,
}

impl Zstd {
    pub(super) fn compress(
        &mut self,
        level: Option<i32>,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let level = level.unwrap_or(DEFAULT_LEVEL);
        let compressor = match &mut self.compressor {
            Some((used, compressor)) if *used == level => compressor,
            slot => &mut slot.insert((level, Compressor::new(level).map_err(failed)?)).1,
        };
        // The worst case of zstd (ZSTD_COMPRESSBOUND), generously rounded up.
        output.reserve(input.len() + input.len() / 128 + 512);
        compressor.compress_to_buffer(input, output).map_err(failed)?;
        Ok(())
    }

    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            slot => slot.insert(Decoder::new().map_err(failed)?),
        };
        decoder.reinit().map_err(failed)?;
        let mut output = Output::new(Codec::Zstd, output, limit);
        let mut rest = input;
        let mut inside = true;
        // Java writes frames without a content size, so the output is not known before it is there.
        while inside || !rest.is_empty() {
            let room = output.room(input.len().saturating_mul(4))?;
            let step = decoder.run_on_buffers(rest, room).map_err(|error| malformed(error.to_string()))?;
            output.advance(step.bytes_written);
            rest = rest.get(step.bytes_read..).unwrap_or_default();
            inside = step.remaining != 0;
            if inside && step.bytes_read == 0 && step.bytes_written == 0 {
                return Err(malformed("it ends in the middle"));
            }
        }
        output.finish()
    }
}

fn failed(error: io::Error) -> CompressionError {
    CompressionError::Failed { codec: Codec::Zstd, reason: error.to_string() }
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>) -> CompressionError {
    CompressionError::Malformed { codec: Codec::Zstd, reason: reason.into() }
}
