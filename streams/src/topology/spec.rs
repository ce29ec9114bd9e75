//! What a sub-topology reads, writes and keeps: what a task needs to know before it is wired.
use std::collections::BTreeMap;

use crate::timestamp::TimestampExtractor;

/// A source node of a sub-topology: an index into the task graph's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceIndex(pub(crate) usize);

/// A sink of a sub-topology: an index into [`SubTopology::sinks`](super::SubTopology::sinks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SinkIndex(pub(crate) usize);

/// A store of a sub-topology: an index into [`SubTopology::stores`](super::SubTopology::stores).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StoreIndex(pub(crate) usize);

/// Where reading begins in a topic without a committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetReset {
    /// At the beginning. This is the default of a stream application.
    Earliest,
    /// At the end.
    Latest,
    /// Nowhere: that is an error.
    None,
}

/// A topic that a sub-topology reads.
#[derive(Clone, Debug)]
pub(crate) struct SourceTopic {
    /// Its name; an internal topic's without the application's prefix.
    pub(crate) name: String,
    /// Whether it is a repartition topic, which the application creates.
    pub(crate) internal: bool,
    /// How many partitions the user wants a repartition topic to have.
    pub(crate) partitions: Option<i32>,
    /// The source node that takes its records.
    pub(crate) source: SourceIndex,
    /// Where reading begins, if not as the application says.
    pub(crate) reset: Option<OffsetReset>,
    /// Where the event time comes from.
    pub(crate) timestamp: TimestampExtractor,
}

/// A topic that a sub-topology writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SinkTopic {
    /// Its name; an internal topic's without the application's prefix.
    pub(crate) name: String,
    /// Whether it is a repartition topic.
    pub(crate) internal: bool,
}

/// How a store's keys are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// One value per key.
    KeyValue,
    /// One value per key and window start.
    Window {
        /// How long a window is.
        size_ms: i64,
        /// How far behind stream time a window may begin and still be there.
        retention_ms: i64,
    },
}

/// A state store of a sub-topology; it holds values with their time, as Kafka Streams' timestamped stores do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreSpec {
    /// Its name.
    pub(crate) name: String,
    /// How its keys are laid out.
    pub(crate) kind: StoreKind,
    /// The changelog's own topic configuration; `None` if the store has no changelog.
    pub(crate) logging: Option<BTreeMap<String, String>>,
}

impl StoreSpec {
    /// The name of its changelog topic (`ProcessorStateManager.storeChangelogTopic`).
    pub(crate) fn changelog(&self, application_id: &str) -> String {
        changelog_topic(application_id, &self.name)
    }
}

/// The name of a store's changelog topic.
pub(crate) fn changelog_topic(application_id: &str, store: &str) -> String {
    format!("{application_id}-{store}-changelog")
}

/// The name that an internal topic has on the cluster (`InternalTopologyBuilder.decorateTopic`).
pub(crate) fn internal_topic(application_id: &str, name: &str) -> String {
    format!("{application_id}-{name}")
}
