//! What stops a runner, with the record it happened at.
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use courant_protocol::types::{Offset, TopicPartition};

/// The class of an [`Error`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The consumer underneath failed.
    Consumer(courant_consumer::ErrorKind),
    /// A handler failed for good, and nothing says what else to do about its record.
    Handler,
    /// A handler panicked; as [`Self::Handler`] otherwise.
    Panicked,
    /// A codec cannot read a record; as [`Self::Handler`] otherwise.
    Undecodable,
    /// The dead letter of a record was not written, so the record is not finished.
    DeadLetter,
    /// Handlers had not returned when the time to close was over; their records are not finished.
    Timeout,
    /// The settings do not fit together.
    InvalidUse,
}

impl fmt::Display for ErrorKind {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consumer(kind) => kind.fmt(f),
            Self::Handler => f.write_str("handler failed"),
            Self::Panicked => f.write_str("handler panicked"),
            Self::Undecodable => f.write_str("undecodable record"),
            Self::DeadLetter => f.write_str("dead letter not written"),
            Self::Timeout => f.write_str("timeout"),
            Self::InvalidUse => f.write_str("invalid use"),
        }
    }
}

/// An error of a runner: what happened, at which record, after how many attempts, and what changes it.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    kind: ErrorKind,
    what: String,
    place: Option<(TopicPartition, Offset)>,
    attempts: u32,
    hint: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What class of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the runner is of no further use; else [`Runner::run`](crate::Runner::run) can be called again.
    pub fn is_fatal(&self) -> bool {
        match self.0.kind {
            ErrorKind::Consumer(_) => self.consumer().is_none_or(courant_consumer::Error::is_fatal),
            _ => true,
        }
    }

    /// What the consumer said, where it is the consumer's error.
    pub fn consumer(&self) -> Option<&courant_consumer::Error> {
        self.source()?.downcast_ref()
    }

    /// The partition of the record.
    pub fn topic_partition(&self) -> Option<&TopicPartition> {
        let place = self.0.place.as_ref().map(|(partition, _)| partition);
        place.or_else(|| self.consumer().and_then(courant_consumer::Error::topic_partition))
    }

    /// The offset of the record.
    pub fn offset(&self) -> Option<Offset> {
        let place = self.0.place.as_ref().map(|(_, offset)| *offset);
        place.or_else(|| self.consumer().and_then(courant_consumer::Error::offset))
    }

    /// How often the record's handler was called.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// What to do or which setting to change, as a sentence without a full stop.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Arc::new(Repr { kind, what: what.into(), place: None, attempts: 0, hint: None, source: None }))
    }

    pub(crate) fn at(self, partition: &TopicPartition, offset: Offset) -> Self {
        self.with(|repr| repr.place = Some((partition.clone(), offset)))
    }

    pub(crate) fn after_attempts(self, attempts: u32) -> Self {
        self.with(|repr| repr.attempts = attempts)
    }

    pub(crate) fn hinting(self, hint: &'static str) -> Self {
        self.with(|repr| repr.hint = Some(hint))
    }

    pub(crate) fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        self.with(|repr| repr.source = Some(source))
    }

    /// Changes an error that nobody else has yet.
    fn with(mut self, change: impl FnOnce(&mut Repr)) -> Self {
        if let Some(repr) = Arc::get_mut(&mut self.0) {
            change(repr);
        }
        self
    }
}

impl From<courant_consumer::Error> for Error {
    fn from(error: courant_consumer::Error) -> Self {
        Self::new(ErrorKind::Consumer(error.kind()), "").because(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if let Some((partition, offset)) = &self.0.place {
            write!(f, " ({partition}@{offset}")?;
            match self.0.attempts {
                0 => f.write_str(")")?,
                1 => f.write_str(", 1 attempt)")?,
                attempts => write!(f, ", {attempts} attempts)")?,
            }
        }
        if let Some(source) = &self.0.source {
            write!(f, "{}{source}", if self.0.what.is_empty() { "" } else { ": " })?;
        }
        match self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
