//! Virtual time: tokio's paused clock, counted from the start of the run.
use courant_protocol::types::UnixMillis;
use courant_runtime::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Shared by all worlds of a simulation. Before the run starts it stands at the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimClock {
    started: Arc<OnceLock<Instant>>,
    turns: Arc<Turns>,
}

/// Work that was done since time last moved.
#[derive(Debug, Default)]
struct Turns {
    at_nanos: AtomicU64,
    count: AtomicU64,
}

impl SimClock {
    /// Called inside the runtime, whose clock is paused; a second run goes on from the first start.
    pub(crate) fn start(&self) {
        self.started.get_or_init(|| tokio::time::Instant::now().into_std());
    }

    /// Notes a piece of work: time does not move while there is any, so work that makes work forever would hang the run.
    ///
    /// # Panics
    /// After more of it at one instant than a run can need; the panic ends the task that spins and fails the run.
    #[expect(clippy::panic, reason = "it is the only way out of a loop of somebody else's")]
    pub(crate) fn turn(&self, now: Instant) {
        let elapsed =
            self.started.get().map_or(Duration::ZERO, |started| now.saturating_duration_since(*started));
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        if self.turns.at_nanos.swap(nanos, Ordering::Relaxed) != nanos {
            self.turns.count.store(0, Ordering::Relaxed);
        }
        if self.turns.count.fetch_add(1, Ordering::Relaxed) > MOST_TURNS {
            // Once is enough: what the unwinding drops may look at the clock as well.
            self.turns.count.store(0, Ordering::Relaxed);
            panic!("livelock: {MOST_TURNS} turns at {elapsed:?} of virtual time, which stands still");
        }
    }

    /// How long the run has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        let now = tokio::time::Instant::now().into_std();
        self.started.get().map_or(Duration::ZERO, |started| now.saturating_duration_since(*started))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        let now = tokio::time::Instant::now().into_std();
        self.turn(now);
        now
    }

    fn unix_millis(&self) -> UnixMillis {
        UnixMillis(START.0 + i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX / 2))
    }
}

/// 2025-01-01T00:00:00Z: every simulation starts with this year.
const START: UnixMillis = UnixMillis(1_735_689_600_000);

/// How often clients and brokers may look at the clock or be polled at one instant.
const MOST_TURNS: u64 = 1_000_000;
