//! A node of a topology, as Kafka counts them.
use super::spec::{OffsetReset, SinkTopic};
use super::wiring::{AnyDuplicate, Make};
use crate::timestamp::TimestampExtractor;

/// A source, a processor or a sink: what `describe()` lists.
#[derive(Clone)]
pub(crate) struct Node {
    /// Its name, unique in the topology.
    pub(crate) name: String,
    /// What it reads, if it is a source.
    pub(crate) source: Option<NodeSource>,
    /// Where it writes, if it is a sink.
    pub(crate) sink: Option<SinkTopic>,
    /// The stores that it uses, in the order in which they were connected.
    pub(crate) stores: Vec<String>,
    /// The nodes before it, in their order.
    pub(crate) parents: Vec<usize>,
    /// Who takes its records: one, but for a source from which two streams were made.
    pub(crate) ports: Vec<Port>,
}

/// What a source node reads.
#[derive(Clone, Debug)]
pub(crate) struct NodeSource {
    /// Its topics.
    pub(crate) topics: Vec<String>,
    /// Whether they are repartition topics.
    pub(crate) internal: bool,
    /// How many partitions the user wants a repartition topic to have.
    pub(crate) partitions: Option<i32>,
    /// Where reading begins.
    pub(crate) reset: Option<OffsetReset>,
    /// Where the event time comes from.
    pub(crate) timestamp: TimestampExtractor,
}

/// An operator of a node, and what stands behind it.
#[derive(Clone)]
pub(crate) struct Port {
    /// Makes the operator.
    pub(crate) make: Make,
    /// How its records are doubled.
    pub(crate) duplicate: Option<AnyDuplicate>,
    /// The nodes behind it, in their order.
    pub(crate) children: Vec<usize>,
}
