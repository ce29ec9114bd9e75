//! Retry as values: how long to wait before an attempt, and when to stop attempting.
//!
//! Nothing here draws a random number or reads a clock; both are handed in, so that machines can use it.
use std::time::{Duration, Instant};

/// A wait that doubles with each attempt up to a maximum, with ± 20 % of jitter (Kafka's `ExponentialBackoff`, KIP-580).
///
/// ```
/// use courant_client::retry::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1000));
/// let middle = 0.5; // a random number from 0 to 1 goes here
/// assert_eq!(backoff.delay(0, middle), Duration::from_millis(100));
/// assert_eq!(backoff.delay(2, middle), Duration::from_millis(400));
/// assert_eq!(backoff.delay(9, middle), Duration::from_millis(1000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub initial: Duration,
    /// The longest wait, jitter included.
    pub max: Duration,
    /// What each further failure multiplies the wait by.
    pub multiplier: f64,
    /// The share by which a wait may be longer or shorter, so that clients do not return all at once.
    pub jitter: f64,
}

impl Backoff {
    /// Kafka's shape: doubling, ± 20 %.
    pub const fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, multiplier: 2.0, jitter: 0.2 }
    }

    /// Always the same wait, without jitter.
    pub const fn constant(wait: Duration) -> Self {
        Self { initial: wait, max: wait, multiplier: 1.0, jitter: 0.0 }
    }

    /// The wait before the retry that follows `failures + 1` failures; `unit_random` is a random number from 0 up to 1.
    ///
    /// A maximum at or below the initial wait makes it constant and without jitter, as in Kafka.
    pub fn delay(&self, failures: u32, unit_random: f64) -> Duration {
        if self.max <= self.initial {
            return self.max;
        }
        // Kafka's formula works in whole milliseconds and takes 0 for 1 when it looks for the largest exponent; the wait
        // itself stays 0 then.
        let (initial, max) = (self.initial.as_secs_f64(), self.max.as_secs_f64());
        let largest = (max / initial.max(0.001)).log(self.multiplier.max(1.000_001));
        let exponent = f64::from(failures).min(largest);
        let factor = 1.0 + self.jitter * (2.0 * unit_random.clamp(0.0, 1.0) - 1.0);
        let wait = (initial * self.multiplier.powf(exponent) * factor).min(max);
        // Nanoseconds beyond the microsecond are noise of the floating-point power.
        Duration::try_from_secs_f64((wait * 1e6).round() / 1e6).unwrap_or(self.max)
    }
}

/// When an operation is given up, and how long it waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The waits.
    pub backoff: Backoff,
    /// How many retries there may be after the first attempt (Kafka's `retries`).
    pub retries: u32,
    /// When the whole operation has failed, retries and waits included.
    pub deadline: Instant,
}

impl RetryPolicy {
    /// As many retries as fit before `deadline`.
    pub const fn until(deadline: Instant, backoff: Backoff) -> Self {
        Self { backoff, retries: u32::MAX, deadline }
    }

    /// When to try again after `failures` failed attempts (from 1), or `None` if it is time to give up: the retries are
    /// used up, or the wait would reach the deadline.
    pub fn next_attempt(&self, now: Instant, failures: u32, unit_random: f64) -> Option<Instant> {
        if failures > self.retries {
            return None;
        }
        let at = now + self.backoff.delay(failures.saturating_sub(1), unit_random);
        (at < self.deadline).then_some(at)
    }

    /// The deadline of one attempt that starts now: `request_timeout` from now, and never beyond that of the whole.
    pub fn attempt_deadline(&self, now: Instant, request_timeout: Duration) -> Instant {
        now.checked_add(request_timeout).map_or(self.deadline, |at| at.min(self.deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let backoff = Backoff::new(ms(50), ms(1000));
        let waits: Vec<_> = (0..7).map(|failures| backoff.delay(failures, 0.5)).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000].map(ms));
        assert_eq!(backoff.delay(u32::MAX, 0.5), ms(1000));
    }

    #[test]
    fn jitter_moves_the_wait_by_a_fifth_and_never_beyond_the_maximum() {
        let backoff = Backoff::new(ms(100), ms(1000));
        assert_eq!(backoff.delay(0, 0.0), ms(80));
        assert_eq!(backoff.delay(0, 1.0), ms(120));
        assert_eq!(backoff.delay(20, 0.0), ms(800));
        assert_eq!(backoff.delay(20, 1.0), ms(1000));
    }

    #[test]
    fn a_maximum_below_the_initial_wait_makes_it_constant() {
        let backoff = Backoff::new(ms(500), ms(200));
        assert_eq!([backoff.delay(0, 0.0), backoff.delay(5, 1.0)], [ms(200), ms(200)]);
        assert_eq!(Backoff::constant(ms(50)).delay(3, 0.9), ms(50));
        assert_eq!(Backoff::new(Duration::ZERO, ms(1000)).delay(3, 0.9), Duration::ZERO);
    }

    #[test]
    fn retries_end_with_their_number_or_their_deadline() {
        let now = Instant::now();
        let policy = RetryPolicy {
            retries: 2,
            ..RetryPolicy::until(now + ms(1_000), Backoff::new(ms(100), ms(1_000)))
        };
        assert_eq!(policy.next_attempt(now, 1, 0.5), Some(now + ms(100)));
        assert_eq!(policy.next_attempt(now, 2, 0.5), Some(now + ms(200)));
        assert_eq!(policy.next_attempt(now, 3, 0.5), None);
        assert_eq!(policy.next_attempt(now + ms(899), 1, 0.5), Some(now + ms(999)));
        assert_eq!(policy.next_attempt(now + ms(900), 1, 0.5), None);
        assert_eq!(policy.attempt_deadline(now, ms(300)), now + ms(300));
        assert_eq!(policy.attempt_deadline(now + ms(900), ms(300)), now + ms(1_000));
    }
}
