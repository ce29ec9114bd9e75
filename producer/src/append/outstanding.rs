//! The batches whose outcome is not known, by flush: what `flush()` waits for.
//!
//! Each flush closes an epoch. A batch belongs to the epoch in which it was opened, and a flush waits for the epochs up
//! to its own; what is enqueued after it belongs to a later one, so that a busy producer cannot hold a flush up.
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use courant_client::Error;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Counts batches by epoch.
pub(crate) struct Outstanding {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    epoch: u64,
    batches: BTreeMap<u64, usize>,
    waiters: BTreeMap<u64, Waiter>,
    next_waiter: u64,
    failed_records: u64,
}

/// One flush that waits.
struct Waiter {
    epoch: u64,
    failures: Failures,
    waker: Option<Waker>,
}

/// What failed while a flush waited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    /// How many records.
    pub(crate) records: usize,
    /// Why the first of them did.
    pub(crate) first: Option<Error>,
}

impl Outstanding {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()) })
    }

    /// Registers a batch that is being opened.
    pub(crate) fn open(self: &Arc<Self>) -> Token {
        let mut state = self.lock();
        let epoch = state.epoch;
        *state.batches.entry(epoch).or_default() += 1;
        Token { outstanding: Arc::clone(self), epoch }
    }

    /// Closes the current epoch; the flush ends when no batch of it, or of one before, is left.
    pub(crate) fn flush(self: &Arc<Self>) -> Flush {
        let mut state = self.lock();
        let epoch = state.epoch;
        state.epoch += 1;
        let id = state.next_waiter;
        state.next_waiter += 1;
        state.waiters.insert(id, Waiter { epoch, failures: Failures::default(), waker: None });
        Flush { outstanding: Arc::clone(self), id, epoch }
    }

    /// How many records were accepted and failed.
    pub(crate) fn failed_records(&self) -> u64 {
        self.lock().failed_records
    }

    fn close(&self, epoch: u64) {
        let mut state = self.lock();
        if let Some(count) = state.batches.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                state.batches.remove(&epoch);
            }
        }
        let oldest = state.oldest();
        let done = state.waiters.values_mut().filter(|waiter| waiter.epoch < oldest);
        let wakers: Vec<Waker> = done.filter_map(|waiter| waiter.waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest epoch that still has a batch.
    fn oldest(&self) -> u64 {
        self.batches.first_key_value().map_or(u64::MAX, |(epoch, _)| *epoch)
    }
}

/// A batch's place among the outstanding ones; dropped after the batch was completed.
pub(crate) struct Token {
    outstanding: Arc<Outstanding>,
    epoch: u64,
}

impl Token {
    /// The flush epoch that the batch belongs to.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tells the flushes that wait for this batch that records of it failed.
    pub(crate) fn note_failure(&self, records: usize, error: &Error) {
        let mut state = self.outstanding.lock();
        state.failed_records += records as u64;
        for waiter in state.waiters.values_mut().filter(|waiter| waiter.epoch >= self.epoch) {
            waiter.failures.records += records;
            waiter.failures.first.get_or_insert_with(|| error.clone());
        }
    }
}

impl Clone for Token {
    /// For a part of a batch that was split: it belongs to the same flush.
    fn clone(&self) -> Self {
        *self.outstanding.lock().batches.entry(self.epoch).or_default() += 1;
        Self { outstanding: Arc::clone(&self.outstanding), epoch: self.epoch }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.outstanding.close(self.epoch);
    }
}

/// The wait for everything that was enqueued before it was made.
pub(crate) struct Flush {
    outstanding: Arc<Outstanding>,
    id: u64,
    epoch: u64,
}

impl Flush {
    /// The epoch that it closed.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Future for Flush {
    type Output = Failures;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Failures> {
        let mut state = self.outstanding.lock();
        let done = self.epoch < state.oldest();
        let Some(waiter) = state.waiters.get_mut(&self.id) else {
            return Poll::Ready(Failures::default());
        };
        if done {
            return Poll::Ready(waiter.failures.clone());
        }
        waiter.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.outstanding.lock().waiters.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(flush: &mut Flush) -> Poll<Failures> {
        Pin::new(flush).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_flush_waits_for_what_was_before_it_and_for_nothing_after() {
        let outstanding = Outstanding::new();
        let before = outstanding.open();
        let mut flush = outstanding.flush();
        let after = outstanding.open();
        assert!(poll(&mut flush).is_pending());
        let part = before.clone();
        drop(before);
        assert!(poll(&mut flush).is_pending(), "half of a batch that was split is left");
        drop(part);
        assert!(poll(&mut flush).is_ready());
        drop(after);
    }

    #[test]
    fn a_flush_reports_the_failures_of_its_own_records_only() {
        let outstanding = Outstanding::new();
        let before = outstanding.open();
        let mut flush = outstanding.flush();
        let after = outstanding.open();
        let error = Error::new(courant_client::ErrorKind::Timeout, "too late");
        after.note_failure(5, &error);
        before.note_failure(3, &error);
        drop(before);
        let Poll::Ready(failures) = poll(&mut flush) else { panic!("nothing is left to wait for") };
        assert_eq!(failures.records, 3);
    }
}
