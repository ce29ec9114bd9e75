//! What a test driver fails with.
use std::error::Error as StdError;
use std::fmt;

use courant_sim::SimError;

/// A step of a test failed: the application, a codec, or the simulation. It names the seed that repeats it.
#[derive(Debug)]
pub struct TestError {
    what: String,
    seed: u64,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TestError {
    pub(super) fn new(seed: u64, what: impl Into<String>) -> Self {
        Self { what: what.into(), seed, source: None }
    }

    pub(super) fn because(seed: u64, what: &str, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { what: format!("{what}: {source}"), seed, source: Some(Box::new(source)) }
    }

    /// The seed that repeats the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (seed {})", self.what, self.seed)
    }
}

impl StdError for TestError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<SimError> for TestError {
    fn from(error: SimError) -> Self {
        Self { seed: error.seed(), what: error.to_string(), source: Some(Box::new(error)) }
    }
}
