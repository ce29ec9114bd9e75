//! What can go wrong with compressed bytes.
use std::borrow::Cow;

use super::Codec;

/// A batch cannot be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// The batch names a codec that Kafka does not have.
    #[error("codec number {id} is unknown")]
    Unknown {
        /// Bits 0 to 2 of the attributes.
        id: i16,
    },
    /// A configuration names a codec that Kafka does not have.
    #[error("`{name}` is no compression type: Kafka has none, gzip, snappy, lz4 and zstd")]
    UnknownName {
        /// The name as it was given.
        name: String,
    },
    /// The codec is left out of this build.
    #[error("this build has no {codec}: switch on the cargo feature `{codec}`")]
    NotBuilt {
        /// The codec that is missing.
        codec: Codec,
    },
    /// The codec's levels are left out of this build.
    #[error("this build has one level of {codec}, and not {level}: switch on the cargo feature `lz4-hc`")]
    LevelsNotBuilt {
        /// The codec.
        codec: Codec,
        /// The level asked for.
        level: i32,
    },
    /// The codec has no such level.
    #[error("{codec} has levels from {min} to {max}, not {level}")]
    Level {
        /// The codec.
        codec: Codec,
        /// The level asked for.
        level: i32,
        /// The lowest level.
        min: i32,
        /// The highest level.
        max: i32,
    },
    /// The output would exceed the caller's limit: a decompression bomb, or a limit that is too small.
    #[error("{codec} data decompresses to more than {limit} bytes")]
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The limit that was set.
        limit: usize,
    },
    /// The bytes are not what the codec writes.
    #[error("{codec} data is malformed: {reason}")]
    Malformed {
        /// The codec.
        codec: Codec,
        /// What is wrong with them.
        reason: Cow<'static, str>,
    },
    /// The compressor itself failed.
    #[error("{codec} cannot compress: {reason}")]
    Failed {
        /// The codec.
        codec: Codec,
        /// What it said.
        reason: String,
    },
}
