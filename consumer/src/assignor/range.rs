//! Range: per topic, a range of partitions for each member.
//!
//! Members stand in the order of their names, and the first ones get one partition more where the numbers do not divide.
//! Since every topic is divided alike, topics with equally many partitions and the same members come out co-partitioned:
//! who gets partition 3 of one gets partition 3 of the other.
//!
//! Where racks are known, partitions first go to members in a rack that has a replica, within the same bounds (KIP-881);
//! what is left goes by ranges.
use std::collections::{BTreeMap, BTreeSet};

use courant_protocol::types::{PartitionId, TopicName, TopicPartition};

use super::java_order::sort_as_hash_map;
use super::{Assignment, GroupAssignment, GroupCluster, GroupMember};

pub(super) fn assign(cluster: &GroupCluster, members: &[GroupMember]) -> GroupAssignment {
    let mut topics: Vec<Division<'_>> =
        topics(cluster, members).into_iter().map(|topic| Division::new(topic, cluster, members)).collect();
    let mut shares = Shares::new(members);
    let by_rack = topics.iter().any(|topic| topic.racks_matter);
    if by_rack {
        match_racks(&mut topics, &mut shares);
    }
    for topic in &mut topics {
        topic.give_ranges(&mut shares, false);
    }
    if by_rack {
        shares.sort();
    }
    shares.0
}

/// The topics that somebody wants and that exist, in Java's order.
fn topics<'a>(cluster: &GroupCluster, members: &'a [GroupMember]) -> Vec<&'a TopicName> {
    let mut ordered: Vec<&GroupMember> = members.iter().collect();
    sort_as_hash_map(&mut ordered, |member| &member.member_id);
    let mut seen = BTreeSet::new();
    let wanted = ordered.iter().flat_map(|member| &member.subscription.topics);
    let mut topics: Vec<&TopicName> = wanted.filter(|topic| seen.insert(*topic)).collect();
    sort_as_hash_map(&mut topics, |topic| topic);
    topics.retain(|topic| cluster.partitions(topic) > 0);
    sort_as_hash_map(&mut topics, |topic| topic);
    topics
}

/// What has been given out.
struct Shares(GroupAssignment);

impl Shares {
    fn new(members: &[GroupMember]) -> Self {
        Self(members.iter().map(|member| (member.member_id.clone(), Assignment::default())).collect())
    }

    fn give(&mut self, member: &GroupMember, topic: &TopicName, partition: usize) {
        if let Some(share) = self.0.get_mut(&member.member_id) {
            let partition = PartitionId(partition.try_into().unwrap_or(i32::MAX));
            share.partitions.push(TopicPartition::new(topic.clone(), partition));
        }
    }

    fn sort(&mut self) {
        self.0.values_mut().for_each(|share| share.partitions.sort());
    }
}

/// A topic that is being divided.
struct Division<'a> {
    topic: &'a TopicName,
    racks: &'a [BTreeSet<String>],
    /// Who wants the topic, in the order of their names, each with the number of partitions it has got.
    members: Vec<(&'a GroupMember, usize)>,
    unassigned: BTreeSet<usize>,
    /// Partitions for every member.
    quota: usize,
    /// Members that may still get one more.
    extras: usize,
    /// Whether some racks of members have replicas, and not every partition has one in all of the racks.
    racks_matter: bool,
}

impl<'a> Division<'a> {
    fn new(topic: &'a TopicName, cluster: &'a GroupCluster, members: &'a [GroupMember]) -> Self {
        let wants = |member: &&GroupMember| member.subscription.topics.contains(topic);
        let mut members: Vec<&GroupMember> = members.iter().filter(wants).collect();
        members.sort_by(|one, another| one.by_name(another));
        let racks = cluster.racks(topic);
        let of_members: BTreeSet<&String> =
            members.iter().filter_map(|member| member.subscription.rack.as_ref()).collect();
        Self {
            topic,
            racks,
            unassigned: (0..racks.len()).collect(),
            quota: racks.len() / members.len().max(1),
            extras: racks.len() % members.len().max(1),
            racks_matter: racks_matter(&of_members, racks.iter()),
            members: members.into_iter().map(|member| (member, 0)).collect(),
        }
    }

