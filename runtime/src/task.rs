//! Tasks: spawned by a world, joined by whoever closes what they serve.
use crate::BoxFuture;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Wraps every task of a [`World`](crate::World) before it is spawned; a simulation uses it to stop a whole host at once.
pub trait Spawner: Send + Sync + 'static {
    /// Gives the future that is spawned in place of `future`.
    fn wrap(&self, name: &'static str, future: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
}

/// A running task. Dropping this lets it run on; [`Task::abort`] stops it.
#[must_use = "a task that nobody joins outlives what it serves"]
pub struct Task {
    name: &'static str,
    handle: Option<JoinHandle<()>>,
}

impl Task {
    pub(crate) fn spawn(
        runtime: Option<&Handle>,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { name, handle: current(runtime).map(|runtime| runtime.spawn(future)) }
    }

    /// What the task was named when it was spawned.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the task at its next `await`, or at once if it waits.
    pub fn abort(&self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }

    /// Waits until the task has ended.
    ///
    /// # Errors
    /// A [`TaskError`] if it did not end by itself.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the task, which runs on. A future that was polled can be polled again later
    /// (it borrows the task), so `join` may stand in a `select!`.
    pub async fn join(&mut self) -> Result<(), TaskError> {
        match &mut self.handle {
            Some(handle) => {
                let ended = handle.await;
                self.handle = None;
                ended.map_err(TaskError::from_tokio)
            }
            None => Err(TaskError::NotRunning),
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.name).field("finished", &self.is_finished()).finish()
    }
}

/// Work that runs beside the async tasks because it computes or blocks; a future of its result.
///
/// Dropping it lets the work run on.
#[must_use = "await it for its result"]
pub struct BlockingTask<T> {
    state: Blocking<T>,
}

enum Blocking<T> {
    Ended(Option<Result<T, TaskError>>),
    Running(JoinHandle<T>),
}

impl<T: Send + 'static> BlockingTask<T> {
    pub(crate) fn inline(work: impl FnOnce() -> T) -> Self {
        Self { state: Blocking::Ended(Some(Ok(work()))) }
    }

    pub(crate) fn spawn(runtime: Option<&Handle>, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let state = match current(runtime) {
            Some(runtime) => Blocking::Running(runtime.spawn_blocking(work)),
            None => Blocking::Ended(Some(Err(TaskError::NotRunning))),
        };
        Self { state }
    }
}

// It holds no reference into itself.
impl<T> Unpin for BlockingTask<T> {}

impl<T> Future for BlockingTask<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            Blocking::Ended(result) => Poll::Ready(result.take().unwrap_or(Err(TaskError::NotRunning))),
            Blocking::Running(handle) => Pin::new(handle).poll(cx).map_err(TaskError::from_tokio),
        }
    }
}

impl<T> fmt::Debug for BlockingTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingTask").finish_non_exhaustive()
    }
}

/// Why a task gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError {
    /// It was aborted, or its runtime was shut down.
    Aborted,
    /// It panicked; the message is what it said.
    Panicked(String),
    /// It never ran because there was no tokio runtime, or it was joined before.
    NotRunning,
}

impl TaskError {
    fn from_tokio(error: tokio::task::JoinError) -> Self {
        match error.try_into_panic() {
            Ok(payload) => Self::Panicked(panic_text(&*payload)),
            Err(_) => Self::Aborted,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("the task was stopped before it ended"),
            Self::Panicked(text) => write!(f, "the task panicked: {text}"),
            Self::NotRunning => {
                f.write_str("the task does not run: there is no tokio runtime, or it was joined before")
            }
        }
    }
}

impl std::error::Error for TaskError {}

/// The caller's runtime; from a thread without one, the runtime in which the world was made.
fn current(fallback: Option<&Handle>) -> Option<Handle> {
    Handle::try_current().ok().or_else(|| fallback.cloned())
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".to_owned())
}
