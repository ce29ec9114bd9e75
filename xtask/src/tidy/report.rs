//! What the rules find.

use std::fmt;

/// One place that breaks one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The file, relative to the workspace's root.
    pub(crate) path: String,
    /// The line, from 1; 0 when the whole file or crate is meant.
    pub(crate) line: usize,
    /// What is wrong, and what would be right.
    pub(crate) text: String,
}

impl Violation {
    /// A violation at a line of a file.
    pub(crate) fn at(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }

    /// A violation of a whole file or crate.
    pub(crate) fn of(path: &str, text: impl Into<String>) -> Self {
        Self::at(path, 0, text)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// The middle and the ninth tenth of a set of sizes.
pub(crate) fn percentiles(sizes: &mut [usize]) -> (usize, usize) {
    sizes.sort_unstable();
    let at = |index: usize| sizes.get(index).copied().unwrap_or(0);
    (at(sizes.len() / 2), at(sizes.len() * 9 / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_middle_and_the_ninth_tenth() {
        assert_eq!(percentiles(&mut [5, 1, 4, 2, 3, 9, 8, 7, 6, 10]), (6, 10));
        assert_eq!(percentiles(&mut []), (0, 0));
    }

    #[test]
    fn a_violation_prints_as_an_editor_can_open_it() {
        assert_eq!(
            Violation::at("client/src/a.rs", 7, "too long").to_string(),
            "client/src/a.rs:7: too long"
        );
        assert_eq!(Violation::of("client", "too long").to_string(), "client: too long");
    }
}
