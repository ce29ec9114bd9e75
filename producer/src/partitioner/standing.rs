//! What is known of a partition's leader, as far as the choice of a partition depends on it.
use courant_client::{Metadata, Topic};
use courant_protocol::types::NodeId;

/// One partition's leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The leader, if one is known.
    pub(crate) leader: Option<NodeId>,
    /// Whether it stands in the rack of this client, and racks matter (KIP-1123).
    pub(crate) is_near: bool,
    /// Whether it takes nothing although there is something for it (`partitioner.availability.timeout.ms`).
    pub(crate) is_slow: bool,
}

impl Standing {
    /// A leader of which nothing else is known, for tests.
    #[cfg(test)]
    pub(crate) fn led_by(leader: i32) -> Self {
        Self { leader: Some(NodeId(leader)), ..Self::default() }
    }
}

/// The standing of each of a topic's partitions; `rack` is this client's, if racks matter.
pub(crate) fn standings(topic: &Topic, metadata: &Metadata, rack: Option<&str>) -> Vec<Standing> {
    let is_near = |leader: NodeId| {
        let broker = metadata.broker(leader);
        rack.is_some() && broker.is_some_and(|broker| broker.rack.as_deref() == rack)
    };
    let leaders = topic.partitions.iter().map(|partition| partition.leader);
    leaders.map(|leader| Standing { leader, is_near: leader.is_some_and(is_near), is_slow: false }).collect()
}
