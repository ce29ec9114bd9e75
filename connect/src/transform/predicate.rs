//! Conditions for transforms.
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;

use super::Transform;
use super::routers::whole_match;
use crate::{Config, ConnectRecord, Flow, Result};

/// Whether a transform is applied to a record.
pub trait Predicate: Send + 'static {
    /// Looks at a record.
    fn test(&self, record: &ConnectRecord) -> bool;
}

impl<F: Fn(&ConnectRecord) -> bool + Send + 'static> Predicate for F {
    fn test(&self, record: &ConnectRecord) -> bool {
        self(record)
    }
}

/// What [`TopicNameMatches`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TopicNameMatchesConfig {
    /// The pattern that the whole topic has to match.
    pub pattern: String,
}

impl Config for TopicNameMatchesConfig {}

/// Holds for topics whose whole name matches a pattern.
#[derive(Debug)]
pub struct TopicNameMatches(Regex);

impl TopicNameMatches {
    /// Matches topics against this pattern.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error if it is none.
    pub fn new(config: &TopicNameMatchesConfig) -> Result<Self> {
        Ok(Self(whole_match("pattern", &config.pattern)?))
    }
}

impl Predicate for TopicNameMatches {
    fn test(&self, record: &ConnectRecord) -> bool {
        self.0.is_match(&record.topic)
    }
}

/// What [`HasHeaderKey`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HasHeaderKeyConfig {
    /// The header's name.
    pub name: String,
}

impl Config for HasHeaderKeyConfig {}

/// Holds for records with a header of this name.
#[derive(Debug)]
pub struct HasHeaderKey(pub String);

impl Predicate for HasHeaderKey {
    fn test(&self, record: &ConnectRecord) -> bool {
        record.headers.iter().any(|(name, _)| *name == self.0)
    }
}

/// Holds for records whose value is null.
#[derive(Clone, Copy, Debug)]
pub struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn test(&self, record: &ConnectRecord) -> bool {
        record.value.value.is_null()
    }
}

/// A transform that is applied where a predicate holds; to all other records nothing is done.
pub struct When {
    transform: Box<dyn Transform>,
    predicate: Box<dyn Predicate>,
    negate: bool,
}

impl When {
    /// Applies a transform where the predicate holds.
    pub fn new(predicate: impl Predicate, transform: impl Transform) -> Self {
        Self::boxed(Box::new(predicate), Box::new(transform), false)
    }

    /// Applies a transform where the predicate does not hold.
    pub fn not(predicate: impl Predicate, transform: impl Transform) -> Self {
        Self::boxed(Box::new(predicate), Box::new(transform), true)
    }

    pub(crate) fn boxed(predicate: Box<dyn Predicate>, transform: Box<dyn Transform>, negate: bool) -> Self {
        Self { transform, predicate, negate }
    }
}

impl Transform for When {
    fn apply(&mut self, record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        match self.predicate.test(&record) != self.negate {
            true => self.transform.apply(record),
            false => Ok(Flow::Keep(record)),
        }
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When").field("negate", &self.negate).finish_non_exhaustive()
    }
}
