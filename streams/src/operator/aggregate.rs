//! `aggregate`: a value per key that grows with each record, and the table of all of them.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let words = builder.stream::<String, String>("words", (Utf8, Utf8)).group_by_key();
//! let letters = words.aggregate(Store::named("letters", (Utf8, I64Be)), || 0, |_, word, sum| *sum += word.len() as i64);
//! letters.to_stream().to("letters", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (words, letters) = (driver.input("words", (Utf8, Utf8)), driver.output("letters", (Utf8, I64Be)));
//! driver.send(&words, "k", "to", 0)?;
//! driver.send(&words, "k", "be", 1)?;
//! let found = driver.drain(&letters)?;
//! assert_eq!(found.iter().map(|record| record.value).collect::<Vec<_>>(), [Some(2), Some(4)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, KeyValueStore, ProcessError, Push, Run};
use crate::codecs::Codecs;
use crate::dsl::{KGroupedStream, KTable, OldValues, Store, operator};
use crate::record::{Change, Record};
use crate::topology::Make;

impl<K: Send + 'static, V: Send + 'static> KGroupedStream<K, V> {
    /// Folds the values of each key into an aggregate. Records without a key or a value are left out.
    ///
    /// The aggregate has the time of the latest record in it. An aggregate that its codec writes as null is deleted.
    pub fn aggregate<A: Send + 'static>(
        self,
        store: Store<K, A>,
        initializer: impl Fn() -> A + Send + Sync + 'static,
        aggregator: impl Fn(&K, &V, &mut A) + Send + Sync + 'static,
    ) -> KTable<K, A> {
        let initializer = Arc::new(initializer);
        let initial = Arc::clone(&initializer);
        let update: Box<Update<K, V, A>> = Box::new(move |key, value, aggregate| {
            let mut aggregate = aggregate.unwrap_or_else(|| initializer());
            aggregator(key, value, &mut aggregate);
            aggregate
        });
        let folding = Folding { initial: Box::new(move || Some(initial())), update };
        self.into_table("KSTREAM-AGGREGATE-", false, store, |store, codecs, old| {
            aggregate(store, codecs, old, folding)
        })
    }
}

/// How aggregates begin and grow.
pub(crate) struct Folding<K, V, A> {
    /// The aggregate of no values, which Java hands on as the old value of a first one.
    pub(crate) initial: Box<dyn Fn() -> Option<A> + Send + Sync>,
    /// What an aggregate becomes.
    pub(crate) update: Box<Update<K, V, A>>,
}

/// What an aggregate becomes by one more value.
pub(crate) type Update<K, V, A> = dyn Fn(&K, &V, Option<A>) -> A + Send + Sync;

/// Makes an aggregation into a key-value store.
pub(crate) fn aggregate<K: Send + 'static, V: Send + 'static, A: Send + 'static>(
    store: String,
    codecs: Codecs<K, A>,
    old: Arc<OldValues>,
    folding: Folding<K, V, A>,
) -> Make {
    let folding = Arc::new(folding);
    operator(move |wiring| {
        let kept = KeyValueStore::new(wiring, &store, codecs.clone())?;
        let (folding, sends_old) = (Arc::clone(&folding), old.wanted());
        Ok(Aggregate { folding, store: kept, sends_old, out: Vec::new(), next: wiring.output()? })
    })
}

struct Aggregate<K, V, A> {
    folding: Arc<Folding<K, V, A>>,
    store: KeyValueStore<K, A>,
    sends_old: bool,
    out: Vec<Record<K, Change<A>>>,
    next: Edge<K, Change<A>>,
}

impl<K: Send + 'static, V: Send, A: Send + 'static> Push<K, V> for Aggregate<K, V, A> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            let updated = self.update(record, run);
            self.out.extend(run.settle(updated)?.flatten());
        }
        self.next.push(&mut self.out, run)
    }
}

impl<K: 'static, V, A: 'static> Aggregate<K, V, A> {
    fn update(
        &mut self,
        mut record: Record<K, V>,
        run: &mut Run<'_>,
    ) -> Result<Option<Record<K, Change<A>>>, ProcessError> {
        let offset = record.offset;
        let Some(key) = record.key.take() else {
            run.dropped(offset, Dropped::NullKey);
            return Ok(None);
        };
        let Some(value) = record.value.take() else {
            run.dropped(offset, Dropped::NullValue);
            return Ok(None);
        };
        let Some(bytes) = self.store.key(&key, run, offset)? else {
            run.dropped(offset, Dropped::NullKey);
            return Ok(None);
        };
        let before = match self.sends_old {
            true => {
                self.store.value(&bytes, run, offset)?.map(|(value, _)| value).or_else(&self.folding.initial)
            }
            false => None,
        };
        let (old, old_time) = self.store.value(&bytes, run, offset)?.unzip();
        let timestamp = old_time.map_or(record.timestamp, |old_time| record.timestamp.max(old_time));
        let new = (self.folding.update)(&key, &value, old);
        let is_there = self.store.put(&bytes, Some(&new), timestamp, run, offset)?;
        let change = Change { new: is_there.then_some(new), old: before };
        Ok(Some(Record { timestamp, ..record.with(Some(key), Some(change)) }))
    }
}
