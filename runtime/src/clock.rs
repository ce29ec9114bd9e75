//! What time it is: monotonic for deadlines, wall clock for record timestamps.
use courant_protocol::types::UnixMillis;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time to everything in a [`World`](crate::World).
///
/// Both readings must be cheap: clients take them once per turn of a driver and once per record. `now` must agree with
/// tokio's timers, because [`Sleep`](crate::Sleep) is built on them.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// Wall-clock time.
    fn unix_millis(&self) -> UnixMillis;
}

/// Whether this is called inside a tokio runtime, as whatever is polled is. Outside of it a paused clock, which only tests
/// have, does not tell the time by which the runtime's timers go.
///
/// ```
/// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// assert!(!courant_runtime::is_inside_runtime());
/// assert!(runtime.block_on(async { courant_runtime::is_inside_runtime() }));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_inside_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

/// The moment that lies `wait` after `now`; where no clock goes so far, one that is as good as never, a century away.
///
/// ```
/// use courant_runtime::moment_after;
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// assert_eq!(moment_after(now, Duration::from_secs(5)), now + Duration::from_secs(5));
/// assert!(moment_after(now, Duration::MAX) > now + Duration::from_secs(86_400));
/// ```
pub fn moment_after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now + Duration::from_secs(100 * 365 * 86_400))
}

/// The machine's clock.
///
/// Inside a tokio runtime whose clock is paused (which only tests can do) `now` follows the paused clock, as the timers do.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        // Without tokio's `test-util` feature this is std's clock and nothing else.
        tokio::time::Instant::now().into_std()
    }

    fn unix_millis(&self) -> UnixMillis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixMillis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock whose wall time starts where it is told and moves with tokio's (paused) clock, so that a run can be repeated.
///
/// ```
/// use courant_protocol::types::UnixMillis;
/// use courant_runtime::{Clock, VirtualClock};
/// use std::time::Duration;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// runtime.block_on(async {
///     let clock = VirtualClock::starting_at(UnixMillis(1_000));
///     tokio::time::sleep(Duration::from_secs(3600)).await; // takes no real time
///     assert_eq!(clock.unix_millis(), UnixMillis(3_601_000));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    started: Instant,
    started_unix: UnixMillis,
}

impl VirtualClock {
    /// A clock that shows `unix` now. Call it inside the runtime whose clock is paused.
    pub fn starting_at(unix: UnixMillis) -> Self {
        Self { started: tokio::time::Instant::now().into_std(), started_unix: unix }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn unix_millis(&self) -> UnixMillis {
        let elapsed = self.now().saturating_duration_since(self.started);
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.started_unix.0.saturating_add(millis))
    }
}
