//! `merge`: two streams become one.
//!
//! ```
//! use courant_streams::codec::Utf8;
//! use courant_streams::{StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let here = builder.stream::<String, String>("here", (Utf8, Utf8));
//! let there = builder.stream::<String, String>("there", (Utf8, Utf8));
//! here.merge(there).to("everywhere", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (here, there) = (driver.input("here", (Utf8, Utf8)), driver.input("there", (Utf8, Utf8)));
//! driver.send(&here, "a", "from here", 0)?;
//! driver.send(&there, "b", "from there", 1)?;
//! let everywhere = driver.output::<String, String, _, _>("everywhere", (Utf8, Utf8));
//! assert_eq!(driver.drain(&everywhere)?.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, operator};
use crate::record::Record;
use crate::topology::GraphKind;

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// The records of both streams, each in its own order; between them there is none.
    pub fn merge(self, other: Self) -> Self {
        let mut graph = self.graph.lock();
        let name = graph.names.processor("KSTREAM-MERGE-");
        drop(graph);
        let mut parents = vec![self.node];
        if self.graph.is_same(&other.graph, &name) {
            parents.push(other.node);
        }
        let node = self.graph.lock().add(name, pass::<K, V>(), &parents);
        let repartition_required = self.repartition_required || other.repartition_required;
        let sources = self.sources.union(&other.sources).copied().collect();
        KStream { graph: self.graph, node, sources, repartition_required, key: None, value: None }
    }
}

/// A node that hands on what it gets.
pub(super) fn pass<K: Send + 'static, V: Send + 'static>() -> GraphKind {
    let make = operator(|wiring| Ok(Pass::<K, V> { next: wiring.output()? }));
    GraphKind::Processor { make, stores: Vec::new() }
}

struct Pass<K, V> {
    next: Edge<K, V>,
}

impl<K: Send, V: Send> Push<K, V> for Pass<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        self.next.push(batch, run)
    }
}
