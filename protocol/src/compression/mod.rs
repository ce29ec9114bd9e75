//! The codecs of record batches: gzip, snappy, lz4 and zstd, each behind a feature of its name.
//!
//! Compression happens once per batch, when it is sealed, so contexts are kept in a [`CompressionScratch`] and
//! reused: a new zstd context per batch costs a third of its throughput at 16 KiB. Decompression never trusts a
//! length that the peer sent: the output grows as it is produced and stops at the caller's limit.
//!
//! | codec | what is written | what is read besides |
//! |---|---|---|
//! | gzip | one member | several members in a row |
//! | snappy | xerial framing, blocks of 32 KiB | a raw block without framing |
//! | lz4 | frame: 64 KiB independent blocks, no checksums | larger blocks, checksums, content size, the wrong header checksum of magic 0 |
//! | zstd | one frame with its content size | several frames, frames without a size |
mod codec;
mod error;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
mod output;
mod scratch;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "lz4")]
mod xxh32;
#[cfg(feature = "zstd")]
mod zstd;

pub use codec::Codec;
pub use error::CompressionError;
pub use scratch::CompressionScratch;
pub(crate) use scratch::HeaderChecksum;
