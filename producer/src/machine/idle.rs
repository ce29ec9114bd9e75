//! When to look whether a topic is still written to (`metadata.max.idle.ms`, KIP-526).
//!
//! Each topic stands here once, at the time until which it is kept whatever happens; a record costs nothing. At that
//! time its owner looks when it was really used last, and keeps it on or forgets it.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use courant_protocol::types::TopicName;

/// The topics by the time until which each is kept.
pub(crate) struct IdleTopics {
    /// No look before: topics that were first used one after the other are looked at together.
    not_before: Instant,
    spacing: Duration,
    kept: BTreeSet<(Instant, TopicName)>,
}

impl IdleTopics {
    pub(crate) fn new(max_idle: Duration, now: Instant) -> Self {
        Self { not_before: now, spacing: max_idle / LOOKS, kept: BTreeSet::new() }
    }

    /// Keeps a topic until then. It must not stand here already.
    pub(crate) fn keep(&mut self, name: TopicName, until: Instant) {
        self.kept.insert((until, name));
    }

    /// A topic whose time is over. It is to be kept on, or forgotten.
    pub(crate) fn poll_over(&mut self, now: Instant) -> Vec<TopicName> {
        if self.next_wake().is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.not_before = now + self.spacing;
        let mut over = Vec::new();
        while self.kept.first().is_some_and(|(until, _)| *until <= now) {
            over.extend(self.kept.pop_first().map(|(_, name)| name));
        }
        over
    }

    /// When to look next.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.kept.first().map(|(until, _)| (*until).max(self.not_before))
    }
}

/// How many looks there are at most in the time that an idle topic is kept.
const LOOKS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn topics_that_fall_idle_one_after_the_other_are_looked_at_together() {
        let start = Instant::now();
        let mut idle = IdleTopics::new(300 * SECOND, start);
        for n in 0..100 {
            idle.keep(TopicName::from(format!("t{n}")), start + (300 + n) * SECOND);
        }
        let mut now = start;
        let mut looks = Vec::new();
        while let Some(at) = idle.next_wake() {
            now = now.max(at);
            looks.push(((now - start).as_secs(), idle.poll_over(now).len()));
        }
        assert_eq!(looks, [(300, 1), (330, 30), (360, 30), (390, 30), (420, 9)]);
    }

    #[test]
    fn nothing_is_over_before_its_time() {
        let start = Instant::now();
        let mut idle = IdleTopics::new(10 * SECOND, start);
        idle.keep(TopicName::from("t"), start + 10 * SECOND);
        assert!(idle.poll_over(start + 9 * SECOND).is_empty());
        assert_eq!(idle.poll_over(start + 10 * SECOND), [TopicName::from("t")]);
        assert_eq!(idle.next_wake(), None);
    }
}
