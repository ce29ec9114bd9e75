//! What ends a stream application, or keeps it from starting.
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use courant_protocol::types::TopicPartition;

use crate::operator::{ProcessError, ProcessErrorKind};
use crate::state::EngineError;

/// The class of an [`Error`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something below failed: connections, authentication, authorization, time, configuration.
    Client(courant_client::ErrorKind),
    /// The consumer failed for good.
    Consumer,
    /// A topic that is read does not exist.
    MissingTopic,
    /// Topics that are joined do not have the same number of partitions.
    NotCopartitioned,
    /// An internal topic exists and is not as this application needs it.
    InternalTopic,
    /// A record could not be processed, and its handler did not pass it over.
    Process(ProcessErrorKind),
    /// The state engine failed.
    State,
    /// The application ended already.
    Closed,
    /// A worker ended without saying why: a fault of the library or a panic in a function of the application.
    Worker,
}

impl fmt::Display for ErrorKind {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(kind) => kind.fmt(f),
            Self::Consumer => f.write_str("consumer"),
            Self::MissingTopic => f.write_str("missing topic"),
            Self::NotCopartitioned => f.write_str("not co-partitioned"),
            Self::InternalTopic => f.write_str("internal topic"),
            Self::Process(kind) => write!(f, "processing ({kind:?})"),
            Self::State => f.write_str("state"),
            Self::Closed => f.write_str("closed"),
            Self::Worker => f.write_str("worker"),
        }
    }
}

/// An error of a stream application: what happened, at which record if it was one, and what to do about it.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    kind: ErrorKind,
    what: String,
    hint: Option<String>,
    partition: Option<TopicPartition>,
    offset: Option<i64>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self::from_repr(kind, what.into(), None)
    }

    pub(super) fn hinting(self, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        match Arc::try_unwrap(self.0) {
            Ok(repr) => Self(Arc::new(Repr { hint, ..repr })),
            Err(shared) => Self(shared),
        }
    }

    fn from_repr(kind: ErrorKind, what: String, source: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::new(Repr { kind, what, hint: None, partition: None, offset: None, source }))
    }

    /// What class of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The partition of the record that failed, if one did.
    pub fn topic_partition(&self) -> Option<&TopicPartition> {
        self.0.partition.as_ref()
    }

    /// The offset of the record that failed, if one did.
    pub fn offset(&self) -> Option<i64> {
        self.0.offset
    }

    /// What to look at or which setting to change.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<courant_client::Error> for Error {
    fn from(error: courant_client::Error) -> Self {
        Self::from_repr(ErrorKind::Client(error.kind()), error.to_string(), Some(Box::new(error)))
    }
}

impl From<courant_consumer::Error> for Error {
    fn from(error: courant_consumer::Error) -> Self {
        let kind = match error.kind() {
            courant_consumer::ErrorKind::Client(kind) => ErrorKind::Client(kind),
            courant_consumer::ErrorKind::UnknownTopic => ErrorKind::MissingTopic,
            _ => ErrorKind::Consumer,
        };
        let (partition, offset) = (error.topic_partition().cloned(), error.offset().map(|offset| offset.0));
        let what = error.to_string();
        Self(Arc::new(Repr { kind, what, hint: None, partition, offset, source: Some(Box::new(error)) }))
    }
}

impl From<courant_producer::SendError> for Error {
    fn from(error: courant_producer::SendError) -> Self {
        Self::from(error.error)
    }
}

impl From<courant_admin::Error> for Error {
    fn from(error: courant_admin::Error) -> Self {
        let kind = match error.kind() {
            courant_admin::ErrorKind::Client(kind) => ErrorKind::Client(kind),
            courant_admin::ErrorKind::UnknownTopic => ErrorKind::MissingTopic,
            _ => ErrorKind::InternalTopic,
        };
        Self::from_repr(kind, error.to_string(), Some(Box::new(error)))
    }
}

impl From<ProcessError> for Error {
    fn from(error: ProcessError) -> Self {
        let (kind, what) = (ErrorKind::Process(error.kind()), error.to_string());
        let (partition, offset) = (error.origin().cloned(), error.offset());
        Self(Arc::new(Repr { kind, what, hint: None, partition, offset, source: Some(Box::new(error)) }))
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::from_repr(ErrorKind::State, error.to_string(), Some(Box::new(error)))
    }
}
