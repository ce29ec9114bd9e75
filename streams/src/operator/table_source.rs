//! `table`: the latest record of each key is its value.
//!
//! Tables take the last *offset*: an update with an earlier time than the value's replaces it all the same.
//!
//! ```
//! use courant_streams::codec::Utf8;
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
//! names.to_stream().to("copy", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (names, copy) = (driver.input("names", (Utf8, Utf8)), driver.output("copy", (Utf8, Utf8)));
//! driver.send(&names, "42", "Ada", 9)?;
//! driver.send(&names, "42", "Ada Lovelace", 3)?;
//! assert_eq!(driver.drain_latest(&copy)?, [("42".to_owned(), "Ada Lovelace".to_owned())].into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, KeyValueStore, ProcessError, Push, Run};
use crate::codecs::Codecs;
use crate::dsl::{OldValues, operator};
use crate::record::{Change, Record};
use crate::topology::Make;

/// Makes the processor of a table source, which keeps the table if the topology has its store.
pub(crate) fn table_source<K: Send + 'static, V: Send + 'static>(
    store: String,
    codecs: Codecs<K, V>,
    old: Arc<OldValues>,
) -> Make {
    operator(move |wiring| {
        let kept = wiring.has_store(&store).then(|| KeyValueStore::new(wiring, &store, codecs.clone()));
        let sends_old = old.wanted();
        Ok(TableSource { store: kept.transpose()?, sends_old, out: Vec::new(), next: wiring.output()? })
    })
}

struct TableSource<K, V> {
    store: Option<KeyValueStore<K, V>>,
    sends_old: bool,
    out: Vec<Record<K, Change<V>>>,
    next: Edge<K, Change<V>>,
}

impl<K: Send + 'static, V: Send + 'static> Push<K, V> for TableSource<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            let updated = self.update(record, run);
            self.out.extend(run.settle(updated)?.flatten());
        }
        self.next.push(&mut self.out, run)
    }
}

impl<K: 'static, V: 'static> TableSource<K, V> {
    fn update(
        &mut self,
        mut record: Record<K, V>,
        run: &mut Run<'_>,
    ) -> Result<Option<Record<K, Change<V>>>, ProcessError> {
        let (offset, timestamp) = (record.offset, record.timestamp);
        let Some(key) = record.key.take() else {
            run.dropped(offset, Dropped::NullKey);
            return Ok(None);
        };
        let (mut new, mut old) = (record.value.take(), None);
        if let Some(store) = &mut self.store {
            let Some(bytes) = store.key(&key, run, offset)? else {
                run.dropped(offset, Dropped::NullKey);
                return Ok(None);
            };
            if self.sends_old {
                old = store.value(&bytes, run, offset)?.map(|(value, _)| value);
            }
            if !store.put(&bytes, new.as_ref(), timestamp, run, offset)? {
                new = None;
            }
        }
        Ok(Some(record.with(Some(key), Some(Change { new, old }))))
    }
}
