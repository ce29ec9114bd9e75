//! `filter` and `filter_not`: records that a predicate is true of, or not.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let numbers = builder.stream::<String, i64>("numbers", (Utf8, I64Be));
//! numbers.filter(|_, number| *number > 9).to("large", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (numbers, large) = (driver.input("numbers", (Utf8, I64Be)), driver.output("large", (Utf8, I64Be)));
//! driver.send(&numbers, "a", 9, 0)?;
//! driver.send(&numbers, "b", 10, 1)?;
//! let found = driver.drain(&large)?;
//! assert_eq!(found.iter().map(|record| record.value).collect::<Vec<_>>(), [Some(10)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Keeps the records of which the predicate is true. It is not true of a missing value.
    pub fn filter(self, predicate: impl Fn(Option<&K>, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(predicate, true)
    }

    /// Keeps the records of which the predicate is not true.
    pub fn filter_not(self, predicate: impl Fn(Option<&K>, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(predicate, false)
    }

    fn filtered(
        self,
        predicate: impl Fn(Option<&K>, &V) -> bool + Send + Sync + 'static,
        wanted: bool,
    ) -> Self {
        let predicate: Arc<Predicate<K, V>> = Arc::new(predicate);
        let make = operator(move |wiring| {
            Ok(Filter { predicate: Arc::clone(&predicate), wanted, next: wiring.output()? })
        });
        self.then_same("KSTREAM-FILTER-", make)
    }
}

/// A test of a key and a value.
pub(crate) type Predicate<K, V> = dyn Fn(Option<&K>, &V) -> bool + Send + Sync;

/// Whether a predicate is true of a record.
pub(crate) fn holds<K, V>(predicate: &Predicate<K, V>, record: &Record<K, V>) -> bool {
    record.value.as_ref().is_some_and(|value| predicate(record.key.as_ref(), value))
}

struct Filter<K, V> {
    predicate: Arc<Predicate<K, V>>,
    wanted: bool,
    next: Edge<K, V>,
}

impl<K: Send, V: Send> Push<K, V> for Filter<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        batch.retain(|record| holds(&*self.predicate, record) == self.wanted);
        self.next.push(batch, run)
    }
}
