//! The items of one call: each is open until it has a result.
use std::time::{Duration, Instant};

use courant_client::retry::RetryPolicy;
use courant_client::{Error, ErrorKind};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the open items.
    Attempt,
    /// Wait, then ask again.
    WaitUntil(Instant),
    /// Every item has its result.
    Done,
}

/// The items of one call.
///
/// Order: `poll_step`; on [`Step::Attempt`] answer each of `open()` by one of the `handle_…`, then `poll_step` again.
#[derive(Debug)]
pub(crate) struct OpenItems<V> {
    items: Vec<Item<V>>,
    policy: RetryPolicy,
    started: Instant,
    /// Attempts that were answered or failed.
    attempts: u32,
    wait_until: Option<Instant>,
    /// The longest wait that a broker asked for since the last attempt (KIP-599).
    throttle: Duration,
}

#[derive(Debug)]
struct Item<V> {
    result: Option<Result<V, Error>>,
    last: Option<Error>,
    /// Whether an attempt was sent and had no answer.
    possibly_written: bool,
}

impl<V> OpenItems<V> {
    pub(crate) fn new(now: Instant, count: usize, policy: RetryPolicy) -> Self {
        let item = || Item { result: None, last: None, possibly_written: false };
        Self {
            items: std::iter::repeat_with(item).take(count).collect(),
            policy,
            started: now,
            attempts: 0,
            wait_until: None,
            throttle: Duration::ZERO,
        }
    }

    /// The items without a result, by their place.
    pub(crate) fn open(&self) -> Vec<usize> {
        let open = |(index, item): (usize, &Item<V>)| item.result.is_none().then_some(index);
        self.items.iter().enumerate().filter_map(open).collect()
    }

    /// The item succeeded.
    pub(crate) fn handle_value(&mut self, index: usize, value: V) {
        if let Some(item) = self.items.get_mut(index) {
            item.result = Some(Ok(value));
        }
    }

    /// The item failed; `again` says whether another attempt may help.
    pub(crate) fn handle_error(&mut self, index: usize, error: Error, again: bool) {
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        item.possibly_written |= error.possibly_written();
        if again {
            item.last = Some(error);
        } else {
            item.result = Some(Err(error.maybe_written(item.possibly_written)));
        }
    }

    /// A broker wants to be left alone for so long before it is asked for more.
    pub(crate) fn handle_throttle(&mut self, throttle: Duration) {
        self.throttle = self.throttle.max(throttle);
    }

    /// An attempt is over; `unit_random` is from 0 to 1.
    pub(crate) fn handle_attempt_end(&mut self, now: Instant, unit_random: f64) {
        self.attempts = self.attempts.saturating_add(1);
        let throttle = std::mem::take(&mut self.throttle);
        let next = self.policy.next_attempt(now, self.attempts, unit_random);
        let next = next.map(|at| at.max(now + throttle)).filter(|at| *at < self.policy.deadline);
        match next {
            Some(at) => self.wait_until = Some(at),
            None => self.give_up(now),
        }
    }

    /// What to do at `now`.
    pub(crate) fn poll_step(&mut self, now: Instant) -> Step {
        if self.items.iter().all(|item| item.result.is_some()) {
            return Step::Done;
        }
        if now >= self.policy.deadline && self.attempts > 0 {
            self.give_up(now);
            return Step::Done;
        }
        match self.wait_until {
            Some(at) if now < at => Step::WaitUntil(at),
            _ => {
                self.wait_until = None;
                Step::Attempt
            }
        }
    }

    /// The results, in the order of the items.
    pub(crate) fn into_results(self) -> Vec<Result<V, Error>> {
        let unanswered = || Error::new(ErrorKind::Internal, "an item was left without a result");
        self.items.into_iter().map(|item| item.result.unwrap_or_else(|| Err(unanswered()))).collect()
    }

    /// Whatever is still open has failed with what it failed with last.
    fn give_up(&mut self, now: Instant) {
        let (attempts, elapsed) = (self.attempts, now.saturating_duration_since(self.started));
        for item in self.items.iter_mut().filter(|item| item.result.is_none()) {
            let late = || Error::new(ErrorKind::Timeout, "the call was not answered in time");
            let error = item.last.take().unwrap_or_else(late);
            let error = error.after_attempts(attempts).after(elapsed).maybe_written(item.possibly_written);
            let error = match error.hint() {
                Some(_) => error,
                None => error.hinting("default.api.timeout.ms bounds the call"),
            };
            item.result = Some(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use courant_client::retry::Backoff;
    use courant_protocol::error_code::ErrorCode;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn items(now: Instant, count: usize) -> OpenItems<u8> {
        OpenItems::new(now, count, RetryPolicy::until(now + ms(1000), Backoff::new(ms(100), ms(400))))
    }

    fn refused(code: ErrorCode) -> Error {
        Error::from_code(code, "cannot do it")
    }

    #[test]
    fn only_open_items_are_tried_again_after_the_backoff() {
        let now = Instant::now();
        let mut items = items(now, 3);
        assert_eq!(items.poll_step(now), Step::Attempt);
        items.handle_value(0, 7);
        items.handle_error(1, refused(ErrorCode::NOT_CONTROLLER), true);
        items.handle_error(2, refused(ErrorCode::TOPIC_ALREADY_EXISTS), false);
        items.handle_attempt_end(now, 0.5);
        assert_eq!(items.open(), [1]);
        assert_eq!(items.poll_step(now), Step::WaitUntil(now + ms(100)));
        assert_eq!(items.poll_step(now + ms(100)), Step::Attempt);
        items.handle_value(1, 8);
        items.handle_attempt_end(now + ms(110), 0.5);
        assert_eq!(items.poll_step(now + ms(110)), Step::Done);
        let results = items.into_results();
        assert_eq!(results[0].as_ref().ok(), Some(&7));
        assert_eq!(results[1].as_ref().ok(), Some(&8));
        assert_eq!(results[2].as_ref().unwrap_err().code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
    }

    #[test]
    fn a_throttle_longer_than_the_backoff_is_waited_for_and_one_beyond_the_deadline_is_not() {
        let now = Instant::now();
        let mut items = items(now, 1);
        items.handle_error(0, refused(ErrorCode::THROTTLING_QUOTA_EXCEEDED), true);
        items.handle_throttle(ms(700));
        items.handle_attempt_end(now, 0.5);
        assert_eq!(items.poll_step(now), Step::WaitUntil(now + ms(700)));
        assert_eq!(items.poll_step(now + ms(700)), Step::Attempt);
        items.handle_error(0, refused(ErrorCode::THROTTLING_QUOTA_EXCEEDED), true);
        items.handle_throttle(ms(700));
        items.handle_attempt_end(now + ms(710), 0.5);
        assert_eq!(items.poll_step(now + ms(710)), Step::Done);
        let error = items.into_results().remove(0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot do it: the broker answered THROTTLING_QUOTA_EXCEEDED (89) (2 attempts, after 710 ms); default.api.timeout.ms bounds the call"
        );
    }

    #[test]
    fn an_attempt_without_an_answer_stays_in_mind() {
        let now = Instant::now();
        let mut items = items(now, 1);
        items.handle_error(0, Error::new(ErrorKind::Transport, "cut").maybe_written(true), true);
        items.handle_attempt_end(now, 0.5);
        items.handle_error(0, refused(ErrorCode::TOPIC_ALREADY_EXISTS), false);
        let error = items.into_results().remove(0).unwrap_err();
        assert!(error.possibly_written(), "the first attempt may have created it");
    }
}
