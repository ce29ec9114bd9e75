//! What can be wrong with bytes that are read, and with a message that is written.
use thiserror::Error;

/// Bytes from a peer that are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{kind} (at byte {position})")]
pub struct DecodeError {
    kind: DecodeErrorKind,
    position: usize,
}

impl DecodeError {
    /// An error of `kind` at byte `position` of the frame.
    pub(crate) const fn new(kind: DecodeErrorKind, position: usize) -> Self {
        Self { kind, position }
    }

    /// What is wrong.
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// The byte, counted from the start of what was given to the reader, at which it was noticed.
    pub const fn position(&self) -> usize {
        self.position
    }
}

/// What is wrong with bytes from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The frame ends inside a value.
    #[error("the frame ends early: {needed} bytes needed, {left} left")]
    UnexpectedEnd {
        /// Bytes that the value takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A length below what the format allows.
    #[error("impossible length {0}")]
    InvalidLength(i64),
    /// An array announces more elements than the rest of the frame could hold.
    #[error("an array of {elements} elements cannot fit into {left} bytes")]
    ArrayTooLong {
        /// Elements that the array announces.
        elements: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// The values would take far more memory than the frame is long.
    #[error("the message takes more than {budget} bytes of memory")]
    OverBudget {
        /// Bytes that a frame of this length may take.
        budget: usize,
    },
    /// A variable-length number has more bytes, or more bits, than its type.
    #[error("a variable-length number is too long")]
    VarintTooLong,
    /// A text is not UTF-8.
    #[error("a string is not UTF-8")]
    InvalidUtf8,
    /// A value is null although this version knows no null there.
    #[error("a value that must be there is null")]
    UnexpectedNull,
    /// A tagged field says another size than it has (KIP-482).
    #[error("tagged field {tag} declares {declared} bytes and holds {read}")]
    TagSize {
        /// The field's tag.
        tag: u32,
        /// The size before the field.
        declared: usize,
        /// The bytes that its value takes.
        read: usize,
    },
    /// Our tables do not know this version of the message.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Our tables do not know this API.
    #[error("unknown API key {0}")]
    UnknownApi(i16),
}

/// A message that cannot be written in the version asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Our tables do not know this version of the message.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is set that the version cannot carry, and dropping it would change the meaning.
    #[error("field {field} is set, but version {version} cannot carry it")]
    UnsupportedField {
        /// The field by Kafka's name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is null although the version knows no null there.
    #[error("field {field} is null, which version {version} does not allow")]
    UnexpectedNull {
        /// The field by Kafka's name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A value is longer than its length field can say.
    #[error("a value of {length} bytes or elements is too long (at most {max})")]
    TooLong {
        /// Bytes or elements.
        length: usize,
        /// What the format allows.
        max: usize,
    },
}
