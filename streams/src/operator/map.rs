//! `map`: a new key and a new value for each record.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines.map(|_, line| (line.len() as i64, line)).to("by-length", (I64Be, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, lengths) = (driver.input("lines", (Utf8, Utf8)), driver.output("by-length", (I64Be, Utf8)));
//! driver.send(&lines, "k", "to be", 0)?;
//! let found = driver.drain(&lengths)?;
//! assert_eq!((found[0].key, found[0].value.as_deref()), (Some(5), Some("to be")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Makes a new key and a new value of each record. A record without a value is left out.
    ///
    /// The keys change, so a grouping or a join that follows needs a repartition topic.
    pub fn map<K2: Send + 'static, V2: Send + 'static>(
        self,
        mapper: impl Fn(Option<K>, V) -> (K2, V2) + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        self.map_nullable(move |key, value| {
            let (key, value) = mapper(key, value);
            (Some(key), Some(value))
        })
    }

    /// The same as [`KStream::map`], where the new key and the new value may be missing.
    pub fn map_nullable<K2: Send + 'static, V2: Send + 'static>(
        self,
        mapper: impl Fn(Option<K>, V) -> (Option<K2>, Option<V2>) + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let mapper: Arc<Mapper<K, V, K2, V2>> = Arc::new(mapper);
        let make = operator(move |wiring| {
            Ok(Map { mapper: Arc::clone(&mapper), out: Vec::new(), next: wiring.output()? })
        });
        self.then_keys("KSTREAM-MAP-", make)
    }
}

type Mapper<K, V, K2, V2> = dyn Fn(Option<K>, V) -> (Option<K2>, Option<V2>) + Send + Sync;

struct Map<K, V, K2, V2> {
    mapper: Arc<Mapper<K, V, K2, V2>>,
    out: Vec<Record<K2, V2>>,
    next: Edge<K2, V2>,
}

impl<K: Send, V: Send, K2: Send, V2: Send> Push<K, V> for Map<K, V, K2, V2> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for mut record in batch.drain(..) {
            let Some(value) = record.value.take() else {
                run.dropped(record.offset, Dropped::NullValue);
                continue;
            };
            let (key, value) = (self.mapper)(record.key.take(), value);
            self.out.push(record.with(key, value));
        }
        self.next.push(&mut self.out, run)
    }
}
