//! The one completion object of a batch, and a record's place in it.
//!
//! A batch of a thousand records has one of these; each record's delivery is the pair (this, index). Nothing is
//! allocated for a record until somebody waits for it.
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use courant_client::Error;
use courant_protocol::types::{Offset, PartitionId, TopicName, UnixMillis};

use super::undelivered::Undelivered;
use crate::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

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
///
/// Once there is an outcome it stands for good, and is read without a lock: of the many that wait for one batch, each
/// comes back to ask.
pub(crate) struct Completion {
    /// Where the records go.
    pub(crate) topic: TopicName,
    /// Where the records go.
    pub(crate) partition: PartitionId,
    outcome: OnceLock<Outcome>,
    waiting: Mutex<Waiting>,
}

/// Called with a record's batch and its index there, once that batch has an outcome of its own.
pub(crate) type Watcher = Box<dyn FnOnce(&Completion, u32) + Send>;

/// Who waits for the outcome. A task's entry belongs to its deliveries until they have the outcome or are dropped.
#[derive(Default)]
struct Waiting {
    /// The first task; mostly there is no other, and no list to allocate.
    first: Option<Entry>,
    others: Vec<Entry>,
    /// By the index of their record; none unless somebody asked.
    watchers: Vec<(u32, Watcher)>,
}

struct Entry {
    waker: Option<Waker>,
    /// How many deliveries share it: a task that waits for many records of a batch is woken once.
    deliveries: u32,
}

/// Where a delivery is entered among those that wait for its batch, counted from one.
#[derive(Debug, Default)]
pub(crate) struct Waiter(Option<NonZeroU32>);

impl Completion {
    pub(crate) fn new(topic: TopicName, partition: PartitionId) -> Arc<Self> {
        Arc::new(Self { topic, partition, outcome: OnceLock::new(), waiting: Mutex::default() })
    }

    /// Sets the outcome and wakes whoever waits. A second outcome is ignored: the first one was given away.
    pub(crate) fn complete(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_err() {
            debug_assert!(false, "a batch completes once");
            return;
        }
        // Whoever waits has looked for the outcome again under this lock, so that nobody comes too late to be told.
        let Waiting { first, others, mut watchers } = std::mem::take(&mut *self.lock());
        first.into_iter().chain(others).filter_map(|entry| entry.waker).for_each(Waker::wake);
        // Tasks that append at the same time may have come to watch in another order.
        watchers.sort_by_key(|(index, _)| *index);
        watchers.into_iter().for_each(|(index, watcher)| self.watch(index, watcher));
    }

    /// Has `watcher` called when the record at `index` has its outcome: now if it has, or else by whoever completes the
    /// batch, the batch's records in their order. No lock is held then.
    pub(crate) fn watch(&self, index: u32, watcher: Watcher) {
        let mut waiting = self.lock();
        let Some(outcome) = self.outcome.get() else { return waiting.watchers.push((index, watcher)) };
        drop(waiting);
        match outcome.of_record(index) {
            Delivered::Moved(part, place) => part.watch(place, watcher),
            Delivered::At { .. } | Delivered::Failed { .. } => watcher(self, index),
        }
    }

    /// What became of the record at `index`; `waiter` is the caller's registration, which it keeps between polls.
    #[inline(always)]
    pub(crate) fn poll_record(
        &self,
        cx: &mut Context<'_>,
        index: u32,
        waiter: &mut Waiter,
    ) -> Poll<Delivered> {
        match self.outcome.get() {
            Some(outcome) => {
                waiter.0 = None;
                Poll::Ready(outcome.of_record(index))
            }
            None => self.wait(cx, index, waiter),
        }
    }

    #[inline(never)]
    fn wait(&self, cx: &mut Context<'_>, index: u32, waiter: &mut Waiter) -> Poll<Delivered> {
        let mut waiting = self.lock();
        if let Some(outcome) = self.outcome.get() {
            waiter.0 = None;
            return Poll::Ready(outcome.of_record(index));
        }
        waiting.register(cx.waker(), waiter);
        Poll::Pending
    }

    /// What became of the record, if that is known already.
    #[inline]
    pub(crate) fn now(&self, index: u32) -> Option<Delivered> {
        self.outcome.get().map(|outcome| outcome.of_record(index))
    }

