//! Virtual time: tokio's paused clock, counted from the start of the run.
use courant_protocol::types::UnixMillis;
use courant_runtime::Clock;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Shared by all worlds of a simulation. Before the run starts it stands at the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimClock {
    started: Arc<OnceLock<Instant>>,
}

impl SimClock {
    /// Called inside the runtime, whose clock is paused; a second run goes on from the first start.
    pub(crate) fn start(&self) {
        self.started.get_or_init(|| tokio::time::Instant::now().into_std());
    }

    /// How long the run has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.get().map_or(Duration::ZERO, |started| self.now().saturating_duration_since(*started))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn unix_millis(&self) -> UnixMillis {
        UnixMillis(START.0 + i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX / 2))
    }
}

/// 2025-01-01T00:00:00Z: every simulation starts with this year.
const START: UnixMillis = UnixMillis(1_735_689_600_000);
