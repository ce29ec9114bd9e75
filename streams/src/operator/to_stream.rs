//! `to_stream`: the updates of a table, as a stream; a deletion is a record without a value.
//!
//! ```
//! use courant_streams::codec::Utf8;
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let names = builder.table("names", Store::numbered((Utf8, Utf8)));
//! names.to_stream().to("copy", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (names, copy) = (driver.input("names", (Utf8, Utf8)), driver.output("copy", (Utf8, Utf8)));
//! driver.send(&names, "42", "Ada", 0)?;
//! driver.send_to(&names, None, Some("42".to_owned()), None, 1)?;
//! let found = driver.drain(&copy)?;
//! assert_eq!(found.iter().map(|record| record.value.as_deref()).collect::<Vec<_>>(), [Some("Ada"), None]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use super::{Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, KTable, operator};
use crate::record::{Change, Record};
use crate::topology::GraphKind;

impl<K: Send + 'static, V: Send + 'static> KTable<K, V> {
    /// The updates of the table. Nothing is held back: every update is seen.
    pub fn to_stream(self) -> KStream<K, V> {
        let make = operator(|wiring| Ok(ToStream::<K, V> { out: Vec::new(), next: wiring.output()? }));
        let mut graph = self.graph.lock();
        let name = graph.names.processor("KTABLE-TOSTREAM-");
        let node = graph.add(name, GraphKind::Processor { make, stores: Vec::new() }, &[self.node]);
        drop(graph);
        let Self { graph, sources, key, value, .. } = self;
        KStream { graph, node, sources, repartition_required: false, key, value }
    }
}

struct ToStream<K, V> {
    out: Vec<Record<K, V>>,
    next: Edge<K, V>,
}

impl<K: Send, V: Send> Push<K, Change<V>> for ToStream<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, Change<V>>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        self.out.extend(batch.drain(..).map(|mut record| {
            let new = record.value.take().and_then(|change| change.new);
            record.with_value(new)
        }));
        self.next.push(&mut self.out, run)
    }
}
