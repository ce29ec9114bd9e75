//! A value that many tasks watch; they are woken in the order in which they began to wait.
//!
//! tokio's `watch` spreads its waiters over several lists and wakes these in random order, which is good for many threads
//! and makes a simulation impossible to repeat. This one has the same methods, and keeps the order.
//!
//! ```
//! use courant_runtime::watch;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! runtime.block_on(async {
//!     let (sender, mut receiver) = watch::channel(1);
//!     sender.send_replace(2);
//!     assert_eq!(receiver.wait_for(|number| *number == 2).await.as_deref(), Ok(&2));
//!     drop(sender);
//!     assert!(receiver.changed().await.is_err());
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A watched value and the first one who watches it.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// Changes the value. Dropping it tells the watchers that it changes no more.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Watches the value; what it has seen is its own affair, so each clone hears of each change.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// The value changes no more: its sender is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

struct Shared<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    value: T,
    version: u64,
    is_closed: bool,
    waiters: BTreeMap<u64, Waker>,
    next_waiter: u64,
}

/// The value as it stands; it cannot change while this is held, so hold it briefly.
pub struct Ref<'a, T> {
    state: MutexGuard<'a, State<T>>,
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.state.value
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> (bool, R)) -> R {
        let (woken, result) = {
            let mut state = self.lock();
            let (changed, result) = change(&mut state);
            if changed {
                state.version += 1;
            }
            (
                if changed || state.is_closed { std::mem::take(&mut state.waiters) } else { BTreeMap::new() },
                result,
            )
        };
        // Waking may run a task at once, on some executors, so it happens outside the lock.
        woken.into_values().for_each(Waker::wake);
        result
    }
}

impl<T> Sender<T> {
    /// A value that nobody watches yet.
    pub fn new(value: T) -> Self {
        let state = State { value, version: 0, is_closed: false, waiters: BTreeMap::new(), next_waiter: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Sets the value and gives the one before.
    pub fn send_replace(&self, value: T) -> T {
        self.shared.change(|state| (true, std::mem::replace(&mut state.value, value)))
    }

    /// Changes the value in place; `change` says whether it did.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        self.shared.change(|state| {
            let changed = change(&mut state.value);
            (changed, changed)
        })
    }

    /// The value as it stands.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { state: self.shared.lock() }
    }

    /// Someone more who watches; what stands now counts as seen.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.shared.lock().version;
        Receiver { shared: Arc::clone(&self.shared), seen }
    }
}

impl<T> Receiver<T> {
    /// The value as it stands; it does not count as seen.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { state: self.shared.lock() }
    }

    /// The value as it stands, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let state = self.shared.lock();
        self.seen = state.version;
        Ref { state }
    }

    /// Waits until the value was changed since it was last seen; it then counts as seen.
    ///
    /// # Errors
    /// [`Closed`] if there is no such change and the sender is gone.
    ///
    /// # Cancel safety
    /// A change is not lost when the future is dropped: the next call is ready at once.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        let seen = self.seen;
        let version = wait(&self.shared, |state| (state.version != seen).then_some(state.version)).await?;
        self.seen = version;
        Ok(())
    }

    /// Waits until the value is as wanted, which it may be already; it then counts as seen.
    ///
    /// # Errors
    /// [`Closed`] if it is not and the sender is gone.
    ///
    /// # Cancel safety
    /// As [`Receiver::changed`].
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, Closed> {
        self.seen = wait(&self.shared, |state| wanted(&state.value).then_some(state.version)).await?;
        let state = self.shared.lock();
        Ok(Ref { state })
    }
}

/// Waits until `look` finds what it looks for. The first poll takes a place in the line; dropping the future gives it back.
async fn wait<T, R>(shared: &Shared<T>, mut look: impl FnMut(&State<T>) -> Option<R>) -> Result<R, Closed> {
    let mut place = Place { shared, number: None };
    poll_fn(|cx| place.poll(cx, &mut look)).await
}

struct Place<'a, T> {
    shared: &'a Shared<T>,
    number: Option<u64>,
}

impl<T> Place<'_, T> {
    fn poll<R>(
        &mut self,
        cx: &Context<'_>,
        look: &mut impl FnMut(&State<T>) -> Option<R>,
    ) -> Poll<Result<R, Closed>> {
        let mut state = self.shared.lock();
        if let Some(found) = look(&state) {
            return Poll::Ready(Ok(found));
        }
        if state.is_closed {
            return Poll::Ready(Err(Closed));
        }
        let number = *self.number.get_or_insert_with(|| {
            state.next_waiter += 1;
            state.next_waiter
        });
        state.waiters.insert(number, cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.lock().waiters.remove(&number);
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.is_closed = true;
            (false, ())
        });
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the watched value changes no more")
    }
}

impl std::error::Error for Closed {}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&*self.borrow()).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&*self.borrow()).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_are_woken_in_the_order_in_which_they_came() {
        let sender = Sender::new(0);
        let (woken, order) = (Arc::new(Mutex::new(Vec::new())), (0..40).collect::<Vec<_>>());
        let tasks: Vec<_> = order
            .iter()
            .map(|&number| {
                let (mut receiver, woken) = (sender.subscribe(), Arc::clone(&woken));
                tokio::spawn(async move {
                    receiver.changed().await.unwrap();
                    woken.lock().unwrap().push(number);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sender.send_replace(1);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*woken.lock().unwrap(), order);
    }

    #[tokio::test]
    async fn a_change_is_heard_once_and_survives_a_dropped_wait() {
        let (sender, mut receiver) = channel(0);
        let mut other = receiver.clone();
        assert!(!sender.send_if_modified(|_| false));
        {
            let mut waits = Box::pin(receiver.changed());
            assert!(poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx))).await.is_pending());
        }
        assert_eq!(sender.send_replace(5), 0);
        receiver.changed().await.unwrap();
        assert_eq!(*other.borrow_and_update(), 5);
        drop(sender);
        assert_eq!(receiver.changed().await, Err(Closed));
        assert_eq!(other.wait_for(|value| *value == 5).await.as_deref(), Ok(&5));
        assert_eq!(other.wait_for(|value| *value == 6).await.map(|value| *value), Err(Closed));
    }
}
