//! Why an assignor could not give out the partitions.
use std::error::Error;
use std::fmt;

/// An assignor could not give out the partitions of a group.
///
/// The leader's consumer fails with it; the other members wait for the next leader.
#[derive(Debug)]
pub struct AssignError {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AssignError {
    /// Says what went wrong, to which member or topic.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AssignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
