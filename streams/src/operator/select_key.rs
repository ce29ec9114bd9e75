//! `select_key`: a new key for each record.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines.select_key(|_, line| line.len() as i64).to("by-length", (I64Be, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, lengths) = (driver.input("lines", (Utf8, Utf8)), driver.output("by-length", (I64Be, Utf8)));
//! driver.send(&lines, "k", "to be", 0)?;
//! assert_eq!(driver.drain(&lengths)?[0].key, Some(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;
use crate::topology::Make;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Gives each record the key that the selector finds. A record without a value is left out.
    ///
    /// The keys change, so a grouping or a join that follows needs a repartition topic.
    pub fn select_key<K2: Send + 'static>(
        self,
        selector: impl Fn(Option<&K>, &V) -> K2 + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        let value = self.value.clone();
        KStream { value, ..self.then_keys(PREFIX, select_key(selector)) }
    }
}

/// Makes the operator.
pub(crate) fn select_key<K: Send + 'static, V: Send + 'static, K2: Send + 'static>(
    selector: impl Fn(Option<&K>, &V) -> K2 + Send + Sync + 'static,
) -> Make {
    let selector: Arc<Selector<K, V, K2>> = Arc::new(selector);
    operator(move |wiring| {
        Ok(SelectKey { selector: Arc::clone(&selector), out: Vec::new(), next: wiring.output()? })
    })
}

type Selector<K, V, K2> = dyn Fn(Option<&K>, &V) -> K2 + Send + Sync;

struct SelectKey<K, V, K2> {
    selector: Arc<Selector<K, V, K2>>,
    out: Vec<Record<K2, V>>,
    next: Edge<K2, V>,
}

impl<K: Send, V: Send, K2: Send> Push<K, V> for SelectKey<K, V, K2> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for mut record in batch.drain(..) {
            let Some(value) = record.value.take() else {
                run.dropped(record.offset, Dropped::NullValue);
                continue;
            };
            let key = (self.selector)(record.key.as_ref(), &value);
            self.out.push(record.with(Some(key), Some(value)));
        }
        self.next.push(&mut self.out, run)
    }
}

/// What the node is called.
pub(crate) const PREFIX: &str = "KSTREAM-KEY-SELECT-";
