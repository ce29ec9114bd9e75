//! What a record that was not delivered comes back with.
use std::fmt;

use courant_client::{Error, ErrorKind};

use crate::Record;

/// A record was not delivered: why, and the record itself if it is certain that no broker has it.
///
/// While [`SendError::record`] is there, nothing of the record is anywhere else: it may be sent again, changed or kept.
/// One that was not accepted is the very record that was handed over. One that was accepted and could not be delivered is
/// read back from its batch, with the partition and the time that it was given. Where a broker may have the record,
/// [`SendError::possibly_written`] says so and nothing comes back.
///
/// ```
/// # use courant_producer::{Record, SendError};
/// fn report(error: &SendError) -> String {
///     match &error.record {
///         Some(record) => format!("{} still holds its record: {error}", record.topic()),
///         None if error.possibly_written() => format!("look before you send again: {error}"),
///         None => format!("lost: {error}"),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SendError {
    /// Why.
    pub error: Error,
    /// The record, if no broker can have it. In a box, so that what every send may come to is small.
    pub record: Option<Box<Record>>,
}

impl SendError {
    pub(crate) fn refused(error: Error, record: Record) -> Self {
        Self { error, record: Some(Box::new(record)) }
    }

    /// What class of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// Whether sending the record again may succeed. Where the topic was recreated it goes to the new one.
    pub fn is_retriable(&self) -> bool {
        self.error.is_retriable() || self.kind() == ErrorKind::TopicRecreated
    }

    /// Whether the producer is of no further use.
    pub fn is_fatal(&self) -> bool {
        self.error.is_fatal()
    }

    /// Whether the record may be in the log although this is an error: it was sent, and no answer came back.
    pub fn possibly_written(&self) -> bool {
        self.error.possibly_written()
    }

    /// What to look at or which setting to change.
    pub fn hint(&self) -> Option<&str> {
        self.error.hint()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        error.error
    }
}
