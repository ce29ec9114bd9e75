//! gzip by zlib-rs.
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::output::Output;
use super::{Codec, CompressionError};

/// zlib's window: 32 KiB, as gzip has it.
const WINDOW_BITS: u8 = 15;

/// zlib's own default level, which Kafka calls -1.
const DEFAULT_LEVEL: u32 = 6;

/// The contexts of gzip, reset for each batch.
#[derive(Default)]
pub(super) struct Gzip {
    deflate: Option<(u32, Compress)>,
    inflate: Option<Decompress>,
}

impl Gzip {
    pub(super) fn compress(
        &mut self,
        level: Option<i32>,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let level = level.and_then(|level| u32::try_from(level).ok()).unwrap_or(DEFAULT_LEVEL);
        let deflate = match &mut self.deflate {
            Some((used, deflate)) if *used == level => {
                deflate.reset();
                deflate
            }
            slot => &mut slot.insert((level, Compress::new_gzip(Compression::new(level), WINDOW_BITS))).1,
        };
        output.reserve(input.len() / 2 + 64);
        loop {
            let consumed = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
            let rest = input.get(consumed..).unwrap_or_default();
            match deflate.compress_vec(rest, output, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(_) => output.reserve(output.len().max(64)),
                Err(error) => {
                    return Err(CompressionError::Failed { codec: Codec::Gzip, reason: error.to_string() });
                }
            }
        }
    }

    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new_gzip(WINDOW_BITS));
        let mut output = Output::new(Codec::Gzip, output, limit);
        let mut rest = input;
        // Java reads several members in a row as one stream.
        loop {
            // `true` keeps the gzip wrapper that the context was made with.
            inflate.reset(true);
            rest = member(inflate, rest, input.len().saturating_mul(4), &mut output)?;
            if rest.is_empty() {
                return output.finish();
            }
        }
    }
}

/// Inflates one gzip member and gives what follows it.
fn member<'a>(
    inflate: &mut Decompress,
    mut rest: &'a [u8],
    guess: usize,
    output: &mut Output<'_>,
) -> Result<&'a [u8], CompressionError> {
    loop {
        let (total_in, total_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(rest, output.room(guess)?, FlushDecompress::None)
            .map_err(|error| malformed(error.to_string()))?;
        let read = usize::try_from(inflate.total_in() - total_in).unwrap_or(usize::MAX);
        let written = usize::try_from(inflate.total_out() - total_out).unwrap_or(usize::MAX);
        output.advance(written);
        rest = rest.get(read..).unwrap_or_default();
        match status {
            Status::StreamEnd => return Ok(rest),
            _ if read == 0 && written == 0 => return Err(malformed("it ends in the middle")),
            _ => {}
        }
    }
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>) -> CompressionError {
    CompressionError::Malformed { codec: Codec::Gzip, reason: reason.into() }
}
