//! `map_values`: a new value for each record; the key stays, and so does the partition.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines.map_values(|_, line| line.len() as i64).to("lengths", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, lengths) = (driver.input("lines", (Utf8, Utf8)), driver.output("lengths", (Utf8, I64Be)));
//! driver.send(&lines, "k", "to be", 0)?;
//! let found = driver.drain(&lengths)?;
//! assert_eq!((found[0].key.as_deref(), found[0].value), (Some("k"), Some(5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Makes a new value of each value. A missing value stays missing.
    pub fn map_values<V2: Send + 'static>(
        self,
        mapper: impl Fn(Option<&K>, V) -> V2 + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        self.map_values_nullable(move |key, value| value.map(|value| mapper(key, value)))
    }

    /// The same as [`KStream::map_values`] for a mapper that is shown missing values, and may give them: tombstones.
    pub fn map_values_nullable<V2: Send + 'static>(
        self,
        mapper: impl Fn(Option<&K>, Option<V>) -> Option<V2> + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let mapper: Arc<Mapper<K, V, V2>> = Arc::new(mapper);
        let make = operator(move |wiring| {
            Ok(MapValues { mapper: Arc::clone(&mapper), out: Vec::new(), next: wiring.output()? })
        });
        self.then_values("KSTREAM-MAPVALUES-", make)
    }
}

type Mapper<K, V, V2> = dyn Fn(Option<&K>, Option<V>) -> Option<V2> + Send + Sync;

struct MapValues<K, V, V2> {
    mapper: Arc<Mapper<K, V, V2>>,
    out: Vec<Record<K, V2>>,
    next: Edge<K, V2>,
}

impl<K: Send, V: Send, V2: Send> Push<K, V> for MapValues<K, V, V2> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for mut record in batch.drain(..) {
            let value = record.value.take();
            let value = (self.mapper)(record.key.as_ref(), value);
            self.out.push(record.with_value(value));
        }
        self.next.push(&mut self.out, run)
    }
}
