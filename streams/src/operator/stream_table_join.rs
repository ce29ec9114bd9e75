//! `join_table` and `left_join_table`: each record of a stream meets the value that a table has for its key.
//!
//! Only the stream drives: an update of the table gives nothing by itself.
//!
//! | record | inner | left |
//! |---|---|---|
//! | key in the table | joined | joined |
//! | key not in the table | left out | joined with nothing |
//! | no key | left out | joined with nothing (KIP-962) |
//! | no value | left out | left out |
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let names = builder.table("names", Store::named("names", (Utf8, Utf8)));
//! let orders = builder.stream::<String, i64>("orders", (Utf8, I64Be));
//! orders.join_table(&names, |_, cents, name: &String| format!("{name}: {cents}")).to("bills", (Utf8, Utf8));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (names, orders) = (driver.input("names", (Utf8, Utf8)), driver.input("orders", (Utf8, I64Be)));
//! driver.send(&names, "42", "Ada", 0)?;
//! driver.send(&orders, "42", 995, 1)?;
//! driver.send(&orders, "43", 100, 2)?; // nobody has this number
//! let bills = driver.output::<String, String, _, _>("bills", (Utf8, Utf8));
//! let found = driver.drain(&bills)?;
//! assert_eq!(found.iter().filter_map(|record| record.value.as_deref()).collect::<Vec<_>>(), ["Ada: 995"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::sync::Arc;

use super::{Dropped, Edge, ProcessError, Push, Run};
use crate::dsl::{KStream, KTable, ValueGetter, operator};
use crate::record::Record;
use crate::topology::{GraphKind, StoreUse};

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Joins each record with the table's value of its key; what has none is left out.
    ///
    /// Both must have equally many partitions. If the stream's keys were changed, it passes a repartition topic first, whose
    /// codecs [`KStream::with_codecs`] names.
    pub fn join_table<VO: Send + 'static, VR: Send + 'static>(
        self,
        table: &KTable<K, VO>,
        joiner: impl Fn(&K, V, &VO) -> VR + Send + Sync + 'static,
    ) -> KStream<K, VR> {
        self.joined(None, table, false, inner(joiner))
    }

    /// The same as [`KStream::join_table`], with a name for the join and its repartition topic.
    pub fn join_table_as<VO: Send + 'static, VR: Send + 'static>(
        self,
        name: &str,
        table: &KTable<K, VO>,
        joiner: impl Fn(&K, V, &VO) -> VR + Send + Sync + 'static,
    ) -> KStream<K, VR> {
        self.joined(Some(name), table, false, inner(joiner))
    }

    /// Joins each record with the table's value of its key, or with nothing.
    ///
    /// Both must have equally many partitions. If the stream's keys were changed, it passes a repartition topic first, whose
    /// codecs [`KStream::with_codecs`] names.
    pub fn left_join_table<VO: Send + 'static, VR: Send + 'static>(
        self,
        table: &KTable<K, VO>,
        joiner: impl Fn(Option<&K>, V, Option<&VO>) -> VR + Send + Sync + 'static,
    ) -> KStream<K, VR> {
        self.joined(None, table, true, left(joiner))
    }

    /// The same as [`KStream::left_join_table`], with a name for the join and its repartition topic.
    pub fn left_join_table_as<VO: Send + 'static, VR: Send + 'static>(
        self,
        name: &str,
        table: &KTable<K, VO>,
        joiner: impl Fn(Option<&K>, V, Option<&VO>) -> VR + Send + Sync + 'static,
    ) -> KStream<K, VR> {
        self.joined(Some(name), table, true, left(joiner))
    }

    fn joined<VO: Send + 'static, VR: Send + 'static>(
        self,
        name: Option<&str>,
        table: &KTable<K, VO>,
        takes_all: bool,
        joiner: Arc<Joiner<K, V, VO, VR>>,
    ) -> KStream<K, VR> {
        let stream = self.repartitioned_for_join(name);
        let view = Arc::clone(&table.view);
        let make = operator(move |wiring| {
            let (joiner, table) = (Arc::clone(&joiner), view.getter(wiring)?);
            Ok(StreamTableJoin { joiner, table, takes_all, out: Vec::new(), next: wiring.output()? })
        });
        let is_same = stream.graph.is_same(&table.graph, name.unwrap_or("a join"));
        let mut graph = stream.graph.lock();
        let numbered = graph.names.processor(if takes_all { "KSTREAM-LEFTJOIN-" } else { "KSTREAM-JOIN-" });
        if let Some(name) = name {
            graph.check_name(name);
        }
        let name = name.map_or(numbered, str::to_owned);
        let mut sources = stream.sources.clone();
        if is_same {
            table.view.materialize(&mut graph);
            sources.extend(&table.sources);
            graph.copartition(sources.clone());
        }
        let stores = table.view.stores().into_iter().map(StoreUse::Of).collect();
        let node = graph.add(name, GraphKind::Processor { make, stores }, &[stream.node]);
        if let Some(node) = graph.node_mut(node) {
            node.relaxes_null_keys = takes_all;
        }
        drop(graph);
        let KStream { graph, key, .. } = stream;
        KStream { graph, node, sources, repartition_required: false, key, value: None }
    }
}

/// What a record and a table's value give; `None` for nothing.
type Joiner<K, V, VO, VR> = dyn Fn(Option<&K>, V, Option<&VO>) -> Option<VR> + Send + Sync;

fn inner<K, V, VO, VR>(
    joiner: impl Fn(&K, V, &VO) -> VR + Send + Sync + 'static,
) -> Arc<Joiner<K, V, VO, VR>> {
    Arc::new(move |key, value, other| Some(joiner(key?, value, other?)))
}

fn left<K, V, VO, VR>(
    joiner: impl Fn(Option<&K>, V, Option<&VO>) -> VR + Send + Sync + 'static,
) -> Arc<Joiner<K, V, VO, VR>> {
    Arc::new(move |key, value, other| Some(joiner(key, value, other)))
}

struct StreamTableJoin<K, V, VO, VR> {
    joiner: Arc<Joiner<K, V, VO, VR>>,
    table: Box<dyn ValueGetter<K, VO>>,
    /// Whether it is a left join, which takes records without a key.
    takes_all: bool,
    out: Vec<Record<K, VR>>,
    next: Edge<K, VR>,
}

impl<K: Send, V: Send, VO, VR: Send> Push<K, V> for StreamTableJoin<K, V, VO, VR> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            let joined = self.join(record, run);
            self.out.extend(run.settle(joined)?.flatten());
        }
        self.next.push(&mut self.out, run)
    }
}

impl<K, V, VO, VR> StreamTableJoin<K, V, VO, VR> {
    fn join(
        &mut self,
        mut record: Record<K, V>,
        run: &mut Run<'_>,
    ) -> Result<Option<Record<K, VR>>, ProcessError> {
        let Some(value) = record.value.take() else {
            run.dropped(record.offset, Dropped::NullValue);
            return Ok(None);
        };
        if record.key.is_none() && !self.takes_all {
            run.dropped(record.offset, Dropped::NullKey);
            return Ok(None);
        }
        let other = match &record.key {
            Some(key) => self.table.get(key, run, record.offset)?,
            None => None,
        };
        let joined = (self.joiner)(record.key.as_ref(), value, other.as_ref().map(|(value, _)| value));
        Ok(joined.map(|joined| record.with_value(Some(joined))))
    }
}
