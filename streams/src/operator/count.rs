//! `count`: how many records each key has.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let visits = builder.stream::<String, String>("visits", (Utf8, Utf8)).group_by_key();
//! visits.count(Store::named("visits", (Utf8, I64Be))).to_stream().to("counts", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (visits, counts) = (driver.input("visits", (Utf8, Utf8)), driver.output("counts", (Utf8, I64Be)));
//! driver.send(&visits, "home", "Ada", 0)?;
//! driver.send(&visits, "home", "Bob", 1)?;
//! let found = driver.drain(&counts)?;
//! assert_eq!(found.iter().map(|record| record.value).collect::<Vec<_>>(), [Some(1), Some(2)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use super::aggregate::{Folding, aggregate};
use crate::dsl::{KGroupedStream, KTable, Store};

impl<K: Send + 'static, V: Send + 'static> KGroupedStream<K, V> {
    /// Counts the records of each key. Records without a key or a value are left out.
    pub fn count(self, store: Store<K, i64>) -> KTable<K, i64> {
        self.into_table("KSTREAM-AGGREGATE-", true, store, |store, codecs, old| {
            let update = Box::new(|_: &K, _: &V, count: Option<i64>| count.unwrap_or(0) + 1);
            aggregate(store, codecs, old, Folding { initial: Box::new(|| Some(0)), update })
        })
    }
}
