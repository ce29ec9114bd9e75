//! What all groups share: the time, the timers, the settings, and the answers that are due.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use courant_protocol::messages::AnyResponse;
use courant_protocol::types::UnixMillis;
use courant_protocol::wire::Str;

use super::timers::{Timer, Timers};
use crate::cluster::ConnectionId;
use crate::config::BrokerConfig;

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) unix: UnixMillis,
}

impl Moment {
    /// The moment of an instant that has passed.
    pub(super) fn of(self, earlier: Instant) -> Self {
        let ago = self.now.saturating_duration_since(earlier).as_millis();
        let ago = i64::try_from(ago).unwrap_or(i64::MAX);
        Self { now: earlier.min(self.now), unix: UnixMillis(self.unix.0.saturating_sub(ago)) }
    }
}

/// The broker properties that groups obey.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) min_session_timeout_ms: i32,
    pub(crate) max_session_timeout_ms: i32,
    pub(super) initial_rebalance_delay: Duration,
    pub(super) max_size: usize,
    pub(super) offsets_retention_ms: i64,
    pub(super) retention_check_interval: Duration,
}

impl Settings {
    pub(crate) fn read(config: &BrokerConfig) -> Self {
        let millis = |name: &str| i32::try_from(config.number(name)).unwrap_or(i32::MAX);
        let span = |name: &str| Duration::from_millis(u64::try_from(config.number(name)).unwrap_or_default());
        Self {
            min_session_timeout_ms: millis("group.min.session.timeout.ms"),
            max_session_timeout_ms: millis("group.max.session.timeout.ms"),
            initial_rebalance_delay: span("group.initial.rebalance.delay.ms"),
            max_size: config.count("group.max.size"),
            offsets_retention_ms: config.number("offsets.retention.minutes").saturating_mul(60_000),
            retention_check_interval: span("offsets.retention.check.interval.ms"),
        }
    }
}

/// An answer that somebody has waited for.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) connection: ConnectionId,
    pub(super) response: AnyResponse,
}

/// Handed to a group with each event.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) settings: Settings,
    pub(super) timers: Timers,
    pub(super) answers: VecDeque<Answer>,
}

impl Board {
    pub(super) fn answer(&mut self, connection: ConnectionId, response: impl Into<AnyResponse>) {
        self.answers.push_back(Answer { connection, response: response.into() });
    }

    /// A member has `timeout` from now on to be heard of.
    pub(super) fn await_member(&mut self, group: &Str, member: &Str, at: Moment, timeout: Duration) {
        self.timers.schedule(Timer::Session(group.clone(), member.clone()), at.now + timeout);
    }

    pub(super) fn forget_member(&mut self, group: &Str, member: &Str) {
        self.timers.cancel(&Timer::Session(group.clone(), member.clone()));
    }
}
