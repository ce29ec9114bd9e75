//! Topics that somebody keeps an eye on.
use std::fmt;

use courant_protocol::types::TopicName;

use super::handle::Cluster;

/// Keeps topics in the metadata for as long as it lives; made by `Cluster::want_topics`.
#[must_use = "dropping it lets the topics go"]
pub struct TopicsLease {
    cluster: Cluster,
    names: Vec<TopicName>,
}

impl TopicsLease {
    pub(super) fn new(cluster: Cluster, names: Vec<TopicName>) -> Self {
        Self { cluster, names }
    }

    /// The topics that it keeps.
    pub fn names(&self) -> &[TopicName] {
        &self.names
    }

    /// Lets the topics go at once, where dropping the lease keeps them for some minutes more: nobody needed them for long.
    pub fn forget(mut self) {
        self.cluster.forget(&std::mem::take(&mut self.names));
    }
}

impl Drop for TopicsLease {
    fn drop(&mut self) {
        self.cluster.release(&self.names);
    }
}

impl fmt::Debug for TopicsLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicsLease").field(&self.names).finish()
    }
}
