//! What is wrong with a value or a schema.
use std::fmt;

/// A value that does not fit its schema, or a schema that cannot be: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    path: Vec<String>,
    text: String,
}

impl DataError {
    /// An error about the value as a whole; `text` says what is wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self { path: Vec::new(), text: text.into() }
    }

    /// The same error, seen from one level further out: `step` is a field's name, `[3]` or `key`.
    #[must_use]
    pub fn within(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }

    /// Where the error lies, such as `after.items.[3]`; empty for the value as a whole.
    pub fn path(&self) -> String {
        self.path.iter().rev().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.text),
            false => write!(f, "field `{}`: {}", self.path(), self.text),
        }
    }
}

impl std::error::Error for DataError {}

impl From<DataError> for crate::Error {
    /// A bad value is one bad record: `errors.tolerance` and the dead-letter topic decide.
    fn from(error: DataError) -> Self {
        Self::data(error.to_string())
    }
}
