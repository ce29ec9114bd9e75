//! What the worker tells its tasks, and how tasks wait.
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::{World, watch};

/// What a task is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// Hold still.
    pub(crate) paused: bool,
    /// End, by this time.
    pub(crate) stop_by: Option<Instant>,
    /// Somebody waits for these offsets to be committed: do so as soon as they are reached.
    pub(crate) wanted: BTreeMap<TopicPartition, Offset>,
    /// Somebody waits for a flush; each request counts up.
    pub(crate) flushes: u64,
}

/// A task's end of the line to the worker.
pub(crate) struct ControlReceiver {
    receiver: watch::Receiver<Control>,
}

impl ControlReceiver {
    pub(crate) fn new(receiver: watch::Receiver<Control>) -> Self {
        Self { receiver }
    }

    /// Another end of the line.
    pub(crate) fn another(&self) -> Self {
        Self { receiver: self.receiver.clone() }
    }

    /// What is asked for now.
    pub(crate) fn now(&self) -> Control {
        self.receiver.borrow().clone()
    }

    /// Whether the task is to end, and by when.
    pub(crate) fn stop_by(&self) -> Option<Instant> {
        self.receiver.borrow().stop_by
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.receiver.borrow().paused
    }

    /// Waits until something else is asked for. A worker that is gone asks for nothing more.
    pub(crate) async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until a time, or until the task is to end; true if the time has come.
    pub(crate) async fn sleep_until(&self, world: &World, at: Instant) -> bool {
        self.unless_stopped(world.sleep_until(at)).await.is_some()
    }

    /// Waits for a future, or until the task is to end; then the future is dropped and there is nothing.
    pub(crate) async fn unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut receiver = self.receiver.clone();
        let mut stopped = pin!(receiver.wait_for(|control| control.stop_by.is_some()));
        let mut future = pin!(future);
        poll_fn(|cx| {
            // First: a task that is to stop does not begin anything, even if it could.
            if let Poll::Ready(Ok(_)) = stopped.as_mut().poll(cx) {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// Waits for a future until a time; `None` if that passes first.
pub(crate) async fn until<F: Future>(world: &World, deadline: Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = pin!(world.sleep_until(deadline));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}
