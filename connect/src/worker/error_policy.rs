//! What is done about an error: try again, pass the record over, or stop.
//!
//! The rules are those of Connect's `RetryWithToleranceOperator`: only retriable errors are tried again, after 300 ms, 600
//! ms and so on, until `errors.retry.timeout` has passed; then, and for every other error of one record,
//! `errors.tolerance` decides. Reading from a source and writing to a sink are tried again for as long as it takes, unless
//! `errors.retry.timeout` was set.
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Stage};

/// Whether bad records are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// The first one stops the task.
    #[default]
    None,
    /// All are passed over, and reported.
    All,
}

/// The settings `errors.*` of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorPolicy {
    /// How long to go on trying: `None` if it was not set, [`Duration::MAX`] for ever.
    pub(crate) retry_timeout: Option<Duration>,
    pub(crate) retry_delay_max: Duration,
    pub(crate) tolerance: Tolerance,
}

/// What becomes of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The same call again, at this time.
    RetryAt(Instant),
    /// The record is reported and passed over.
    PassOver,
    /// The record is reported and the task stops.
    Fail,
}

/// The tries of one call, from its first failure on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries {
    first_failure: Option<Instant>,
    attempts: u32,
}

impl ErrorPolicy {
    /// What is to be done about an error. `jitter` is a random number from 0 to 1.
    pub(crate) fn decide(
        &self,
        now: Instant,
        stage: Stage,
        error: &Error,
        retries: &mut Retries,
        jitter: f64,
    ) -> Decision {
        if error.is_retriable()
            && let Some(at) = self.retry_at(now, stage, error, retries, jitter)
        {
            return Decision::RetryAt(at);
        }
        let of_one_record = match stage {
            Stage::TaskPoll | Stage::TaskPut | Stage::KafkaProduce | Stage::KafkaConsume => {
                error.kind() == ErrorKind::Data
            }
            _ => matches!(error.kind(), ErrorKind::Data | ErrorKind::Retriable),
        };
        match self.tolerance {
            Tolerance::All if of_one_record => Decision::PassOver,
            _ => Decision::Fail,
        }
    }

    fn retry_at(
        &self,
        now: Instant,
        stage: Stage,
        error: &Error,
        retries: &mut Retries,
        jitter: f64,
    ) -> Option<Instant> {
        let for_ever = matches!(stage, Stage::TaskPoll | Stage::TaskPut);
        let default = if for_ever { Duration::MAX } else { Duration::ZERO };
        let timeout = self.retry_timeout.unwrap_or(default);
        let first = *retries.first_failure.get_or_insert(now);
        let deadline = first.checked_add(timeout);
        if deadline.is_some_and(|deadline| now >= deadline) {
            return None;
        }
        let delay = error.retry_after().unwrap_or_else(|| self.backoff(retries.attempts, jitter));
        retries.attempts = retries.attempts.saturating_add(1);
        let at = now.checked_add(delay).unwrap_or(now + self.retry_delay_max);
        Some(deadline.map_or(at, |deadline| at.min(deadline)))
    }

    /// 300 ms, doubled with each attempt; above the maximum, anything below it, so that tasks do not march in step.
    fn backoff(&self, attempts: u32, jitter: f64) -> Duration {
        let delay = DELAY_MIN.saturating_mul(2_u32.saturating_pow(attempts));
        if delay <= self.retry_delay_max {
            delay
        } else {
            self.retry_delay_max.mul_f64(jitter.clamp(0.0, 1.0))
        }
    }
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        Self { retry_timeout: None, retry_delay_max: Duration::from_secs(60), tolerance: Tolerance::None }
    }
}

const DELAY_MIN: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The pauses of a call that fails at once each time, until it is given up.
    fn pauses(
        policy: &ErrorPolicy,
        stage: Stage,
        jitter: f64,
        at_most: usize,
    ) -> (Vec<Duration>, Option<Decision>) {
        let error = Error::retriable("busy");
        let (mut now, mut retries, mut pauses) = (Instant::now(), Retries::default(), Vec::new());
        while pauses.len() < at_most {
            match policy.decide(now, stage, &error, &mut retries, jitter) {
                Decision::RetryAt(at) => {
                    pauses.push(at - now);
                    now = at;
                }
                decision => return (pauses, Some(decision)),
            }
        }
        (pauses, None)
    }

    #[test]
    fn a_timeout_of_zero_means_no_retry_and_of_minus_one_means_for_ever() {
        let none = ErrorPolicy { retry_timeout: Some(Duration::ZERO), ..Default::default() };
        for stage in [Stage::Transformation, Stage::TaskPut] {
            assert_eq!(pauses(&none, stage, 0.5, 3), (vec![], Some(Decision::Fail)));
        }
        let for_ever = ErrorPolicy { retry_timeout: Some(Duration::MAX), ..Default::default() };
        assert_eq!(pauses(&for_ever, Stage::Transformation, 0.5, 500).1, None);
    }

    #[test]
    fn without_a_timeout_reading_and_writing_are_tried_for_ever_and_transforms_are_not() {
        let policy = ErrorPolicy::default();
        assert_eq!(pauses(&policy, Stage::TaskPut, 0.5, 500).1, None);
        assert_eq!(pauses(&policy, Stage::TaskPoll, 0.5, 500).1, None);
        assert_eq!(pauses(&policy, Stage::ValueConverter, 0.5, 500), (vec![], Some(Decision::Fail)));
    }

    #[test]
    fn pauses_double_from_300_ms_are_jittered_above_the_maximum_and_end_at_the_timeout() {
        let policy = ErrorPolicy {
            retry_timeout: Some(ms(4_000)),
            retry_delay_max: ms(1_200),
            tolerance: Tolerance::All,
        };
        let (pauses, end) = pauses(&policy, Stage::Transformation, 0.5, 100);
        assert_eq!(pauses, [ms(300), ms(600), ms(1_200), ms(600), ms(600), ms(600), ms(100)]);
        assert_eq!(end, Some(Decision::PassOver));
    }

    #[test]
    fn a_pause_that_the_error_names_is_kept() {
        let policy = ErrorPolicy::default();
        let now = Instant::now();
        let error = Error::retriable("429").after(ms(7_000));
        let decided = policy.decide(now, Stage::TaskPut, &error, &mut Retries::default(), 0.5);
        assert_eq!(decided, Decision::RetryAt(now + ms(7_000)));
    }

    #[test]
    fn tolerance_passes_over_bad_records_and_never_an_outage_of_the_target() {
        let all = ErrorPolicy { tolerance: Tolerance::All, retry_timeout: Some(ms(0)), ..Default::default() };
        let decide =
            |stage, error: &Error| all.decide(Instant::now(), stage, error, &mut Retries::default(), 0.5);
        assert_eq!(decide(Stage::TaskPut, &Error::data("row")), Decision::PassOver);
        assert_eq!(decide(Stage::ValueConverter, &Error::data("bytes")), Decision::PassOver);
        assert_eq!(decide(Stage::TaskPut, &Error::retriable("down")), Decision::Fail);
        assert_eq!(decide(Stage::TaskPut, &Error::fatal("gone")), Decision::Fail);
        let none = ErrorPolicy::default();
        let decided =
            none.decide(Instant::now(), Stage::TaskPut, &Error::data("row"), &mut Retries::default(), 0.5);
        assert_eq!(decided, Decision::Fail);
    }
}
