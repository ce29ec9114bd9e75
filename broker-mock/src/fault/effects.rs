//! What faults do to one request, added up.
use std::time::Duration;

use super::error_injection::InjectedError;

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the request was applied.
    Before,
    /// After it was applied, without an answer.
    After,
    /// In the middle of the answer: so many bytes of it get through.
    Inside(usize),
}

/// What is to happen to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    pub(crate) errors: Vec<InjectedError>,
    pub(crate) cut: Option<Cut>,
    /// How long the request waits before it is applied.
    pub(crate) hold: Duration,
    /// How long the answer waits after the request was applied.
    pub(crate) delay: Duration,
    pub(crate) throttle_ms: i32,
    pub(crate) silence: bool,
    pub(crate) duplicate: bool,
    pub(crate) corrupt_records: bool,
}

impl Effects {
    /// Adds another fault's effects.
    pub(crate) fn add(&mut self, other: &Self) {
        self.errors.extend_from_slice(&other.errors);
        self.cut = self.cut.or(other.cut);
        self.hold += other.hold;
        self.delay += other.delay;
        self.throttle_ms = self.throttle_ms.max(other.throttle_ms);
        self.silence |= other.silence;
        self.duplicate |= other.duplicate;
        self.corrupt_records |= other.corrupt_records;
    }
}
