//! Contexts and buffers that are kept from batch to batch, and the way into each codec.
use bytes::Bytes;

use super::{Codec, CompressionError};

/// Buffers up to about this size are kept from batch to batch.
const LARGEST_KEPT: usize = 512 << 10;

/// What compressing and decompressing keep from one batch to the next: contexts and buffers.
///
/// It starts empty; a codec's context is made when it is first used. One belongs to one task at a time.
///
/// ```
/// use courant_protocol::compression::{Codec, CompressionScratch};
///
/// let mut scratch = CompressionScratch::new();
/// let (mut small, mut back) = (Vec::new(), Vec::new());
/// scratch.compress(Codec::Lz4, None, &[b'x'; 10_000], &mut small)?;
/// assert!(small.len() < 100);
/// scratch.decompress(Codec::Lz4, &small, 1 << 20, &mut back)?;
/// assert_eq!(back, [b'x'; 10_000]);
/// # Ok::<(), courant_protocol::compression::CompressionError>(())
/// ```
#[derive(Default)]
pub struct CompressionScratch {
    #[cfg(feature = "gzip")]
    gzip: super::gzip::Gzip,
    #[cfg(feature = "snappy")]
    snappy: super::snappy::Snappy,
    #[cfg(feature = "lz4")]
    lz4: super::lz4::Lz4,
    #[cfg(feature = "zstd")]
    zstd: super::zstd::Zstd,
    /// The output of the last compression, copied out at its exact size.
    pub(crate) output: Vec<u8>,
}

impl CompressionScratch {
    /// An empty scratch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses `input` into `output`, whose content is replaced; `level` is `None` for the codec's default.
    ///
    /// # Errors
    /// Those of [`Codec::check`], or [`CompressionError::Failed`].
    pub fn compress(
        &mut self,
        codec: Codec,
        level: Option<i32>,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        codec.check(level)?;
        output.clear();
        match codec {
            #[cfg(feature = "gzip")]
            Codec::Gzip => self.gzip.compress(level, input, output),
            #[cfg(feature = "snappy")]
            Codec::Snappy => self.snappy.compress(input, output),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => self.lz4.compress(level, input, output),
            #[cfg(feature = "zstd")]
            Codec::Zstd => self.zstd.compress(level, input, output),
            _ => {
                output.extend_from_slice(input);
                Ok(())
            }
        }
    }

    /// Decompresses `input` into `output`, whose content is replaced.
    ///
    /// `output` never holds more than `max_output_bytes` (and one, while it is found out that there is more),
    /// whatever lengths the input claims. After an error its content has no meaning.
    ///
    /// # Errors
    /// [`CompressionError::TooLarge`], [`CompressionError::Malformed`] or [`CompressionError::NotBuilt`].
    pub fn decompress(
        &mut self,
        codec: Codec,
        input: &[u8],
        max_output_bytes: usize,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        self.decompress_with(codec, input, max_output_bytes, output, HeaderChecksum::Checked)
    }

    /// Decompresses into bytes of their own: small output is copied out of a kept buffer, large output moved.
    pub(crate) fn decompress_to_bytes(
        &mut self,
        codec: Codec,
        input: &[u8],
        max_output_bytes: usize,
        checksum: HeaderChecksum,
    ) -> Result<Bytes, CompressionError> {
        let mut output = std::mem::take(&mut self.output);
        let result = self.decompress_with(codec, input, max_output_bytes, &mut output, checksum);
        if result.is_ok() && output.len() > LARGEST_KEPT {
            output.shrink_to_fit();
            return Ok(Bytes::from(output));
        }
        let result = result.map(|()| Bytes::copy_from_slice(&output));
        self.keep(output);
        result
    }

    /// Takes a buffer back, unless it became too large to be kept.
    pub(crate) fn keep(&mut self, output: Vec<u8>) {
        if output.capacity() <= 2 * LARGEST_KEPT {
            self.output = output;
        }
    }

    /// Decompresses, with a choice for the lz4 header of magic 0.
    pub(crate) fn decompress_with(
        &mut self,
        codec: Codec,
        input: &[u8],
        max_output_bytes: usize,
        output: &mut Vec<u8>,
        checksum: HeaderChecksum,
    ) -> Result<(), CompressionError> {
        let _ = checksum;
        match codec {
            #[cfg(feature = "gzip")]
            Codec::Gzip => self.gzip.decompress(input, max_output_bytes, output),
            #[cfg(feature = "snappy")]
            Codec::Snappy => self.snappy.decompress(input, max_output_bytes, output),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => super::lz4::decompress(input, max_output_bytes, output, checksum),
            #[cfg(feature = "zstd")]
            Codec::Zstd => self.zstd.decompress(input, max_output_bytes, output),
            Codec::None if input.len() > max_output_bytes => {
                Err(CompressionError::TooLarge { codec, limit: max_output_bytes })
            }
            Codec::None => {
                output.clear();
                output.extend_from_slice(input);
                Ok(())
            }
            #[allow(unreachable_patterns)]
            codec => Err(CompressionError::NotBuilt { codec }),
        }
    }
}

impl std::fmt::Debug for CompressionScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressionScratch").finish_non_exhaustive()
    }
}

/// Whether the header checksum of an lz4 frame counts.
///
/// Kafka computed it over the wrong bytes until 0.10, so in magic 0 it must be left alone (KIP-57).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderChecksum {
    /// It must be right.
    Checked,
    /// It is skipped.
    Ignored,
}
