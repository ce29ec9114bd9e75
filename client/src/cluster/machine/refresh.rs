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
    /// Now, for what was never asked for alone (KIP-526): somebody waits for it, and the rest is good.
    NewNow,
    /// Soon: something that is known turned out to be wrong.
    AllSoon,
    /// Now: something that is known is wrong, and somebody waits for something that was never asked for.
    AllNow,
}

/// What a request asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every topic that is wanted.
    All,
    /// Only topics that were never asked for.
    New,
}

impl Refresh {
    pub(super) fn new(max_age: Duration, backoff: Backoff) -> Self {
        Self {
            max_age,
            backoff,
            wanted: Want::AllNow,
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
        self.wanted = match self.wanted {
            Want::WhenOld | Want::AllSoon => Want::AllSoon,
            Want::NewNow | Want::AllNow => Want::AllNow,
        };
    }

    /// Somebody waits for a topic that was never asked for.
    pub(super) fn want_new(&mut self) {
        self.wanted = match self.wanted {
            Want::WhenOld | Want::NewNow => Want::NewNow,
            Want::AllSoon | Want::AllNow => Want::AllNow,
        };
    }

    /// When the next request is due; none while one is under way.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        let by_want = match self.wanted {
            Want::WhenOld => self.old_at(),
            Want::AllSoon => Some(self.blocked_until.unwrap_or(now)),
            Want::NewNow | Want::AllNow if self.failures == 0 => Some(now),
            Want::NewNow | Want::AllNow => Some(self.blocked_until.unwrap_or(now)),
        };
        // A failed attempt is repeated whether or not anybody asks.
        by_want.or_else(|| (self.failures > 0).then_some(self.blocked_until.unwrap_or(now)))
    }

    /// A request leaves now, and this is what it asks about. What is wanted from here on needs another one.
    pub(super) fn handle_asked(&mut self, now: Instant) -> Scope {
        self.trying_since = self.trying_since.or(Some(now));
        let want = std::mem::replace(&mut self.wanted, Want::WhenOld);
        let good = self.old_at().is_some_and(|old| old > now);
        let (want, scope) = match want {
            Want::NewNow if good => (want, Scope::New),
            want => (want.max(Want::AllSoon), Scope::All),
        };
        self.under_way = Some(want);
        scope
    }

    /// The answer came; `changed` says whether it brought anything new.
    pub(super) fn handle_answer(&mut self, now: Instant, changed: bool, rng: &mut Rng) {
        if self.under_way.take() != Some(Want::NewNow) {
            self.last_answer = Some(now);
            self.unchanged = if changed { 0 } else { self.unchanged.saturating_add(1) };
        }
        self.failures = 0;
        self.trying_since = None;
        let wait = self.backoff.delay(self.unchanged.saturating_sub(1), rng.unit_f64());
        self.blocked_until = now.checked_add(wait);
    }

    /// Nobody answered. When another peer is left to ask, it is asked at once.
    pub(super) fn handle_failure(&mut self, now: Instant, others_left: bool, rng: &mut Rng) {
        let asked = self.under_way.take().unwrap_or(Want::AllSoon);
        self.wanted = self.wanted.max(asked).max(Want::AllSoon);
        if others_left {
            self.blocked_until = None;
            return;
        }
        self.blocked_until = now.checked_add(self.backoff.delay(self.failures, rng.unit_f64()));
        self.failures = self.failures.saturating_add(1);
    }

    /// When the last answer about everything is too old.
    fn old_at(&self) -> Option<Instant> {
        self.last_answer.and_then(|last| last.checked_add(self.max_age))
    }

    /// How long it has been tried in vain; a client that had no need to ask has not tried.
    pub(super) fn trying_for(&self, now: Instant) -> Duration {
        self.trying_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
