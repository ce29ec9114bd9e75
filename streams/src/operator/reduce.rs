//! `reduce`: the values of each key become one, of the same type.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let amounts = builder.stream::<String, i64>("amounts", (Utf8, I64Be)).group_by_key();
//! let totals = amounts.reduce(Store::named("totals", (Utf8, I64Be)), |total, amount| total + amount);
//! totals.to_stream().to("totals", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (amounts, totals) = (driver.input("amounts", (Utf8, I64Be)), driver.output("totals", (Utf8, I64Be)));
//! driver.send(&amounts, "Ada", 5, 0)?;
//! driver.send(&amounts, "Ada", 7, 1)?;
//! assert_eq!(driver.drain_latest(&totals)?, [("Ada".to_owned(), 12)].into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use super::aggregate::{Folding, aggregate};
use crate::dsl::{KGroupedStream, KTable, Store};

impl<K: Send + 'static, V: Clone + Send + 'static> KGroupedStream<K, V> {
    /// Combines the values of each key; the first one stands for itself. Records without a key or a value are left out.
    pub fn reduce(
        self,
        store: Store<K, V>,
        reducer: impl Fn(&V, &V) -> V + Send + Sync + 'static,
    ) -> KTable<K, V> {
        let update = Box::new(move |_: &K, value: &V, reduced: Option<V>| match reduced {
            Some(reduced) => reducer(&reduced, value),
            None => value.clone(),
        });
        self.into_table("KSTREAM-REDUCE-", false, store, |store, codecs, old| {
            aggregate(store, codecs, old, Folding { initial: Box::new(|| None), update })
        })
    }
}
