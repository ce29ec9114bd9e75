//! What the checks found.
use std::fmt;

/// What a history violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations {
    pub(super) found: Vec<String>,
}

impl Violations {
    /// Each violation, in a sentence.
    pub fn found(&self) -> &[String] {
        &self.found
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.found.len() == 1 { "" } else { "s" };
        write!(f, "{} violation{plural}:", self.found.len())?;
        for violation in self.found.iter().take(SHOWN) {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// How many violations a message shows.
const SHOWN: usize = 20;
