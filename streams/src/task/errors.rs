//! What becomes of records that cannot be processed: handlers that the application chooses.
use std::fmt;
use std::sync::Arc;

use courant_protocol::types::TopicName;

use crate::operator::{ProcessError, ProcessErrorKind};

/// What an [`ErrorHandler`] wants to become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The record is left out, and the application goes on.
    Continue,
    /// The application ends with the error; the record is not committed and comes again.
    Fail,
}

/// Decides what becomes of a record that could not be read, processed or written.
///
/// ```
/// use courant_streams::{ErrorHandler, ProcessErrorKind, Verdict};
///
/// let lenient = ErrorHandler::new(|error| match error.kind() {
///     ProcessErrorKind::Deserialization => Verdict::Continue,
///     _ => Verdict::Fail,
/// });
/// # drop(lenient);
/// ```
#[derive(Clone)]
pub struct ErrorHandler(Choice);

#[derive(Clone)]
enum Choice {
    Fail,
    LogAndContinue,
    Custom(Arc<dyn Fn(&ProcessError) -> Verdict + Send + Sync>),
}

impl ErrorHandler {
    /// Ends the application. This is the default, as in Kafka Streams.
    pub fn fail() -> Self {
        Self(Choice::Fail)
    }

    /// Logs the error, with topic, partition and offset, and leaves the record out.
    pub fn log_and_continue() -> Self {
        Self(Choice::LogAndContinue)
    }

    /// Asks a function.
    pub fn new(decide: impl Fn(&ProcessError) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Choice::Custom(Arc::new(decide)))
    }

    /// What becomes of a record.
    pub(crate) fn decide(&self, error: &ProcessError) -> Verdict {
        match &self.0 {
            Choice::Fail => Verdict::Fail,
            Choice::LogAndContinue => Verdict::Continue,
            Choice::Custom(decide) => decide(error),
        }
    }
}

impl Default for ErrorHandler {
    fn default() -> Self {
        Self::fail()
    }
}

impl fmt::Debug for ErrorHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Choice::Fail => "fail",
            Choice::LogAndContinue => "log and continue",
            Choice::Custom(_) => "a function",
        })
    }
}

/// The handlers of an application.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorHandlers {
    /// For records that a source's codec cannot read.
    pub(crate) deserialization: ErrorHandler,
    /// For records that a codec cannot write.
    pub(crate) production: ErrorHandler,
    /// Where records that are left out go (KIP-1034).
    pub(crate) dead_letters: Option<TopicName>,
}

impl ErrorHandlers {
    /// What becomes of a record. Faults of stores and of the library are never passed over, nor is a record without a time:
    /// its source's extractor decides about that.
    pub(crate) fn decide(&self, error: &ProcessError) -> Verdict {
        match error.kind() {
            ProcessErrorKind::Deserialization => self.deserialization.decide(error),
            ProcessErrorKind::Serialization => self.production.decide(error),
            _ => Verdict::Fail,
        }
    }
}