    /// Forgets a waiter that is dropped.
    #[inline]
    pub(crate) fn forget(&self, waiter: &mut Waiter) {
        if waiter.0.is_some() {
            self.lock().leave(waiter);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl Waiting {
    fn register(&mut self, waker: &Waker, waiter: &mut Waiter) {
        match self.entry(waiter) {
            Some(entry) if entry.wakes(waker) => return,
            // Nobody shares it, so it may follow its delivery to another task.
            Some(entry) if entry.deliveries == 1 => return entry.waker = Some(waker.clone()),
            _ => self.leave(waiter),
        }
        let entry = || Entry { waker: Some(waker.clone()), deliveries: 1 };
        match self.others.last_mut().or(self.first.as_mut()) {
            Some(last) if last.wakes(waker) => last.deliveries += 1,
            Some(_) => self.others.push(entry()),
            None => self.first = Some(entry()),
        }
        waiter.0 = u32::try_from(1 + self.others.len()).ok().and_then(NonZeroU32::new);
    }

    fn leave(&mut self, waiter: &mut Waiter) {
        if let Some(entry) = self.entry(waiter) {
            entry.deliveries -= 1;
            if entry.deliveries == 0 {
                entry.waker = None;
            }
        }
        waiter.0 = None;
    }

    fn entry(&mut self, waiter: &Waiter) -> Option<&mut Entry> {
        match waiter.0?.get() {
            1 => self.first.as_mut(),
            number => self.others.get_mut(number as usize - 2),
        }
    }
}

impl Entry {
    fn wakes(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }
}

impl Outcome {
    #[inline(always)]
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
                Self::of_failed(error, record_errors, undelivered.as_ref(), index)
            }
            Self::Split(parts) => Self::of_part(parts, index),
        }
    }

    /// The record's own error, or that of the batch.
    #[cold]
    fn of_failed(
        error: &Error,
        record_errors: &[(u32, Error)],
        undelivered: Option<&Arc<Undelivered>>,
        index: u32,
    ) -> Delivered {
        let own = record_errors.binary_search_by_key(&index, |(at, _)| *at).ok();
        let own = own.and_then(|place| record_errors.get(place));
        let error = own.map_or(error, |(_, own)| own).clone();
        Delivered::Failed { error, undelivered: undelivered.cloned() }
    }

    /// Where the record went when its batch was split.
    #[cold]
    fn of_part(parts: &[(u32, Arc<Completion>)], index: u32) -> Delivered {
        let part = parts.iter().rev().find(|(start, _)| *start <= index);
        match part {
            Some((start, completion)) => Delivered::Moved(Arc::clone(completion), index - start),
            None => {
                let what = "a record was lost when its batch was split";
                let error = Error::new(courant_client::ErrorKind::Internal, what);
                Delivered::Failed { error, undelivered: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(completion: &Completion, task: &Arc<Task>, waiter: &mut Waiter) -> bool {
        let waker = Waker::from(Arc::clone(task));
        completion.poll_record(&mut Context::from_waker(&waker), 0, waiter).is_ready()
    }

    fn complete(completion: &Completion) {
        completion.complete(Outcome::Written { base_offset: Offset(0), log_append_time: None });
    }

    fn woken(task: &Arc<Task>) -> usize {
        task.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_task_that_waits_for_many_records_is_woken_once() {
        let completion = Completion::new(TopicName::from("t"), PartitionId(0));
        let (one, other) = (Arc::new(Task::default()), Arc::new(Task::default()));
        let mut waiters: [Waiter; 3] = Default::default();
        assert!(waiters.iter_mut().all(|waiter| !poll(&completion, &one, waiter)));
        assert!(!poll(&completion, &other, &mut Waiter::default()));
        // Two of the three give up; the third still waits.
        completion.forget(&mut waiters[0]);
        completion.forget(&mut waiters[2]);
        complete(&completion);
        assert_eq!((woken(&one), woken(&other)), (1, 1));
        assert!(poll(&completion, &one, &mut waiters[1]));
    }

    #[test]
    fn a_delivery_that_moves_to_another_task_is_woken_there_and_takes_nobody_with_it() {
        let completion = Completion::new(TopicName::from("t"), PartitionId(0));
        let [one, other, third] = std::array::from_fn(|_| Arc::new(Task::default()));
        let (mut stays, mut moves, mut leaves) = Default::default();
        assert!(!poll(&completion, &one, &mut stays));
        assert!(!poll(&completion, &one, &mut moves));
        assert!(!poll(&completion, &other, &mut moves));
        assert!(!poll(&completion, &third, &mut leaves));
        assert!(!poll(&completion, &other, &mut leaves));
        completion.forget(&mut leaves);
        complete(&completion);
        assert_eq!((woken(&one), woken(&other), woken(&third)), (1, 1, 0));
    }

    #[test]
    fn who_polls_from_ever_other_tasks_takes_no_ever_more_room() {
        let completion = Completion::new(TopicName::from("t"), PartitionId(0));
        let tasks: [Arc<Task>; 2] = std::array::from_fn(|_| Arc::new(Task::default()));
        let mut waiters: [Waiter; 3] = Default::default();
        for turn in 0..100 {
            for waiter in &mut waiters {
                assert!(!poll(&completion, &tasks[turn % 2], waiter));
            }
        }
        assert!(completion.lock().others.len() <= waiters.len());
        complete(&completion);
        assert!(woken(&tasks[1]) >= 1);
    }
}
