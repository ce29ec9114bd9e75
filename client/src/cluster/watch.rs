//! Waking whoever waits for the next snapshot.
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Those who wait, and how often there was something to wake them for.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    turn: u64,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Watchers {
    /// Wakes everybody.
    pub(crate) fn notify(&self) {
        let wakers: Vec<Waker> = {
            let mut inner = self.lock();
            inner.turn = inner.turn.wrapping_add(1);
            inner.wakers.iter_mut().filter_map(Option::take).collect()
        };
        // Waking may run the task at once, on some executors, so it happens outside the lock.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A watch that wakes from now on.
    pub(crate) fn watch(self: &Arc<Self>) -> MetadataWatch {
        let mut inner = self.lock();
        let slot = inner.free.pop().unwrap_or_else(|| {
            inner.wakers.push(None);
            inner.wakers.len() - 1
        });
        MetadataWatch { seen: inner.turn, slot, watchers: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes its owner when the snapshot of the cluster has been replaced, or could not be.
pub struct MetadataWatch {
    seen: u64,
    slot: usize,
    watchers: Arc<Watchers>,
}

impl MetadataWatch {
    /// Ready when there was news since the last time that this was ready (or since the watch was made); several in between
    /// count as one.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.watchers.lock();
        if inner.turn != self.seen {
            self.seen = inner.turn;
            return Poll::Ready(());
        }
        if let Some(waker) = inner.wakers.get_mut(self.slot) {
            match waker {
                Some(known) => known.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        Poll::Pending
    }

    /// Waits for news.
    ///
    /// # Cancel safety
    /// News is not lost when the future is dropped: the next call is ready at once.
    pub async fn changed(&mut self) {
        poll_fn(|cx| self.poll_changed(cx)).await;
    }
}

impl Drop for MetadataWatch {
    fn drop(&mut self) {
        let mut inner = self.watchers.lock();
        if let Some(waker) = inner.wakers.get_mut(self.slot) {
            *waker = None;
        }
        inner.free.push(self.slot);
    }
}

impl fmt::Debug for MetadataWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataWatch").field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_watch_hears_of_news_once_and_a_dropped_one_is_not_woken() {
        let watchers = Arc::new(Watchers::default());
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let (mut first, mut second) = (watchers.watch(), watchers.watch());
        assert!(first.poll_changed(&mut cx).is_pending() && second.poll_changed(&mut cx).is_pending());
        drop(second);
        watchers.notify();
        watchers.notify();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(first.poll_changed(&mut cx).is_ready());
        assert!(first.poll_changed(&mut cx).is_pending());
        assert_eq!(watchers.watch().slot, 1, "the slot of a dropped watch is used again");
    }
}
