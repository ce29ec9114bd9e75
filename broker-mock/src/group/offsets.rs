//! What groups have committed.
use std::collections::BTreeMap;

use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};
use courant_protocol::wire::Str;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) metadata: Str,
    pub(crate) committed_at: UnixMillis,
    /// When it expires, where the commit said so itself (up to version 4).
    pub(crate) expires_at: Option<UnixMillis>,
}

/// Committed offsets by group, topic and partition.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    groups: BTreeMap<Str, BTreeMap<(Str, i32), CommittedOffset>>,
}

impl Offsets {
    /// Keeps an offset; names are copied, so that no request stays in memory for them.
    pub(super) fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: CommittedOffset) {
        if !self.groups.contains_key(group) {
            self.groups.insert(Str::from(group), BTreeMap::new());
        }
        if let Some(offsets) = self.groups.get_mut(group) {
            offsets.insert((Str::from(topic), partition), offset);
        }
    }

    /// What the group committed for a partition.
    pub(super) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.groups.get(group)?.get(&(Str::from(topic), partition))
    }

    /// Everything that the group committed.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = (&Str, i32, &CommittedOffset)> {
        let offsets = self.groups.get(group).into_iter().flatten();
        offsets.map(|((topic, partition), offset)| (topic, *partition, offset))
    }

    /// Forgets one offset.
    pub(super) fn delete(&mut self, group: &str, topic: &str, partition: i32) {
        if let Some(offsets) = self.groups.get_mut(group) {
            offsets.remove(&(Str::from(topic), partition));
        }
        self.groups.retain(|_, offsets| !offsets.is_empty());
    }

    /// Forgets all of a group.
    pub(super) fn delete_group(&mut self, group: &str) {
        self.groups.remove(group);
    }

    /// Keeps of a group's offsets those that the function wants.
    pub(super) fn retain(&mut self, group: &str, wanted: impl Fn(&str, &CommittedOffset) -> bool) {
        if let Some(offsets) = self.groups.get_mut(group) {
            offsets.retain(|(topic, _), offset| wanted(topic, offset));
        }
        self.groups.retain(|_, offsets| !offsets.is_empty());
    }

    /// Forgets a deleted topic.
    pub(super) fn forget_topic(&mut self, topic: &str) {
        for offsets in self.groups.values_mut() {
            offsets.retain(|(name, _), _| &**name != topic);
        }
        self.groups.retain(|_, offsets| !offsets.is_empty());
    }
}
