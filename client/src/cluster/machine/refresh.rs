//! When metadata is asked for: when it is old, when somebody needs it, never twice at once, never in a tight loop.
use std::time::{Duration, Instant};

use courant_runtime::Rng;

use crate::retry::Backoff;

/// The times of metadata requests.
///
/// One request is under way at a time, and whatever is asked for meanwhile is met by one further request. Requests that
/// bring nothing new, like those that fail, are spaced by `retry.backoff.ms`, doubling (KIP-580); a topic that was never
/// asked for is asked for at once.
#[derive(Debug)]
pub(super) struct Refresh {
    max_age: Duration,
    backoff: Backoff,
    wanted: Want,
    under_way: Option<Want>,
    last_answer: Option<Instant>,
    trying_since: Option<Instant>,
    blocked_until: Option<Instant>,
    failures: u32,
    unchanged: u32,
}

/// How much an update is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Want {
    /// When the last one is too old.
    WhenOld,
    /// Soon: something that is known turned out to be wrong.
    Soon,
    /// Now: somebody waits for something that was never asked for.
    Now,
}

impl Refresh {
    pub(super) fn new(max_age: Duration, backoff: Backoff) -> Self {
        Self {
            max_age,
            backoff,
            wanted: Want::Now,
            under_way: None,
            last_answer: None,
            trying_since: None,
            blocked_until: None,
            failures: 0,
            unchanged: 0,
        }
    }

    /// Somebody found that what is known is wrong.
    pub(super) fn want_soon(&mut self) {
        self.wanted = self.wanted.max(Want::Soon);
    }

    /// Somebody waits for a topic that was never asked for.
    pub(super) fn want_now(&mut self) {
        self.wanted = Want::Now;
    }

    /// When the next request is due; none while one is under way.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        let by_want = match self.wanted {
            Want::WhenOld => self.last_answer.and_then(|last| last.checked_add(self.max_age)),
            Want::Soon => Some(self.blocked_until.unwrap_or(now)),
            Want::Now if self.failures == 0 => Some(now),
            Want::Now => Some(self.blocked_until.unwrap_or(now)),
        };
        // A failed attempt is repeated whether or not anybody asks.
        by_want.or_else(|| (self.failures > 0).then_some(self.blocked_until.unwrap_or(now)))
    }

    /// A request leaves now. What is wanted from here on needs another one.
    pub(super) fn handle_asked(&mut self, now: Instant) {
        self.trying_since = self.trying_since.or(Some(now));
        self.under_way = Some(std::mem::replace(&mut self.wanted, Want::WhenOld));
    }

    /// The answer came; `changed` says whether it brought anything new.
    pub(super) fn handle_answer(&mut self, now: Instant, changed: bool, rng: &mut Rng) {
        self.under_way = None;
        self.failures = 0;
        self.last_answer = Some(now);
        self.trying_since = None;
        self.unchanged = if changed { 0 } else { self.unchanged.saturating_add(1) };
        let wait = self.backoff.delay(self.unchanged.saturating_sub(1), rng.unit_f64());
        self.blocked_until = now.checked_add(wait);
    }

    /// Nobody answered. When another peer is left to ask, it is asked at once.
    pub(super) fn handle_failure(&mut self, now: Instant, others_left: bool, rng: &mut Rng) {
        let asked = self.under_way.take().unwrap_or(Want::Soon);
        self.wanted = self.wanted.max(asked).max(Want::Soon);
        if others_left {
            self.blocked_until = None;
            return;
        }
        self.blocked_until = now.checked_add(self.backoff.delay(self.failures, rng.unit_f64()));
        self.failures = self.failures.saturating_add(1);
    }

    /// How long it has been tried in vain; a client that had no need to ask has not tried.
    pub(super) fn trying_for(&self, now: Instant) -> Duration {
        self.trying_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
