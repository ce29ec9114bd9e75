//! What the conformance suite needs to know of a connector's outside world.
use std::fmt;

use crate::api::{Sink, Source};

/// The outside world of a source: how to make input for it.
pub trait SourceBench {
    /// The source.
    type Source: Source;

    /// The properties that point it at this bench's input; the topic may be any.
    fn properties(&self) -> Vec<(String, String)>;

    /// Makes `count` more records of input, and gives the values that they have in Kafka, as text.
    fn feed(&mut self, count: usize) -> Vec<String>;
}

/// The outside world of a sink: what has arrived there.
pub trait SinkBench {
    /// The sink.
    type Sink: Sink;

    /// The properties that point it at this bench's target. The suite sets `topics`.
    fn properties(&self) -> Vec<(String, String)>;

    /// Everything that is in the target, as texts that contain the values, in the order in which they were written where
    /// the target has one.
    fn delivered(&self) -> Vec<String>;
}

/// What a connector does not stand: in which scenario, and what was seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    scenario: String,
    what: String,
}

impl Failure {
    pub(crate) fn new(scenario: impl Into<String>, what: impl Into<String>) -> Self {
        Self { scenario: scenario.into(), what: what.into() }
    }

    /// The scenario that it failed in.
    pub fn scenario(&self) -> &str {
        &self.scenario
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.scenario, self.what)
    }
}

impl fmt::Debug for Failure {
    /// As `Display`, because tests show errors so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
