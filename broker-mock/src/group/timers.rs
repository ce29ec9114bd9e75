//! Deadlines of groups and their members, fired in the order of their times, and of scheduling where times are equal.
use std::collections::BTreeMap;
use std::time::Instant;

use courant_protocol::wire::Str;

/// Whose time is up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A member's session: group, member.
    Session(Str, Str),
    /// The time in which a group's members may join.
    Join(Str),
    /// The time in which a group's members have to ask for their assignment.
    Sync(Str),
}

/// All timers of all groups; each is there once.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeMap<(Instant, u64), Timer>,
    places: BTreeMap<Timer, (Instant, u64)>,
    next: u64,
}

impl Timers {
    /// Sets a timer, anew if it is set already.
    pub(super) fn schedule(&mut self, timer: Timer, at: Instant) {
        self.cancel(&timer);
        let place = (at, self.next);
        self.next += 1;
        self.queue.insert(place, timer.clone());
        self.places.insert(timer, place);
    }

    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(place) = self.places.remove(timer) {
            self.queue.remove(&place);
        }
    }

    /// When the first timer fires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first timer that is due, and when it was.
    pub(super) fn poll_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        let due = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), timer) = due.remove_entry();
        self.places.remove(&timer);
        Some((at, timer))
    }
}
