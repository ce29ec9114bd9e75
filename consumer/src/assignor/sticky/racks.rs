//! Which members run in a rack that has a replica (KIP-881).
use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, Member, Partition};
use crate::assignor::GroupCluster;
use crate::assignor::range::racks_matter;

/// Racks of members and partitions; empty unless they make a difference.
#[derive(Default)]
pub(super) struct Racks<'a> {
    of_members: BTreeMap<Member, &'a String>,
    of_topics: Vec<&'a [BTreeSet<String>]>,
}

impl<'a> Racks<'a> {
    pub(super) fn new(cluster: &'a GroupCluster, group: &Group<'a>) -> Self {
        let with_rack = |(place, member): (usize, &&'a crate::assignor::GroupMember)| {
            member.subscription.rack.as_ref().map(|rack| (place, rack))
        };
        let of_members: BTreeMap<Member, &String> =
            group.members.iter().enumerate().filter_map(with_rack).collect();
        let of_topics: Vec<&[BTreeSet<String>]> =
            group.topics.iter().map(|topic| cluster.racks(topic)).collect();
        let partitions = of_topics.iter().copied().flatten();
        if racks_matter(&of_members.values().copied().collect(), partitions) {
            Self { of_members, of_topics }
        } else {
            Self::default()
        }
    }

    /// Whether racks make a difference at all.
    pub(super) fn matter(&self) -> bool {
        !self.of_members.is_empty()
    }

    /// Whether a member says where it runs, and a partition has a replica there.
    pub(super) fn match_known(&self, member: Member, partition: Partition) -> bool {
        self.of_members
            .get(&member)
            .is_some_and(|rack| self.of_partition(partition).is_some_and(|racks| racks.contains(*rack)))
    }

    /// Whether a member says where it runs, and a partition has no replica there.
    pub(super) fn mismatch(&self, member: Member, partition: Partition) -> bool {
        self.of_members.contains_key(&member) && !self.match_known(member, partition)
    }

    /// Puts partitions first that few members have in their rack.
    pub(super) fn sort(&self, partitions: &mut [Partition]) {
        if self.matter() {
            partitions.sort_by_key(|partition| {
                self.of_members.keys().filter(|member| self.match_known(**member, *partition)).count()
            });
        }
    }

    fn of_partition(&self, partition: Partition) -> Option<&BTreeSet<String>> {
        self.of_topics.get(partition.topic)?.get(partition.number)
    }
}
