//! `peek`: looks at each record on its way.
//!
//! ```
//! use courant_streams::StreamsBuilder;
//! use courant_streams::codec::Utf8;
//!
//! let builder = StreamsBuilder::new();
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines.peek(|key, line| println!("{key:?}: {line:?}")).to("same-lines", (Utf8, Utf8));
//! assert!(builder.build()?.describe().contains("KSTREAM-PEEK-0000000001"));
//! # Ok::<(), courant_streams::TopologyError>(())
//! ```
use std::sync::Arc;

use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Shows each record to a function, tombstones too. After a crash it may see a record again.
    pub fn peek(self, look: impl Fn(Option<&K>, Option<&V>) + Send + Sync + 'static) -> Self {
        let look: Arc<Look<K, V>> = Arc::new(look);
        let make = operator(move |wiring| Ok(Peek { look: Arc::clone(&look), next: wiring.output()? }));
        self.then_same("KSTREAM-PEEK-", make)
    }
}

/// Looks at a key and a value.
pub(super) type Look<K, V> = dyn Fn(Option<&K>, Option<&V>) + Send + Sync;

struct Peek<K, V> {
    look: Arc<Look<K, V>>,
    next: Edge<K, V>,
}

impl<K: Send, V: Send> Push<K, V> for Peek<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        batch.iter().for_each(|record| (self.look)(record.key.as_ref(), record.value.as_ref()));
        self.next.push(batch, run)
    }
}
