//! What can be wrong with a batch that a peer sent.
use crate::compression::CompressionError;
use crate::types::Offset;

/// A batch or one of its records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes end before the batch's header does.
    #[error("a batch header is cut after {size} bytes")]
    Incomplete {
        /// How many bytes there are.
        size: usize,
    },
    /// The length field is too small for a header, or negative.
    #[error("the batch at offset {base_offset} claims a length of {length} bytes")]
    Length {
        /// The batch's base offset.
        base_offset: Offset,
        /// The length field.
        length: i32,
    },
    /// The magic is none of 0, 1 and 2.
    #[error("the batch at offset {base_offset} has magic {magic}: Kafka has 0, 1 and 2")]
    Magic {
        /// The batch's base offset.
        base_offset: Offset,
        /// The magic byte.
        magic: i8,
    },
    /// The stored checksum is not that of the bytes.
    #[error("the batch at offset {base_offset} has checksum {stored:08x}, its bytes have {computed:08x}")]
    Crc {
        /// The batch's base offset.
        base_offset: Offset,
        /// What the batch says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A field of the header cannot be.
    #[error("the batch at offset {base_offset} has {field} {value}")]
    Field {
        /// The batch's base offset.
        base_offset: Offset,
        /// Kafka's name of the field.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
    /// The records cannot be decompressed.
    #[error("the batch at offset {base_offset} cannot be read: {source}")]
    Compression {
        /// The batch's base offset.
        base_offset: Offset,
        /// Why not.
        source: CompressionError,
    },
    /// A record is malformed.
    #[error("record {index} of the batch at offset {base_offset} is malformed: {reason}")]
    Record {
        /// The batch's base offset.
        base_offset: Offset,
        /// The record's place in the batch, from 0.
        index: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The header's count and the records there are differ.
    #[error("the batch at offset {base_offset} claims {claimed} records: {reason}")]
    Count {
        /// The batch's base offset.
        base_offset: Offset,
        /// What the header claims.
        claimed: i32,
        /// What is there instead.
        reason: &'static str,
    },
}

impl RecordError {
    /// The base offset of the batch that cannot be read, where its header could be.
    pub const fn base_offset(&self) -> Option<Offset> {
        match self {
            Self::Incomplete { .. } => None,
            Self::Length { base_offset, .. }
            | Self::Magic { base_offset, .. }
            | Self::Crc { base_offset, .. }
            | Self::Field { base_offset, .. }
            | Self::Compression { base_offset, .. }
            | Self::Record { base_offset, .. }
            | Self::Count { base_offset, .. } => Some(*base_offset),
        }
    }
}
