//! `for_each`: does something with each record, and ends there.
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
//! lines.for_each(move |_, _| drop(counter.fetch_add(1, Ordering::Relaxed)));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let lines = driver.input("lines", (Utf8, Utf8));
//! driver.send(&lines, "k", "to be", 0)?;
//! driver.settle()?;
//! assert_eq!(seen.load(Ordering::Relaxed), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::peek::Look;
use super::{ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Shows each record to a function, tombstones too, and is done with it. After a crash it may see a record again.
    pub fn for_each(self, action: impl Fn(Option<&K>, Option<&V>) + Send + Sync + 'static) {
        let action: Arc<Look<K, V>> = Arc::new(action);
        let make = operator(move |_| Ok(ForEach { action: Arc::clone(&action) }));
        drop(self.then::<(), ()>("KSTREAM-FOREACH-", make));
    }
}

struct ForEach<K, V> {
    action: Arc<Look<K, V>>,
}

impl<K: Send, V: Send> Push<K, V> for ForEach<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, _: &mut Run<'_>) -> Result<(), ProcessError> {
        batch.drain(..).for_each(|record| (self.action)(record.key.as_ref(), record.value.as_ref()));
        Ok(())
    }
}
