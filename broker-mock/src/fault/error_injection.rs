//! An error that a fault puts where a broker would put it.
use courant_protocol::error_code::ErrorCode;

/// An error for a whole request, or for the partitions of a topic, or for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InjectedError {
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    pub(crate) error: ErrorCode,
}

impl InjectedError {
    /// Whether it falls on this partition.
    pub(crate) fn meets(&self, topic: &str, partition: i32) -> bool {
        self.topic.as_deref().is_none_or(|wanted| wanted == topic)
            && self.partition.is_none_or(|wanted| wanted == partition)
    }
}
