//! `filter` and `filter_not` of a table: what the predicate refuses is deleted.
//!
//! An update that no longer matches is handed on as a deletion. Where the table is kept in a store, so that what was there
//! before is known, an update of something that never matched is not; else it is, as in Java.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let balances = builder.table("balances", Store::named("balances", (Utf8, I64Be)));
//! balances.filter(|_, cents| *cents < 0).to_stream().to("overdrawn", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (balances, overdrawn) = (driver.input("balances", (Utf8, I64Be)), driver.output("overdrawn", (Utf8, I64Be)));
//! for (time, cents) in [(0, 5), (1, -5), (2, 5)] {
//!     driver.send(&balances, "Ada", cents, time)?;
//! }
//! let found = driver.drain(&overdrawn)?;
//! assert_eq!(found.iter().map(|record| record.value).collect::<Vec<_>>(), [Some(-5), None]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::table_map_values::derived;
use crate::dsl::{KTable, Store};

impl<K: Send + 'static, V: Send + 'static> KTable<K, V> {
    /// The table of the values of which the predicate is true.
    pub fn filter(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, predicate, true)
    }

    /// The table of the values of which the predicate is not true.
    pub fn filter_not(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, predicate, false)
    }

    /// The same as [`KTable::filter`], kept in a store of its own if that has a name.
    pub fn filter_into(
        self,
        store: Store<K, V>,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.filtered(Some(store), predicate, true)
    }

    /// The same as [`KTable::filter_not`], kept in a store of its own if that has a name.
    pub fn filter_not_into(
        self,
        store: Store<K, V>,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.filtered(Some(store), predicate, false)
    }

    fn filtered(
        self,
        store: Option<Store<K, V>>,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        wanted: bool,
    ) -> Self {
        let (key, value) = (self.key.clone(), self.value.clone());
        let of = move |key: &K, value: V| (predicate(key, &value) == wanted).then_some(value);
        let table = derived(self, "KTABLE-FILTER-", store, Arc::new(of), true);
        KTable { key: table.key.clone().or(key), value: table.value.clone().or(value), ..table }
    }
}
