//! When a broker may be connected to again after it failed.
use std::time::{Duration, Instant};

use courant_runtime::Rng;

use crate::error::Error;
use crate::retry::Backoff;

/// How often and how long connecting is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReconnectOptions {
    /// `reconnect.backoff.ms` and its maximum: the wait before the next attempt.
    pub(crate) backoff: Backoff,
    /// `socket.connection.setup.timeout.ms` and its maximum: the time that an attempt is given.
    pub(crate) setup_timeout: Backoff,
}

/// The failures of one broker, shared by all connections to it (KIP-144, KIP-601).
///
/// Both the wait before the next attempt and the time that an attempt is given double with each failure, up to their
/// limits, and are spread by 20 % either way, so that the clients of a broker that comes back do not come all at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reconnect {
    failures: u32,
    blocked_until: Option<Instant>,
    last_failure: Option<Instant>,
    last_error: Option<Error>,
}

impl Reconnect {
    /// From when on the next attempt may be made; none means at once.
    pub(crate) fn blocked_until(&self, now: Instant) -> Option<Instant> {
        self.blocked_until.filter(|until| *until > now)
    }

    /// How long the next attempt may take.
    pub(crate) fn setup_timeout(&self, options: &ReconnectOptions, rng: &mut Rng) -> Duration {
        options.setup_timeout.delay(self.failures, rng.unit_f64())
    }

    /// An attempt that began at `started`, or a connection that became ready then, has failed.
    ///
    /// Several connections to one broker fail together when it dies. Only the first of them counts: one death is one
    /// failure.
    pub(crate) fn handle_failure(
        &mut self,
        started: Instant,
        now: Instant,
        options: &ReconnectOptions,
        rng: &mut Rng,
        error: Error,
    ) {
        self.last_error = Some(error);
        if self.last_failure.is_some_and(|last| last >= started) {
            return;
        }
        self.last_failure = Some(now);
        self.blocked_until = now.checked_add(options.backoff.delay(self.failures, rng.unit_f64()));
        self.failures = self.failures.saturating_add(1);
    }

    /// A connection became ready.
    pub(crate) fn handle_success(&mut self) {
        *self = Self { last_failure: self.last_failure, ..Self::default() };
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Why the last attempt failed.
    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use courant_runtime::World;

    const MS: Duration = Duration::from_millis(1);
    const OPTIONS: ReconnectOptions = ReconnectOptions {
        backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(1)),
        setup_timeout: Backoff::new(Duration::from_secs(10), Duration::from_secs(30)),
    };

    fn rng() -> Rng {
        World::builder().seed(7).build().rng("reconnect")
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Transport, "refused")
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_is_spread_by_a_fifth() {
        let (mut rng, mut now) = (rng(), Instant::now());
        let mut reconnect = Reconnect::default();
        for base in [50, 100, 200, 400, 800, 1000, 1000] {
            now += MS * 2000;
            reconnect.handle_failure(now, now, &OPTIONS, &mut rng, refused());
            let wait = reconnect.blocked_until(now).unwrap() - now;
            assert!(wait >= MS * base * 8 / 10 && wait <= MS * base * 12 / 10, "{wait:?} for {base} ms");
        }
        reconnect.handle_success();
        assert_eq!(reconnect.blocked_until(now), None);
        assert_eq!(reconnect.failures(), 0);
    }

    #[test]
    fn connections_that_fail_together_count_as_one_failure() {
        let (mut rng, began) = (rng(), Instant::now());
        let mut reconnect = Reconnect::default();
        for later in 1..4 {
            reconnect.handle_failure(began, began + MS * later, &OPTIONS, &mut rng, refused());
        }
        assert_eq!(reconnect.failures(), 1);
        reconnect.handle_failure(began + MS * 100, began + MS * 200, &OPTIONS, &mut rng, refused());
        assert_eq!(reconnect.failures(), 2);
    }

    /// Trap 50: one seed per client, so that a broker's restart is not followed by a storm of simultaneous attempts.
    #[test]
    fn two_clients_do_not_come_back_at_the_same_moment() {
        let now = Instant::now();
        let world = World::builder().seed(7).build();
        let wait = || {
            let mut reconnect = Reconnect::default();
            reconnect.handle_failure(now, now, &OPTIONS, &mut world.rng("reconnect"), refused());
            reconnect.blocked_until(now).unwrap() - now
        };
        assert_ne!(wait(), wait());
    }

    #[test]
    fn an_attempt_is_given_more_time_after_failures() {
        let (mut rng, now) = (rng(), Instant::now());
        let mut reconnect = Reconnect::default();
        assert!(reconnect.setup_timeout(&OPTIONS, &mut rng) <= MS * 12_000);
        for later in 1..6 {
            let now = now + MS * later;
            reconnect.handle_failure(now, now, &OPTIONS, &mut rng, refused());
        }
        let timeout = reconnect.setup_timeout(&OPTIONS, &mut rng);
        assert!(timeout >= MS * 24_000 && timeout <= MS * 30_000, "{timeout:?}");
    }
}
