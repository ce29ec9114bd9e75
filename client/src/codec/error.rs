//! Why a value could not be written, or bytes are not a value.
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::CodecContext;

/// The class of a [`CodecError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecErrorKind {
    /// Null, where the codec knows no null.
    Null,
    /// The wrong number of bytes.
    Length,
    /// Bytes that the codec cannot read: not UTF-8, not JSON.
    Malformed,
    /// A value that has no bytes, or bytes that stand for no value of the type.
    Value,
}

/// A codec could not write a value, or not read it: which codec, why, and at which byte.
///
/// It holds no payload, so that it may be logged.
#[derive(Clone)]
pub struct CodecError(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: CodecErrorKind,
    codec: &'static str,
    reason: String,
    byte: Option<usize>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl CodecError {
    /// An error of a codec.
    pub fn new(kind: CodecErrorKind, codec: &'static str, reason: impl Into<String>) -> Self {
        Self(Arc::new(Repr { kind, codec, reason: reason.into(), byte: None, source: None }))
    }

    /// [`CodecErrorKind::Value`].
    pub fn value(codec: &'static str, reason: impl Into<String>) -> Self {
        Self::new(CodecErrorKind::Value, codec, reason)
    }

    /// [`CodecErrorKind::Malformed`].
    pub fn malformed(codec: &'static str, reason: impl Into<String>) -> Self {
        Self::new(CodecErrorKind::Malformed, codec, reason)
    }

    /// [`CodecErrorKind::Length`]: how many bytes there should be, and how many there are.
    pub fn length(codec: &'static str, expected: usize, found: usize) -> Self {
        let reason = format!("it takes {expected} bytes and there are {found}");
        Self::new(CodecErrorKind::Length, codec, reason)
    }

    /// [`CodecErrorKind::Null`].
    pub fn null(codec: &'static str, context: &CodecContext<'_>) -> Self {
        let part = if context.is_key() { "key" } else { "value" };
        Self::new(CodecErrorKind::Null, codec, format!("the {part} is null; Nullable takes nulls"))
    }

    /// Names the byte at which it went wrong, from 0.
    #[must_use]
    pub fn at_byte(mut self, byte: usize) -> Self {
        Arc::make_mut(&mut self.0).byte = Some(byte);
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// What class of error this is.
    pub fn kind(&self) -> CodecErrorKind {
        self.0.kind
    }

    /// The codec's name.
    pub fn codec(&self) -> &'static str {
        self.0.codec
    }

    /// The byte at which it went wrong, from 0, where that is known.
    pub fn byte(&self) -> Option<usize> {
        self.0.byte
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.codec, self.0.reason)?;
        match self.0.byte {
            Some(byte) => write!(f, " (at byte {byte})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodecError({:?}: {self})", self.0.kind)
    }
}

impl StdError for CodecError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
