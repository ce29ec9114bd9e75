//! What can go wrong while a record is processed.
use std::error::Error as StdError;
use std::fmt;

use courant_client::codec::CodecError;
use courant_protocol::types::TopicPartition;

/// The class of a [`ProcessError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessErrorKind {
    /// A source's codec cannot read a record: a poison record, or the wrong codec.
    Deserialization,
    /// A codec cannot write what an operator made.
    Serialization,
    /// A record has no valid event time, and its source's extractor takes that as an error.
    Timestamp,
    /// The producer does not take a record: it is too large, say.
    Production,
    /// A store failed, or holds bytes that its codec cannot read.
    Store,
    /// The library is at fault.
    Internal,
}

/// A record could not be processed: what failed, in which operator, and which record of which partition it was.
#[derive(Debug)]
pub struct ProcessError(Box<Repr>);

#[derive(Debug)]
struct Repr {
    kind: ProcessErrorKind,
    node: String,
    origin: Option<TopicPartition>,
    offset: i64,
    reason: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ProcessError {
    /// An error of an operator, on a record that came from `offset` of `origin`.
    pub(crate) fn new(kind: ProcessErrorKind, node: &str, origin: &TopicPartition, offset: i64) -> Self {
        Self(Box::new(Repr {
            kind,
            node: node.to_owned(),
            origin: Some(origin.clone()),
            offset,
            reason: String::new(),
            source: None,
        }))
    }

    /// A record has no valid event time.
    pub(crate) fn invalid_timestamp(origin: &TopicPartition, offset: i64) -> Self {
        Self::new(ProcessErrorKind::Timestamp, "", origin, offset)
    }

    /// An error on a record that comes from no particular one.
    pub(crate) fn of_record(
        kind: ProcessErrorKind,
        reason: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let (node, origin, offset) = (String::new(), None, -1);
        Self(Box::new(Repr {
            kind,
            node,
            origin,
            offset,
            reason: reason.into(),
            source: Some(source.into()),
        }))
    }

    /// A store failed; which record it was is added later, by the operator that asked.
    pub(crate) fn store(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let repr = Repr {
            kind: ProcessErrorKind::Store,
            node: String::new(),
            origin: None,
            offset: -1,
            reason: String::new(),
            source: Some(source.into()),
        };
        Self(Box::new(repr))
    }

    /// The library is at fault.
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        let repr = Repr {
            kind: ProcessErrorKind::Internal,
            node: String::new(),
            origin: None,
            offset: -1,
            reason: reason.into(),
            source: None,
        };
        Self(Box::new(repr))
    }

    /// Says what a codec was at: "key" or "value", and of which topic or store.
    pub(crate) fn of_codec(mut self, what: impl Into<String>, source: CodecError) -> Self {
        self.0.reason = what.into();
        self.0.source = Some(Box::new(source));
        self
    }

    /// Names the operator and the record, unless that is known already.
    pub(crate) fn at(mut self, node: &str, origin: &TopicPartition, offset: i64) -> Self {
        if self.0.origin.is_none() {
            self.0.node = node.to_owned();
            self.0.origin = Some(origin.clone());
            self.0.offset = offset;
        }
        self
    }

    /// What class of error this is.
    pub fn kind(&self) -> ProcessErrorKind {
        self.0.kind
    }

    /// The operator's name in the topology.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// The partition whose record was at hand.
    pub fn origin(&self) -> Option<&TopicPartition> {
        self.0.origin.as_ref()
    }

    /// The offset of the record that was at hand.
    pub fn offset(&self) -> Option<i64> {
        (self.0.offset >= 0).then_some(self.0.offset)
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { kind, node, origin, offset, reason, source } = &*self.0;
        f.write_str(match kind {
            ProcessErrorKind::Deserialization => "a record cannot be read",
            ProcessErrorKind::Serialization => "a record cannot be written",
            ProcessErrorKind::Timestamp => {
                "a record has no valid timestamp; another TimestampExtractor may pass it over"
            }
            ProcessErrorKind::Production => "a record cannot be sent",
            ProcessErrorKind::Store => "a state store failed",
            ProcessErrorKind::Internal => "a fault of the library",
        })?;
        if !reason.is_empty() {
            write!(f, ": {reason}")?;
        }
        if let Some(source) = source {
            write!(f, ": {source}")?;
        }
        if !node.is_empty() {
            write!(f, ", in {node}")?;
        }
        match origin {
            Some(origin) => write!(f, ", at {origin}@{offset}"),
            None => Ok(()),
        }
    }
}

impl StdError for ProcessError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
