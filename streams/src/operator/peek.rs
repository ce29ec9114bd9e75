//! `peek`: looks at each record on its way.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicUsize, Ordering};
//! use courant_streams::codec::Utf8;
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let seen = Arc::new(AtomicUsize::new(0));
//! let counter = Arc::clone(&seen);
//! let lines = builder.stream::<String, String>("lines", (Utf8, Utf8));
//! lines.peek(move |_, _| drop(counter.fetch_add(1, Ordering::Relaxed))).to("same-lines", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (lines, same) = (driver.input("lines", (Utf8, Utf8)), driver.output("same-lines", (Utf8, Utf8)));
//! driver.send(&lines, "k", "to be", 0)?;
//! assert_eq!(driver.drain(&same)?.len(), 1);
//! assert_eq!(seen.load(Ordering::Relaxed), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
