//! What a handler says when it fails.
use std::error::Error as StdError;
use std::fmt;

/// Why a handler failed, and whether it makes sense to call it again with the same record.
///
/// Every error becomes one by `?`, and is worth another attempt then. [`Failure::permanent`] says that no attempt will help.
///
/// ```
/// use courant_handlers::Failure;
///
/// fn charge(amount: &str) -> Result<i64, Failure> {
///     let amount: i64 = amount.parse().map_err(Failure::permanent)?; // it will not be a number next time either
///     if amount > 1_000 {
///         return Err(std::io::Error::other("the bank does not answer"))?; // it may in a while
///     }
///     Ok(amount)
/// }
/// assert!(charge("5000").is_err_and(|failure| failure.is_retriable()));
/// assert!(charge("five").is_err_and(|failure| !failure.is_retriable()));
/// assert!(charge("5").is_ok());
/// ```
///
/// It is no [`std::error::Error`] itself, so that all of those can become one.
pub struct Failure {
    source: Box<dyn StdError + Send + Sync>,
    retriable: bool,
}

impl Failure {
    /// Another attempt may succeed.
    pub fn retriable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: source.into(), retriable: true }
    }

    /// No attempt will succeed: the record is bad, and goes where such records go.
    pub fn permanent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: source.into(), retriable: false }
    }

    /// Whether another attempt may succeed.
    pub fn is_retriable(&self) -> bool {
        self.retriable
    }

    pub(crate) fn into_source(self) -> Box<dyn StdError + Send + Sync> {
        self.source
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retriable(error)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("retriable", &self.retriable).field("source", &self.source).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}
