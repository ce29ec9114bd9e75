//! What is done about a record whose handler failed.
use std::time::{Duration, Instant};

use courant_client::retry::Backoff;
use courant_runtime::moment_after;

/// How often and when a record is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetryRules {
    /// How often its handler is called at most, from 1.
    pub(crate) attempts: u32,
    pub(crate) backoff: Backoff,
}

/// What becomes of a record that will not be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LastResort {
    /// The runner stops; the record stays unfinished.
    #[default]
    Stop,
    /// It is passed over, with a warning.
    Skip,
    /// It goes to the dead-letter topic, and is finished when it is there.
    DeadLetter,
}

/// What the schedule is told once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    /// How many records are worked on at a time.
    pub(crate) concurrency: usize,
    /// As many records may be taken in and not finished, before no more are asked for.
    pub(crate) max_records: usize,
    /// The same in bytes of keys, values and headers.
    pub(crate) max_bytes: usize,
    pub(crate) retry: RetryRules,
    pub(crate) last_resort: LastResort,
    /// How long handlers of revoked partitions may go on.
    pub(crate) drain_timeout: Duration,
    /// After this time a handler that has not returned is named.
    pub(crate) slow_after: Duration,
}

impl RetryRules {
    /// When a record that has failed so often is tried again; not at all if that was the last time.
    pub(crate) fn next_attempt(&self, now: Instant, attempts: u32, jitter: f64) -> Option<Instant> {
        if attempts >= self.attempts {
            return None;
        }
        Some(moment_after(now, self.backoff.delay(attempts.saturating_sub(1), jitter)))
    }
}
