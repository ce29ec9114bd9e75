//! The rows of one client.
use super::Row;

/// The rows of one client, in the order in which its documentation shows them.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    parts: &'static [&'static [Row]],
}

impl Table {
    /// A table of several groups of rows.
    pub const fn new(parts: &'static [&'static [Row]]) -> Self {
        Self { parts }
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        self.parts.iter().copied().flatten()
    }

    /// The row of a name.
    pub fn row(&self, name: &str) -> Option<&'static Row> {
        self.rows().find(|row| row.name == name)
    }
}
