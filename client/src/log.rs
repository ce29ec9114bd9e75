//! Where this crate's events go, and how often a failure that repeats is spoken of.
use std::time::{Duration, Instant};

/// One kind of failure of one thing: said at once the first time, then at most every ten seconds with a count.
///
/// A broker that is down fails several attempts a second; a log that repeats each of them hides everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeats {
    last_said: Option<Instant>,
    unsaid: u32,
}

impl Repeats {
    /// Whether to say it now, and how often it went unsaid before.
    pub fn allow(&mut self, now: Instant) -> Option<u32> {
        if self.last_said.is_some_and(|said| now.saturating_duration_since(said) < QUIET) {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        self.last_said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// The target of this crate's events: stable, so that applications can filter by it.
pub(crate) const TARGET: &str = "courant::client";

const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_repeats_is_said_once_in_ten_seconds_with_a_count() {
        let start = Instant::now();
        let mut repeats = Repeats::default();
        assert_eq!(repeats.allow(start), Some(0));
        for second in 1..10 {
            assert_eq!(repeats.allow(start + Duration::from_secs(second)), None);
        }
        assert_eq!(repeats.allow(start + QUIET), Some(9));
        assert_eq!(repeats.allow(start + QUIET * 3), Some(0));
    }
}
