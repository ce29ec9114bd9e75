//! The group as numbers: members and topics are counted in the order of their names.
use std::collections::{BTreeMap, BTreeSet};

use courant_protocol::types::{PartitionId, TopicName, TopicPartition};

use super::Claim;
use crate::assignor::java_order::sort_as_hash_map;
use crate::assignor::{GroupCluster, GroupMember};

/// A member's place among the member ids.
pub(super) type Member = usize;

/// A partition: the place of its topic among the topics, and its number. The order is that of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) topic: usize,
    pub(super) number: usize,
}

/// Who is there, what they want, and what they say they had.
pub(super) struct Group<'a> {
    /// By member id.
    pub(super) members: Vec<&'a GroupMember>,
    /// The members in the order in which Java lists them.
    pub(super) order: Vec<Member>,
    /// The topics that somebody wants and that exist, by name.
    pub(super) topics: Vec<&'a TopicName>,
    /// For each topic its partitions.
    pub(super) counts: Vec<usize>,
    /// For each member the topics that it wants.
    pub(super) wanted: Vec<BTreeSet<usize>>,
    /// For each member what it had, as far as nobody has a better claim.
    pub(super) owned: Vec<Vec<Partition>>,
    /// Claimed by more than one member in the same generation: nobody is believed.
    pub(super) disputed: BTreeSet<Partition>,
    /// Who had a partition in an older generation than the newest, and in which.
    pub(super) before: BTreeMap<Partition, (Member, i32)>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        cluster: &GroupCluster,
        members: &'a [GroupMember],
        claim: impl Fn(&GroupMember) -> Claim,
    ) -> Self {
        let mut members: Vec<&GroupMember> = members.iter().collect();
        members.sort_by(|one, another| one.member_id.cmp(&another.member_id));
        let mut order: Vec<Member> = (0..members.len()).collect();
        sort_as_hash_map(&mut order, |member| &members[*member].member_id);

        let topics: BTreeSet<&TopicName> =
            members.iter().flat_map(|member| &member.subscription.topics).collect();
        let topics: Vec<&TopicName> =
            topics.into_iter().filter(|topic| cluster.partitions(topic) > 0).collect();
        let place = |topic: &TopicName| topics.binary_search(&topic).ok();
        let wanted =
            members.iter().map(|member| member.subscription.topics.iter().filter_map(place).collect());
        let mut group = Self {
            wanted: wanted.collect(),
            counts: topics.iter().map(|topic| cluster.partitions(topic)).collect(),
            owned: vec![Vec::new(); members.len()],
            disputed: BTreeSet::new(),
            before: BTreeMap::new(),
            members,
            order,
            topics,
        };
        let claims = group.members.iter().map(|member| claim(member)).collect();
        group.hear(claims);
        group
    }

    /// Whether all members want the same topics.
    pub(super) fn all_want_the_same(&self) -> bool {
        self.members.windows(2).all(|pair| match pair {
            [one, another] => one.subscription.topics == another.subscription.topics,
            _ => true,
        })
    }

    /// All partitions of the topics, in this order.
    pub(super) fn partitions(&self, topics: impl IntoIterator<Item = usize>) -> Vec<Partition> {
        let of_topic = |topic: usize| (0..self.counts[topic]).map(move |number| Partition { topic, number });
        topics.into_iter().flat_map(of_topic).collect()
    }

    /// The partition by its name, if it exists and somebody wants it.
    pub(super) fn find(&self, partition: &TopicPartition) -> Option<Partition> {
        let topic = self.topics.binary_search(&&partition.topic).ok()?;
        let number = usize::try_from(partition.partition.0).ok()?;
        (number < self.counts[topic]).then_some(Partition { topic, number })
    }

    /// The name of a partition.
    pub(super) fn name(&self, partition: Partition) -> TopicPartition {
        let number = partition.number.try_into().unwrap_or(i32::MAX);
        TopicPartition::new(self.topics[partition.topic].clone(), PartitionId(number))
    }

    /// Settles who had what. The newest generation is believed; two claims of one generation are both wrong.
    fn hear(&mut self, claims: Vec<Claim>) {
        let generation = |member: Member| claims[member].generation.unwrap_or(-1);
        let newest = (0..claims.len()).map(generation).max().unwrap_or(-1);
        let mut owners: BTreeMap<Partition, Member> = BTreeMap::new();
        for member in self.order.clone() {
            let claimed: Vec<Partition> =
                claims[member].partitions.iter().filter_map(|partition| self.find(partition)).collect();
            for &partition in &claimed {
                let rival = owners.get(&partition).copied();
                if rival.is_some_and(|rival| generation(rival) > generation(member)) {
                    continue;
                }
                if let Some(rival) = rival {
                    self.owned[rival].retain(|owned| *owned != partition);
                }
                owners.insert(partition, member);
                if rival.is_some_and(|rival| generation(rival) == generation(member)) {
                    self.disputed.insert(partition);
                } else {
                    self.owned[member].push(partition);
                }
            }
            if generation(member) < newest {
                for partition in claimed {
                    let last = self.before.entry(partition).or_insert((member, generation(member)));
                    if last.1 < generation(member) {
                        *last = (member, generation(member));
                    }
                }
            }
        }
    }
}
