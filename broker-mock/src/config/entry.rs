//! A config as DescribeConfigs shows it: the value in force, where it comes from, and what it hides.
use super::row::Row;

/// Where a value comes from, numbered as DescribeConfigs numbers it (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
}

impl Source {
    /// The source's number on the wire.
    pub(crate) const fn wire(self) -> i8 {
        self as i8
    }
}

/// A name under which a value was given, the strongest first in [`Entry::synonyms`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
}

/// One described config.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: &'static Row,
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
    pub(crate) synonyms: Vec<Synonym>,
}

impl Entry {
    /// Whether the value is a secret, which is never sent.
    pub(crate) fn is_sensitive(&self) -> bool {
        self.row.kind == super::kind::Kind::Password
    }
}
