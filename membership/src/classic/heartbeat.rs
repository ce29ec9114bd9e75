//! The timers of heartbeats. They know nothing of joins or of what the owner does, so neither can hold them up.
use std::time::{Duration, Instant};

use courant_client::retry::Backoff;

use super::member::Member;
use super::request::Ticket;
use super::settings::ClassicSettings;

/// When the next heartbeat is due, and since when none was answered.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    session_timeout: Duration,
    backoff: Backoff,
    due: Instant,
    session_until: Instant,
    /// The one that is out, and as whom it was sent.
    in_flight: Option<(Ticket, Member)>,
    failures: u32,
    /// The owner knows that they are refused.
    refusal_told: bool,
}

impl Heartbeat {
    pub(super) fn new(now: Instant, settings: &ClassicSettings) -> Self {
        Self {
            interval: settings.heartbeat_interval,
            session_timeout: settings.session_timeout,
            backoff: settings.backoff,
            due: now + settings.heartbeat_interval,
            session_until: now + settings.session_timeout,
            in_flight: None,
            failures: 0,
            refusal_told: false,
        }
    }

    /// The coordinator has just counted the member in (it answered a JoinGroup).
    pub(super) fn reset(&mut self, now: Instant) {
        self.due = now + self.interval;
        self.session_until = now + self.session_timeout;
        self.in_flight = None;
        self.failures = 0;
        self.refusal_told = false;
    }

    /// Whether one is to be sent now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.in_flight.is_none() && self.due <= now
    }

    pub(super) fn sent(&mut self, now: Instant, ticket: Ticket, member: Member) {
        self.in_flight = Some((ticket, member));
        self.due = now + self.interval;
    }

    /// As whom the heartbeat was sent that is answered now; none where it is no longer waited for.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Member> {
        self.in_flight.take_if(|(sent, _)| *sent == ticket).map(|(_, member)| member)
    }

    /// The coordinator counts the member in.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.failures = 0;
        self.refusal_told = false;
        self.session_until = now + self.session_timeout;
    }

    /// It was refused: true once until one is taken again.
    pub(super) fn is_first_refusal(&mut self) -> bool {
        !std::mem::replace(&mut self.refusal_told, true)
    }

    /// The next one comes sooner than usual.
    pub(super) fn failed(&mut self, now: Instant, jitter: f64) {
        self.due = now + self.backoff.delay(self.failures, jitter);
        self.failures = self.failures.saturating_add(1);
    }

    /// A whole session went by without an answer: true once per session. The coordinator may have moved.
    pub(super) fn session_is_over(&mut self, now: Instant) -> bool {
        if now < self.session_until {
            return false;
        }
        self.session_until = now + self.session_timeout;
        self.in_flight = None;
        self.due = now;
        true
    }

    pub(super) fn next_deadline(&self) -> Instant {
        if self.in_flight.is_some() { self.session_until } else { self.due.min(self.session_until) }
    }
}
