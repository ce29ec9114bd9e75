//! `windowed_by(…).count()`, `reduce` and `aggregate`: aggregates per key and window of time.
//!
//! ```
//! use std::time::Duration;
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver, tumbling};
//!
//! let builder = StreamsBuilder::new();
//! let minutes = tumbling(Duration::from_secs(60)).grace(Duration::from_secs(10));
//! let visits = builder.stream::<String, String>("visits", (Utf8, Utf8)).group_by_key().windowed_by(minutes);
//! let counts = visits.count(Store::named("per-minute", (Utf8, I64Be)));
//! counts.to_stream().to("per-minute", (minutes.codec(Utf8), I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let visits = driver.input("visits", (Utf8, Utf8));
//! driver.send(&visits, "home", "Ada", 59_000)?;
//! driver.send(&visits, "home", "Bob", 69_000)?; // another minute; the first one is still open
//! driver.send(&visits, "home", "Cyd", 58_000)?;
//! driver.send(&visits, "home", "Dan", 70_000)?; // now it is closed
//! driver.send(&visits, "home", "Eve", 57_000)?; // so this is late
//! let counts = driver.output("per-minute", (minutes.codec(Utf8), I64Be));
//! let found = driver.drain_latest(&counts)?;
//! assert_eq!(found.into_iter().map(|(key, count)| (key.window.start_ms, count)).collect::<Vec<_>>(), [(0, 2), (60_000, 2)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, ProcessError, Push, Run, WindowStore};
use crate::codecs::Codecs;
use crate::dsl::{KTable, OldValues, Store, TimeWindowedKStream, operator};
use crate::record::{Change, Record};
use crate::topology::Make;
use crate::windows::{TimeWindows, Window, Windowed};

impl<K: Clone + Send + 'static, V: Send + 'static> TimeWindowedKStream<K, V> {
    /// Folds the values of each key and window into an aggregate. Records without a key or a value are left out.
    ///
    /// Late is what falls into a window whose end, with its grace, stream time has passed: that is decided for each window
    /// alone. Stream time is the latest event time that was seen here.
    pub fn aggregate<A: Send + 'static>(
        self,
        store: Store<K, A>,
        initializer: impl Fn() -> A + Send + Sync + 'static,
        aggregator: impl Fn(&K, &V, &mut A) + Send + Sync + 'static,
    ) -> KTable<Windowed<K>, A> {
        let windows = self.windows;
        let initializer = Arc::new(initializer);
        let initial = Arc::clone(&initializer);
        let update: Box<Update<K, V, A>> = Box::new(move |key, value, aggregate| {
            let mut aggregate = aggregate.unwrap_or_else(|| initializer());
            aggregator(key, value?, &mut aggregate);
            Some(aggregate)
        });
        let folding = WindowFolding { windows, initial: Box::new(move || Some(initial())), update };
        self.into_table("KSTREAM-AGGREGATE-", false, store, |store, codecs, old| {
            window_aggregate(store, codecs, old, folding)
        })
    }

    /// Counts the records of each key and window. Records without a key are left out; one without a value counts, as it
    /// does in Java.
    pub fn count(self, store: Store<K, i64>) -> KTable<Windowed<K>, i64> {
        let windows = self.windows;
        let update: Box<Update<K, V, i64>> = Box::new(|_, _, count| Some(count.unwrap_or(0) + 1));
        let folding = WindowFolding { windows, initial: Box::new(|| Some(0)), update };
        self.into_table("KSTREAM-AGGREGATE-", true, store, |store, codecs, old| {
            window_aggregate(store, codecs, old, folding)
        })
    }
}

impl<K: Clone + Send + 'static, V: Clone + Send + 'static> TimeWindowedKStream<K, V> {
    /// Combines the values of each key and window; the first one stands for itself. Records without a key or a value are
    /// left out.
    pub fn reduce(
        self,
        store: Store<K, V>,
        reducer: impl Fn(&V, &V) -> V + Send + Sync + 'static,
    ) -> KTable<Windowed<K>, V> {
        let windows = self.windows;
        let update: Box<Update<K, V, V>> = Box::new(move |_, value, reduced| {
            let value = value?;
            Some(reduced.map_or_else(|| value.clone(), |reduced| reducer(&reduced, value)))
        });
        let folding = WindowFolding { windows, initial: Box::new(|| None), update };
        self.into_table("KSTREAM-REDUCE-", false, store, |store, codecs, old| {
            window_aggregate(store, codecs, old, folding)
        })
    }
}

