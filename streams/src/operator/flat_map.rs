//! `flat_map`: any number of records, with new keys and values, for each record.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! let letters = |_: Option<String>, line: String| line.chars().map(|c| (c.to_string(), 1)).collect::<Vec<_>>();
//! lines.flat_map(letters).to("letters", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, letters) = (driver.input("lines", (Utf8, Utf8)), driver.output("letters", (Utf8, I64Be)));
//! driver.send(&lines, "k", "be", 0)?;
//! let found = driver.drain(&letters)?;
//! assert_eq!(found.iter().filter_map(|record| record.key.as_deref()).collect::<Vec<_>>(), ["b", "e"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Makes any number of records of each; they keep its time and headers. A record without a value is left out.
    ///
    /// The keys change, so a grouping or a join that follows needs a repartition topic.
    pub fn flat_map<K2: Send + 'static, V2: Send + 'static, I: IntoIterator<Item = (K2, V2)> + 'static>(
        self,
        mapper: impl Fn(Option<K>, V) -> I + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let mapper: Arc<Mapper<K, V, I>> = Arc::new(mapper);
        let make = operator(move |wiring| {
            Ok(FlatMap { mapper: Arc::clone(&mapper), out: Vec::new(), next: wiring.output()? })
        });
        self.then_keys("KSTREAM-FLATMAP-", make)
    }
}

type Mapper<K, V, I> = dyn Fn(Option<K>, V) -> I + Send + Sync;

struct FlatMap<K, V, K2, V2, I> {
    mapper: Arc<Mapper<K, V, I>>,
    out: Vec<Record<K2, V2>>,
    next: Edge<K2, V2>,
}

impl<K: Send, V: Send, K2: Send, V2: Send, I> Push<K, V> for FlatMap<K, V, K2, V2, I>
where
    I: IntoIterator<Item = (K2, V2)>,
{
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for Record { key, value, timestamp, headers, offset } in batch.drain(..) {
            let Some(value) = value else {
                run.dropped(offset, Dropped::NullValue);
                continue;
            };
            self.out.extend((self.mapper)(key, value).into_iter().map(|(key, value)| {
                let headers = headers.clone();
                Record { key: Some(key), value: Some(value), timestamp, headers, offset }
            }));
        }
        self.next.push(&mut self.out, run)
    }
}
