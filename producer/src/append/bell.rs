//! The bell that wakes the driver, and the list of partitions that have something new for it.
//!
//! A wake-up costs more than a hundred records, so there is none that is not needed: a driver that is awake looks at the
//! list before it sleeps, and a batch that was just opened can wait for a driver that comes in time anyway.
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

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
    driver: Driver,
    /// Wakes the driver; it is given anew where it was used up.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Default)]
enum Driver {
    /// It will look once more before it sleeps.
    #[default]
    Awake,
    /// It comes back by itself at that time, if at all.
    Asleep { until: Option<Instant> },
}

impl Bell {
    /// Says that `slot`, unless it is told of already, has something new, which the driver has to hear of at `by`, or at
    /// once. The caller holds the slot's lock.
    pub(super) fn announce(&self, slot: Option<&Arc<Slot>>, by: Option<Instant>) {
        let mut state = self.lock();
        state.slots.extend(slot.cloned());
        let comes_in_time = match (state.driver, by) {
            (Driver::Awake, _) => true,
            (Driver::Asleep { until: Some(until) }, Some(by)) => until <= by,
            (Driver::Asleep { .. }, _) => false,
        };
        if !comes_in_time {
            wake(state);
        }
    }

    /// Wakes the driver for something that concerns no single partition.
    pub(crate) fn ring(&self) {
        let mut state = self.lock();
        state.rung = true;
        wake(state);
    }

    /// Moves the partitions with news into `slots`, and says whether the bell was rung or there are any. Whoever wants to
    /// be woken for the next news has to [`sleep`](Self::sleep).
    pub(crate) fn hear(&self, slots: &mut Vec<Arc<Slot>>) -> bool {
        let mut state = self.lock();
        state.driver = Driver::Awake;
        slots.append(&mut state.slots);
        std::mem::take(&mut state.rung) || !slots.is_empty()
    }

    /// The driver, which comes back by itself at `until`, wants to be woken for what cannot wait so long. Ready if there
    /// is something new already, which it has to hear first.
    pub(crate) fn sleep(&self, cx: &Context<'_>, until: Option<Instant>) -> Poll<()> {
        let mut state = self.lock();
        if state.rung || !state.slots.is_empty() {
            return Poll::Ready(());
        }
        state.driver = Driver::Asleep { until };
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    if let Driver::Asleep { .. } = std::mem::take(&mut state.driver)
        && let Some(waker) = state.waker.take()
    {
        drop(state);
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use courant_protocol::types::{PartitionId, TopicId, TopicName};

    use super::super::incarnation::Incarnation;
    use super::super::open_batch::Gate;
    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn slot() -> Arc<Slot> {
        let topic = Incarnation::new(TopicName::from("t"), TopicId::ZERO);
        Slot::new(topic, PartitionId(0), 0, Gate::Open)
    }

    #[test]
    fn a_driver_that_comes_in_time_is_left_asleep() {
        let (bell, slot, wakes) = (Bell::default(), slot(), Arc::new(Wakes::default()));
        let waker = Waker::from(Arc::clone(&wakes));
        let cx = Context::from_waker(&waker);
        let woken = || wakes.0.load(Ordering::Relaxed);
        let now = Instant::now();
        let later = now + Duration::from_millis(5);
        for (until, by, expected) in [
            (Some(now), Some(later), 0),
            (Some(later), Some(later), 0),
            (Some(later), Some(now), 1),
            (None, Some(later), 2),
            (Some(now), None, 3),
        ] {
            assert!(bell.sleep(&cx, until).is_pending());
            bell.announce(Some(&slot), by);
            assert_eq!(woken(), expected, "asleep until {until:?}, needed by {by:?}");
            let mut heard = Vec::new();
            assert!(bell.hear(&mut heard));
            assert_eq!(heard.len(), 1);
        }
    }

    #[test]
    fn a_driver_hears_what_came_while_it_was_awake_before_it_sleeps() {
        let (bell, slot) = (Bell::default(), slot());
        let cx = Context::from_waker(Waker::noop());
        assert!(!bell.hear(&mut Vec::new()));
        bell.announce(Some(&slot), None);
        assert!(bell.sleep(&cx, None).is_ready());
        assert!(bell.hear(&mut Vec::new()));
        bell.ring();
        assert!(bell.sleep(&cx, None).is_ready());
        assert!(bell.hear(&mut Vec::new()));
        assert!(bell.sleep(&cx, None).is_pending());
    }

    #[test]
    fn a_sleeping_driver_is_woken_once() {
        let (bell, slot, wakes) = (Bell::default(), slot(), Arc::new(Wakes::default()));
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(bell.sleep(&Context::from_waker(&waker), None).is_pending());
        bell.ring();
        bell.ring();
        bell.announce(Some(&slot), None);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    }
}
