//! `split`: branches of a stream; a record takes the first whose predicate is true of it.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let mut branches = builder.stream::<String, i64>("numbers", (Utf8, I64Be)).split();
//! branches.branch(|_, number| *number < 0).to("negative", (Utf8, I64Be));
//! branches.branch(|_, number| *number > 9).to("large", (Utf8, I64Be));
//! branches.default_branch().to("others", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let numbers = driver.input("numbers", (Utf8, I64Be));
//! for number in [-5, 5, 50] {
//!     driver.send(&numbers, "k", number, 0)?;
//! }
//! for (topic, number) in [("negative", -5), ("large", 50), ("others", 5)] {
//!     let branch = driver.output::<String, i64, _, _>(topic, (Utf8, I64Be));
//!     assert_eq!(driver.drain(&branch)?[0].value, Some(number));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::{Arc, Mutex, PoisonError};

use super::filter::{Predicate, holds};
use super::merge::pass;
use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Begins to split the stream into branches.
    pub fn split(self) -> BranchedKStream<K, V> {
        let predicates: Predicates<K, V> = Arc::default();
        let shared = Arc::clone(&predicates);
        let make = operator(move |wiring| {
            let predicates = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(Split { predicates, single: Vec::new(), branches: wiring.outputs()? })
        });
        BranchedKStream { splitter: self.then_same("KSTREAM-BRANCH-", make), predicates }
    }
}

/// A stream that is being split: ask for one branch after the other.
#[must_use = "a split without branches drops every record"]
pub struct BranchedKStream<K, V> {
    splitter: KStream<K, V>,
    predicates: Predicates<K, V>,
}

type Predicates<K, V> = Arc<Mutex<Vec<Arc<Predicate<K, V>>>>>;

impl<K: Send + 'static, V: Send + 'static> BranchedKStream<K, V> {
    /// Names the splitter; the branches' names begin with its name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.splitter = self.splitter.named(name);
        self
    }

    /// The records of which no earlier predicate is true, and this one is. It is not true of a missing value.
    pub fn branch(
        &mut self,
        predicate: impl Fn(Option<&K>, &V) -> bool + Send + Sync + 'static,
    ) -> KStream<K, V> {
        self.branch_named(None, predicate)
    }

    /// The same as [`BranchedKStream::branch`]; the branch's name is the splitter's with this behind it.
    pub fn branch_as(
        &mut self,
        name: &str,
        predicate: impl Fn(Option<&K>, &V) -> bool + Send + Sync + 'static,
    ) -> KStream<K, V> {
        self.branch_named(Some(name), predicate)
    }

    /// The records of which no predicate is true. Without this branch they end here.
    pub fn default_branch(self) -> KStream<K, V> {
        self.child(None, 0)
    }

    /// The same as [`BranchedKStream::default_branch`]; the branch's name is the splitter's with this behind it.
    pub fn default_branch_as(self, name: &str) -> KStream<K, V> {
        self.child(Some(name), 0)
    }

    fn branch_named(
        &mut self,
        name: Option<&str>,
        predicate: impl Fn(Option<&K>, &V) -> bool + Send + Sync + 'static,
    ) -> KStream<K, V> {
        let mut predicates = self.predicates.lock().unwrap_or_else(PoisonError::into_inner);
        predicates.push(Arc::new(predicate));
        self.child(name, predicates.len())
    }

    fn child(&self, name: Option<&str>, index: usize) -> KStream<K, V> {
        let KStream { graph, node, sources, repartition_required, key, value } = &self.splitter;
        let mut locked = graph.lock();
        let suffix = name.map_or_else(|| index.to_string(), str::to_owned);
        let name = format!("{}{suffix}", locked.name(*node));
        locked.names.processor(&name);
        let node = locked.add(name, pass::<K, V>(), &[*node]);
        KStream {
            graph: graph.clone(),
            node,
            sources: sources.clone(),
            repartition_required: *repartition_required,
            key: key.clone(),
            value: value.clone(),
        }
    }
}

struct Split<K, V> {
    predicates: Vec<Arc<Predicate<K, V>>>,
    single: Vec<Record<K, V>>,
    /// One for each predicate, and one more if there is a default branch.
    branches: Vec<Edge<K, V>>,
}

impl<K: Send, V: Send> Push<K, V> for Split<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            let first = self.predicates.iter().position(|predicate| holds(&**predicate, &record));
            if let Some(branch) = self.branches.get_mut(first.unwrap_or(self.predicates.len())) {
                self.single.push(record);
                branch.push(&mut self.single, run)?;
            }
        }
        Ok(())
    }
}
