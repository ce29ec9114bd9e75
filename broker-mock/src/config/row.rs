//! One row of the config tables.
use super::kind::Kind;

/// A config that a broker or a topic knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Option<&'static str>,
    /// Whether it may be altered while a broker runs; else DescribeConfigs calls it read-only.
    pub(crate) dynamic: bool,
    /// The broker properties that a topic config falls back to, the strongest first.
    pub(crate) fallbacks: &'static [&'static str],
    pub(crate) doc: &'static str,
}

/// What is said about the configs that only describe a broker.
const KEPT: &str = "Kept and described; it changes nothing in this broker.";

impl Row {
    pub(crate) const fn topic(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        fallbacks: &'static [&'static str],
        doc: &'static str,
    ) -> Self {
        Self { name, kind, default: Some(default), dynamic: true, fallbacks, doc }
    }

    pub(crate) const fn dynamic(name: &'static str, kind: Kind, default: Option<&'static str>) -> Self {
        Self { name, kind, default, dynamic: true, fallbacks: &[], doc: KEPT }
    }

    pub(crate) const fn fixed(name: &'static str, kind: Kind, default: Option<&'static str>) -> Self {
        Self { name, kind, default, dynamic: false, fallbacks: &[], doc: KEPT }
    }

    pub(crate) const fn documented(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}
