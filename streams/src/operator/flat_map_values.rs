//! `flat_map_values`: any number of values for each record; the key stays, and so does the partition.
//!
//! ```
//! use courant_streams::codec::Utf8;
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines
//!     .flat_map_values(|_, line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
//!     .to("words", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, words) = (driver.input("lines", (Utf8, Utf8)), driver.output("words", (Utf8, Utf8)));
//! driver.send(&lines, "k", "to be", 0)?;
//! let found = driver.drain(&words)?;
//! assert_eq!(found.iter().filter_map(|record| record.value.as_deref()).collect::<Vec<_>>(), ["to", "be"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Clone + Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Makes any number of values of each; their records keep its key, time and headers. Of a missing value comes none.
    pub fn flat_map_values<V2: Send + 'static, I: IntoIterator<Item = V2> + 'static>(
        self,
        mapper: impl Fn(Option<&K>, V) -> I + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let mapper: Arc<Mapper<K, V, I>> = Arc::new(mapper);
        let make = operator(move |wiring| {
            Ok(FlatMapValues { mapper: Arc::clone(&mapper), out: Vec::new(), next: wiring.output()? })
        });
        self.then_values("KSTREAM-FLATMAPVALUES-", make)
    }
}

type Mapper<K, V, I> = dyn Fn(Option<&K>, V) -> I + Send + Sync;

struct FlatMapValues<K, V, V2, I> {
    mapper: Arc<Mapper<K, V, I>>,
    out: Vec<Record<K, V2>>,
    next: Edge<K, V2>,
}

impl<K: Clone + Send, V: Send, V2: Send, I: IntoIterator<Item = V2>> Push<K, V>
    for FlatMapValues<K, V, V2, I>
{
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for Record { key, value, timestamp, headers, offset } in batch.drain(..) {
            let Some(value) = value else { continue };
            self.out.extend((self.mapper)(key.as_ref(), value).into_iter().map(|value| {
                let (key, headers) = (key.clone(), headers.clone());
                Record { key, value: Some(value), timestamp, headers, offset }
            }));
        }
        self.next.push(&mut self.out, run)
    }
}
