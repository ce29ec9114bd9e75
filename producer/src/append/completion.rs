//! The one completion object of a batch, and a record's place in it.
//!
//! A batch of a thousand records has one of these; each record's delivery is the pair (this, index). Nothing is
//! allocated for a record until somebody waits for it.
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use courant_client::Error;
use courant_protocol::types::{Offset, PartitionId, TopicName, UnixMillis};

use super::undelivered::Undelivered;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// How a batch ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The broker has it (or, with `acks=0`, it was handed to the socket).
    Written {
        /// The offset of the first record; none where the broker did not say it.
        base_offset: Offset,
        /// The broker's own time, where the topic wants that (KIP-32).
        log_append_time: Option<UnixMillis>,
    },
    /// It failed; some records may have an error of their own (KIP-467), sorted by their index.
    Failed {
        error: Error,
        record_errors: Arc<[(u32, Error)]>,
        /// The records, if it is certain that they are in no log.
        undelivered: Option<Arc<Undelivered>>,
    },
    /// It was too large and was cut into parts; each starts at the index beside it.
    Split(Arc<[(u32, Arc<Completion>)]>),
}

/// What becomes of one record.
#[derive(Clone, Debug)]
pub(crate) enum Delivered {
    /// It has this offset, and the broker's time if that replaced its own.
    At { offset: Offset, log_append_time: Option<UnixMillis> },
    /// It failed, and is in no log if it comes back.
    Failed { error: Error, undelivered: Option<Arc<Undelivered>> },
    /// Its batch was split: ask there, under that index.
    Moved(Arc<Completion>, u32),
}

/// Shared by the batch, which completes it, and the deliveries of its records, which wait for it.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Where the records go.
    pub(crate) topic: TopicName,
    /// Where the records go.
    pub(crate) partition: PartitionId,
    state: Mutex<State>,
}

/// Called with a record's batch and its index there, once that batch has an outcome of its own.
pub(crate) type Watcher = Box<dyn FnOnce(&Completion, u32) + Send>;

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    waiters: Vec<(u64, Waker)>,
    next_waiter: u64,
    /// By the index of their record; none unless somebody asked.
    watchers: Vec<(u32, Watcher)>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl Completion {
    pub(crate) fn new(topic: TopicName, partition: PartitionId) -> Arc<Self> {
        Arc::new(Self { topic, partition, state: Mutex::new(State::default()) })
    }

    /// Sets the outcome and wakes whoever waits. A second outcome is ignored: the first one was given away.
    pub(crate) fn complete(&self, outcome: Outcome) {
        let mut state = self.lock();
        if state.outcome.is_some() {
            debug_assert!(false, "a batch completes once");
            return;
        }
        state.outcome = Some(outcome);
        let waiters = std::mem::take(&mut state.waiters);
        let mut watchers = std::mem::take(&mut state.watchers);
        drop(state);
        waiters.into_iter().for_each(|(_, waker)| waker.wake());
        // Tasks that append at the same time may have come to watch in another order.
        watchers.sort_by_key(|(index, _)| *index);
        watchers.into_iter().for_each(|(index, watcher)| self.watch(index, watcher));
    }

    /// Has `watcher` called when the record at `index` has its outcome: now if it has, or else by whoever completes the
    /// batch, the batch's records in their order. No lock is held then.
    pub(crate) fn watch(&self, index: u32, watcher: Watcher) {
        let mut state = self.lock();
        match &state.outcome {
            None => state.watchers.push((index, watcher)),
            Some(outcome) => match outcome.of_record(index) {
                Delivered::Moved(part, place) => {
                    drop(state);
                    part.watch(place, watcher);
                }
                Delivered::At { .. } | Delivered::Failed { .. } => {
                    drop(state);
                    watcher(self, index);
                }
            },
        }
    }

    /// What became of the record at `index`; `waiter` is the caller's registration, which it keeps between polls.
    pub(crate) fn poll_record(
        &self,
        cx: &mut Context<'_>,
        index: u32,
        waiter: &mut Option<u64>,
    ) -> Poll<Delivered> {
        let mut state = self.lock();
        if let Some(outcome) = &state.outcome {
            *waiter = None;
            return Poll::Ready(outcome.of_record(index));
        }
        let known = waiter.and_then(|id| state.waiters.binary_search_by_key(&id, |(id, _)| *id).ok());
        match known.and_then(|place| state.waiters.get_mut(place)) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => {
                let id = state.next_waiter;
                state.next_waiter += 1;
                state.waiters.push((id, cx.waker().clone()));
                *waiter = Some(id);
            }
        }
        Poll::Pending
    }

    /// What became of the record, if that is known already.
    pub(crate) fn now(&self, index: u32) -> Option<Delivered> {
        self.lock().outcome.as_ref().map(|outcome| outcome.of_record(index))
    }

    /// Forgets a waiter that was dropped.
    pub(crate) fn forget(&self, waiter: u64) {
        let mut state = self.lock();
        if let Ok(place) = state.waiters.binary_search_by_key(&waiter, |(id, _)| *id) {
            state.waiters.remove(place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcome {
    fn of_record(&self, index: u32) -> Delivered {
        match self {
            Self::Written { base_offset, log_append_time } => {
                let offset = match base_offset.is_some() {
                    true => Offset(base_offset.0 + i64::from(index)),
                    false => Offset::NONE,
                };
                Delivered::At { offset, log_append_time: *log_append_time }
            }
            Self::Failed { error, record_errors, undelivered } => {
                let own = record_errors.binary_search_by_key(&index, |(at, _)| *at).ok();
                let own = own.and_then(|place| record_errors.get(place));
                let error = own.map_or(error, |(_, own)| own).clone();
                Delivered::Failed { error, undelivered: undelivered.clone() }
            }
            Self::Split(parts) => {
                let part = parts.iter().rev().find(|(start, _)| *start <= index);
                match part {
                    Some((start, completion)) => Delivered::Moved(Arc::clone(completion), index - start),
                    None => Delivered::Failed {
                        error: Error::new(
                            courant_client::ErrorKind::Internal,
                            "a record was lost when its batch was split",
                        ),
                        undelivered: None,
                    },
                }
            }
        }
    }
}
