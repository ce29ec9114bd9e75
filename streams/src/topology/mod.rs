//! What a program processes: nodes, their names, sub-topologies, and what is wrong with them.
//!
//! ```text
//! dsl/* ─► graph.rs ───────► build.rs ──────► sub_topology.rs ─► wiring.rs
//!          what was called,  Kafka's nodes,   which of them      the operators
//!          in order          repartitions     run in one task    of one task
//!                               └─► describe.rs (Kafka's text), mermaid.rs (a picture)
//! ```
mod build;
mod checked;
mod describe;
mod error;
mod graph;
mod java_set;
mod mermaid;
mod names;
mod node;
mod spec;
mod split;
mod sub_topology;
mod wiring;

pub(crate) use self::build::build;
pub use self::checked::Topology;
pub use self::error::{TopologyError, TopologyProblem};
pub(crate) use self::graph::{
    Graph, GraphId, GraphKind, GraphRepartition, GraphSource, GraphTableSource, StoreUse,
};
pub(crate) use self::names::is_generated;
pub use self::spec::OffsetReset;
#[cfg(feature = "test-driver")]
pub(crate) use self::spec::changelog_topic;
pub(crate) use self::spec::{
    SinkIndex, SourceIndex, SourceTopic, StoreIndex, StoreKind, StoreSpec, internal_topic,
};
pub(crate) use self::sub_topology::SubTopology;
pub(crate) use self::wiring::{Make, Source, TaskGraph, Wiring};

#[cfg(test)]
mod tests;
