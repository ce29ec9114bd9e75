//! The states of an application, and a stream of their changes.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use courant_runtime::watch;
use futures_core::Stream;

/// What an application is doing, in Kafka Streams' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// It was made and reads nothing yet.
    Created,
    /// Its tasks are being divided, or their stores restored.
    Rebalancing,
    /// All of its tasks run.
    Running,
    /// It was asked to end, and commits.
    PendingShutdown,
    /// It has ended as it was asked to.
    NotRunning,
    /// It failed, and ends.
    PendingError,
    /// It has failed and ended.
    Error,
}

impl State {
    /// Whether nothing comes after it.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::NotRunning | Self::Error)
    }
}

impl fmt::Display for State {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::Rebalancing => "REBALANCING",
            Self::Running => "RUNNING",
            Self::PendingShutdown => "PENDING_SHUTDOWN",
            Self::NotRunning => "NOT_RUNNING",
            Self::PendingError => "PENDING_ERROR",
            Self::Error => "ERROR",
        })
    }
}

/// The changes of an application's state; made by [`StreamsApp::states`](crate::StreamsApp::states).
///
/// It begins with the state at hand and ends behind the last one. States that follow each other faster than they are asked
/// for are passed over, but never the last one.
#[must_use = "a stream does nothing until it is asked"]
pub struct States {
    next: Pin<Box<dyn Future<Output = Next> + Send + Sync>>,
    ended: bool,
}

/// The next state, and where the one after it comes from; nothing once there is none.
type Next = Option<(State, watch::Receiver<State>)>;

impl States {
    pub(super) fn new(receiver: watch::Receiver<State>) -> Self {
        let state = *receiver.borrow();
        Self { next: Box::pin(std::future::ready(Some((state, receiver)))), ended: false }
    }
}

async fn change(mut receiver: watch::Receiver<State>) -> Next {
    receiver.changed().await.ok()?;
    let state = *receiver.borrow_and_update();
    Some((state, receiver))
}

impl Stream for States {
    type Item = State;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<State>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.next.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some((state, mut receiver))) => {
                receiver.borrow_and_update();
                self.ended = state.has_ended();
                self.next = Box::pin(change(receiver));
                Poll::Ready(Some(state))
            }
        }
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").finish_non_exhaustive()
    }
}
