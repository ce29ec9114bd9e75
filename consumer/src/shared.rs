//! The room that the application's task and the driver share: one lock around the state, and who waits for news of it.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::interceptor::Interceptors;
use crate::machine::reading::Reading;

/// The state of a consumer behind its lock.
#[derive(Debug)]
pub(crate) struct Shared {
    reading: Mutex<Reading>,
    waiting: Mutex<Waiting>,
    /// Called outside of the locks.
    pub(crate) interceptors: Option<Interceptors>,
    /// What plays the driver, where there is none.
    #[cfg(feature = "mock")]
    pub(crate) script: Option<std::sync::Arc<crate::mock::Script>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Tasks of the application that wait for records, results or positions.
    application: Vec<Waker>,
    driver: Option<Waker>,
    /// Whether the driver has to look again.
    kicked: bool,
}

impl Shared {
    pub(crate) fn new(mut reading: Reading, interceptors: Option<Interceptors>) -> Self {
        if interceptors.is_some() {
            reading.commits.keep_taken();
        }
        Self {
            reading: Mutex::new(reading),
            waiting: Mutex::default(),
            interceptors,
            #[cfg(feature = "mock")]
            script: None,
        }
    }

    /// The state. Nobody holds it while waiting for anything.
    pub(crate) fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when `look` finds something; until then the task is woken whenever the state changes.
    pub(crate) fn poll_until<T>(
        &self,
        cx: &Context<'_>,
        look: impl FnOnce(&mut Reading) -> Option<T>,
    ) -> Poll<T> {
        #[cfg(feature = "mock")]
        if let Some(script) = &self.script {
            script.play(self);
        }
        let mut reading = self.reading();
        if let Some(found) = look(&mut reading) {
            return Poll::Ready(found);
        }
        // Registered before the lock is released: a change after this look wakes the task.
        let mut waiting = self.waiting();
        if !waiting.application.iter().any(|known| known.will_wake(cx.waker())) {
            waiting.application.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The state has changed: whoever waits looks again.
    pub(crate) fn wake_application(&self) {
        let wakers = std::mem::take(&mut self.waiting().application);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// There is something for the driver to do.
    pub(crate) fn kick_driver(&self) {
        let waker = {
            let mut waiting = self.waiting();
            waiting.kicked = true;
            waiting.driver.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The driver's side of [`Shared::kick_driver`].
    pub(crate) fn poll_kicked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if std::mem::take(&mut waiting.kicked) {
            return Poll::Ready(());
        }
        match &mut waiting.driver {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}
