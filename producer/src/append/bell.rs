//! The bell that wakes the driver, and the list of partitions that have something new for it.
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::open_batch::Slot;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Rung by the tasks that enqueue, heard by the driver.
#[derive(Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rung: bool,
    slots: Vec<Arc<Slot>>,
    driver: Option<Waker>,
}

impl Bell {
    /// Says that `slot` has something new. The caller holds the slot's lock and has marked it as announced.
    pub(crate) fn announce(&self, slot: &Arc<Slot>) {
        let mut state = self.lock();
        state.slots.push(Arc::clone(slot));
        self.ring_with(state);
    }

    /// Wakes the driver for something that concerns no single partition.
    pub(crate) fn ring(&self) {
        let state = self.lock();
        self.ring_with(state);
    }

    /// Moves the partitions with news into `slots`; pending (and remembered) if the bell was not rung.
    pub(crate) fn poll_heard(&self, cx: &mut Context<'_>, slots: &mut Vec<Arc<Slot>>) -> Poll<()> {
        let mut state = self.lock();
        if std::mem::take(&mut state.rung) {
            slots.append(&mut state.slots);
            return Poll::Ready(());
        }
        match &mut state.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            None => state.driver = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn ring_with(&self, mut state: MutexGuard<'_, State>) {
        // A bell that is ringing already has woken the driver, who has not come yet.
        if std::mem::replace(&mut state.rung, true) {
            return;
        }
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
