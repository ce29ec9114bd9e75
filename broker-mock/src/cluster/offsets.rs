//! What groups have committed.
use std::collections::BTreeMap;

use courant_protocol::types::{LeaderEpoch, Offset};
use courant_protocol::wire::Str;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) metadata: Str,
}

/// Committed offsets by group, topic and partition.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    groups: BTreeMap<Str, BTreeMap<(Str, i32), CommittedOffset>>,
}

impl Offsets {
    /// Keeps an offset; names are copied, so that no request stays in memory for them.
    pub(crate) fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: CommittedOffset) {
        if !self.groups.contains_key(group) {
            self.groups.insert(Str::from(group), BTreeMap::new());
        }
        if let Some(offsets) = self.groups.get_mut(group) {
            offsets.insert((Str::from(topic), partition), offset);
        }
    }

    /// What the group committed for a partition.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.groups.get(group)?.get(&(Str::from(topic), partition))
    }

    /// Everything that the group committed.
    pub(crate) fn of_group(&self, group: &str) -> impl Iterator<Item = (&Str, i32, &CommittedOffset)> {
        let offsets = self.groups.get(group).into_iter().flatten();
        offsets.map(|((topic, partition), offset)| (topic, *partition, offset))
    }

    /// Forgets a deleted topic.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        for offsets in self.groups.values_mut() {
            offsets.retain(|(name, _), _| &**name != topic);
        }
    }
}