    /// How many partitions a member may still get.
    fn room(&self, place: usize) -> usize {
        let given = self.members.get(place).map_or(usize::MAX, |(_, given)| *given);
        (self.quota + usize::from(self.extras > 0)).saturating_sub(given)
    }

    /// Whether a partition has a replica where the member runs; a member that does not say where may have any.
    fn in_rack(&self, member: &GroupMember, partition: usize) -> bool {
        let rack = member.subscription.rack.as_ref();
        rack.is_none_or(|rack| self.racks.get(partition).is_some_and(|racks| racks.contains(rack)))
    }

    fn give(&mut self, place: usize, partition: usize, shares: &mut Shares) {
        let Some((member, given)) = self.members.get_mut(place) else { return };
        *given += 1;
        if *given > self.quota {
            self.extras = self.extras.saturating_sub(1);
        }
        self.unassigned.remove(&partition);
        shares.give(member, self.topic, partition);
    }

    /// Gives every member in turn the lowest partitions that it may get, or only those in its rack.
    fn give_ranges(&mut self, shares: &mut Shares, only_in_rack: bool) {
        for place in 0..self.members.len() {
            let Some((member, _)) = self.members.get(place).copied() else { continue };
            let fits = |partition: &usize| !only_in_rack || self.in_rack(member, *partition);
            let range: Vec<usize> =
                self.unassigned.iter().copied().filter(fits).take(self.room(place)).collect();
            range.into_iter().for_each(|partition| self.give(place, partition, shares));
        }
    }
}

/// Whether racks make a difference: some member runs where a replica is, and not every partition is in every rack.
pub(super) fn racks_matter<'a>(
    of_members: &BTreeSet<&String>,
    of_partitions: impl Iterator<Item = &'a BTreeSet<String>> + Clone,
) -> bool {
    let all: BTreeSet<&String> = of_partitions.clone().flatten().collect();
    !of_members.is_disjoint(&all) && of_partitions.into_iter().any(|racks| racks.len() < all.len())
}

/// Gives partitions to members in their racks. Topics with the same members and as many partitions are divided as one, so
/// that they stay co-partitioned.
fn match_racks(topics: &mut [Division<'_>], shares: &mut Shares) {
    let mut alike: BTreeMap<(Vec<&str>, usize), Vec<&mut Division<'_>>> = BTreeMap::new();
    for topic in topics {
        let members = topic.members.iter().map(|(member, _)| member.member_id.as_str()).collect();
        alike.entry((members, topic.racks.len())).or_default().push(topic);
    }
    for ((_, partitions), mut topics) in alike {
        match &mut *topics {
            [topic] if topic.racks_matter => topic.give_ranges(shares, true),
            [_] => {}
            topics => match_racks_of_all(topics, partitions, shares),
        }
    }
}

/// Gives a partition of all `topics` to the first member that may have it of each and is in a rack with a replica of each.
fn match_racks_of_all(topics: &mut [&mut Division<'_>], partitions: usize, shares: &mut Shares) {
    let members: Vec<&GroupMember> = topics
        .first()
        .map(|topic| topic.members.iter().map(|(member, _)| *member).collect())
        .unwrap_or_default();
    // Without a rack among the members there is nothing to match.
    if members.iter().all(|member| member.subscription.rack.is_none()) {
        return;
    }
    for partition in 0..partitions {
        let fits = |(place, member): (usize, &&GroupMember)| {
            topics.iter().all(|topic| topic.room(place) > 0 && topic.in_rack(member, partition))
        };
        if let Some(place) = members.iter().enumerate().position(fits) {
            topics.iter_mut().for_each(|topic| topic.give(place, partition, shares));
        }
    }
}