/// How aggregates of windows begin and grow.
struct WindowFolding<K, V, A> {
    windows: TimeWindows,
    /// The aggregate of no values, which Java hands on as the old value of a first one.
    initial: Box<dyn Fn() -> Option<A> + Send + Sync>,
    update: Box<Update<K, V, A>>,
}

/// What an aggregate becomes by one more record; `None` if a record without a value is nothing to it.
type Update<K, V, A> = dyn Fn(&K, Option<&V>, Option<A>) -> Option<A> + Send + Sync;

fn window_aggregate<K: Clone + Send + 'static, V: Send + 'static, A: Send + 'static>(
    store: String,
    codecs: Codecs<K, A>,
    old: Arc<OldValues>,
    folding: WindowFolding<K, V, A>,
) -> Make {
    let folding = Arc::new(folding);
    operator(move |wiring| {
        let kept = WindowStore::new(wiring, &store, codecs.clone())?;
        let (folding, sends_old, next) = (Arc::clone(&folding), old.wanted(), wiring.output()?);
        Ok(WindowAggregate { folding, store: kept, sends_old, stream_time: None, out: Vec::new(), next })
    })
}

struct WindowAggregate<K, V, A> {
    folding: Arc<WindowFolding<K, V, A>>,
    store: WindowStore<K, A>,
    sends_old: bool,
    /// The latest event time seen here; before the first record, it is what the task had got to when it was committed.
    stream_time: Option<i64>,
    out: Vec<Record<Windowed<K>, Change<A>>>,
    next: Edge<Windowed<K>, Change<A>>,
}

impl<K: Clone + Send + 'static, V: Send, A: Send + 'static> Push<K, V> for WindowAggregate<K, V, A> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            let updated = self.update(record, run);
            run.settle(updated)?;
        }
        self.next.push(&mut self.out, run)
    }
}

impl<K: Clone + 'static, V, A: 'static> WindowAggregate<K, V, A> {
    fn update(&mut self, mut record: Record<K, V>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        let offset = record.offset;
        let Some(key) = record.key.take() else {
            run.dropped(offset, Dropped::NullKey);
            return Ok(());
        };
        let Some(bytes) = self.store.key(&key, run, offset)? else {
            run.dropped(offset, Dropped::NullKey);
            return Ok(());
        };
        let seen = self.stream_time.unwrap_or_else(|| run.context.restored_stream_time());
        let stream_time = seen.max(record.timestamp);
        self.stream_time = Some(stream_time);
        let closed_ms = stream_time.saturating_sub(self.folding.windows.grace_ms());
        for window in self.folding.windows.windows_for(record.timestamp) {
            if window.end_ms <= closed_ms {
                run.dropped(offset, Dropped::Late);
            } else if !self.update_window(&key, &bytes, window, &record, run)? {
                run.dropped(offset, Dropped::NullValue);
                return Ok(());
            }
        }
        Ok(())
    }

    /// One window takes the record; whether it could.
    fn update_window(
        &mut self,
        key: &K,
        bytes: &[u8],
        window: Window,
        record: &Record<K, V>,
        run: &mut Run<'_>,
    ) -> Result<bool, ProcessError> {
        let offset = record.offset;
        let before = match self.sends_old {
            true => {
                let found = self.store.value(bytes, window.start_ms, run, offset)?;
                found.map(|(value, _)| value).or_else(&self.folding.initial)
            }
            false => None,
        };
        let (old, old_time) = self.store.value(bytes, window.start_ms, run, offset)?.unzip();
        let timestamp = old_time.map_or(record.timestamp, |old_time| record.timestamp.max(old_time));
        let Some(new) = (self.folding.update)(key, record.value.as_ref(), old) else { return Ok(false) };
        let is_there = self.store.put(bytes, window.start_ms, &new, timestamp, run, offset)?;
        let change = Change { new: is_there.then_some(new), old: before };
        let (key, headers) = (Windowed { key: key.clone(), window }, record.headers.clone());
        self.out.push(Record { key: Some(key), value: Some(change), timestamp, headers, offset });
        Ok(true)
    }
}
