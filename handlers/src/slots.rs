//! The calls that are running: one slot for each, polled when its own waker says so, in the task that polls the runner.
//!
//! Cost: a slot owns the memory of one future and one waker, and is used again for the next record, so that a call allocates
//! nothing but what the application's own future does.
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use courant_producer::{RecordMetadata, SendError};

use crate::machine::lanes::RecordId;

/// A dead letter on its way.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<RecordMetadata, SendError>> + Send>>;

/// All slots; `F` is one call of the handler.
pub(crate) struct Slots<F> {
    slots: Vec<Slot<F>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
}

struct Slot<F> {
    id: Option<RecordId>,
    /// A box whose inside is exchanged, so that it is allocated once.
    call: Pin<Box<Option<F>>>,
    letter: Option<Sending>,
    waker: Waker,
}

/// How a call, or the writing of a dead letter, ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    Call(T),
    /// With this text.
    Panicked(String),
    Letter(Result<(), SendError>),
}

impl<F: Future> Slots<F> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), woken: Arc::default() }
    }

    /// The task to wake when one of them can go on.
    pub(crate) fn register(&self, waker: &Waker) {
        match &mut self.woken.state().driver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Begins to poll the call for a record.
    pub(crate) fn start(&mut self, id: RecordId, call: F) {
        let slot = self.take_slot(id);
        slot.0.call.as_mut().set(Some(call));
        let index = slot.1;
        self.woken.push(index);
    }

    /// Begins to write the dead letter of a record.
    pub(crate) fn send(&mut self, id: RecordId, letter: Sending) {
        let (slot, index) = self.take_slot(id);
        slot.letter = Some(letter);
        self.woken.push(index);
    }

    fn take_slot(&mut self, id: RecordId) -> (&mut Slot<F>, usize) {
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            let waker = Waker::from(Arc::new(SlotWaker { index, woken: Arc::clone(&self.woken) }));
            self.slots.push(Slot { id: None, call: Box::pin(None), letter: None, waker });
        }
        let slot = &mut self.slots[index];
        slot.id = Some(id);
        (slot, index)
    }

    /// Polls those that were woken, one poll each and `budget` in all, until one has ended. Nothing is left to poll for now
    /// if it gives none and there is budget left.
    pub(crate) fn poll_ended(&mut self, budget: &mut usize) -> Option<(RecordId, Ended<F::Output>)> {
        while *budget > 0 {
            let index = self.woken.pop()?;
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let Some(id) = slot.id else { continue };
            *budget -= 1;
            if let Poll::Ready(ended) = slot.poll() {
                self.clear(index);
                return Some((id, ended));
            }
        }
        None
    }

    /// Drops the calls and letters of these records where they stand.
    pub(crate) fn cancel(&mut self, records: &[RecordId]) {
        for index in 0..self.slots.len() {
            if self.slots[index].id.is_some_and(|id| records.contains(&id)) {
                self.clear(index);
            }
        }
    }

    fn clear(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.id = None;
        slot.call.as_mut().set(None);
        slot.letter = None;
        self.free.push(index);
    }
}

impl<F: Future> Slot<F> {
    fn poll(&mut self) -> Poll<Ended<F::Output>> {
        let Self { call, letter, waker, .. } = self;
        let mut cx = Context::from_waker(waker);
        if let Some(letter) = letter {
            return letter.as_mut().poll(&mut cx).map(|sent| Ended::Letter(sent.map(drop)));
        }
        let Some(call) = call.as_mut().as_pin_mut() else { return Poll::Pending };
        // What a panic leaves behind of the call is dropped and never looked at.
        match catch_unwind(AssertUnwindSafe(|| call.poll(&mut cx))) {
            Ok(polled) => polled.map(Ended::Call),
            Err(panic) => Poll::Ready(Ended::Panicked(text_of(&*panic))),
        }
    }
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text").to_owned()
}

impl<F> fmt::Debug for Slots<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("all", &self.slots.len()).field("free", &self.free.len()).finish()
    }
}

/// Which slots can go on.
#[derive(Default)]
struct Woken {
    state: Mutex<WokenState>,
}

#[derive(Default)]
struct WokenState {
    queue: VecDeque<usize>,
    /// By index, whether it is in the queue.
    queued: Vec<bool>,
    driver: Option<Waker>,
}

impl Woken {
    fn state(&self) -> MutexGuard<'_, WokenState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a slot; true if it was not.
    fn push(&self, index: usize) -> bool {
        let mut state = self.state();
        if state.queued.len() <= index {
            state.queued.resize(index + 1, false);
        }
        let fresh = !std::mem::replace(&mut state.queued[index], true);
        if fresh {
            state.queue.push_back(index);
        }
        fresh
    }

    fn pop(&self) -> Option<usize> {
        let mut state = self.state();
        let index = state.queue.pop_front()?;
        state.queued[index] = false;
        Some(index)
    }
}

/// Wakes the runner's task for one slot.
struct SlotWaker {
    index: usize,
    woken: Arc<Woken>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.push(self.index) {
            let driver = self.woken.state().driver.clone();
            if let Some(driver) = driver {
                driver.wake();
            }
        }
    }
}
