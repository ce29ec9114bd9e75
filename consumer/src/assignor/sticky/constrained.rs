//! The case that all members want the same topics: then all get as many partitions, give or take one.
//!
//! Members keep what they had up to their quota. What is left is dealt out one by one: first to members below the quota,
//! then, one each, to as many members as there are partitions over. Where racks matter, members keep and are dealt only
//! partitions of their rack first, and the rest goes without a look at racks.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::group::{Group, Member, Partition};
use super::racks::Racks;

pub(super) struct Constrained<'a> {
    group: &'a Group<'a>,
    racks: &'a Racks<'a>,
    /// What every member gets at least.
    min_quota: usize,
    /// What every member gets at most: one more, unless the numbers divide.
    max_quota: usize,
    /// How many members are still to get one partition over the lower quota.
    extras: usize,
    shares: Vec<Vec<Partition>>,
    /// Members below the lower quota.
    below: Vec<Member>,
    /// Members at the lower quota that may get one more.
    at_quota: VecDeque<Member>,
    /// Partitions that their owner could not keep.
    given_up: BTreeMap<Partition, Member>,
    transferred: BTreeMap<Partition, Member>,
}

impl<'a> Constrained<'a> {
    pub(super) fn new(group: &'a Group<'a>, racks: &'a Racks<'a>) -> Self {
        let partitions: usize = group.counts.iter().sum();
        let members = group.members.len().max(1);
        Self {
            group,
            racks,
            min_quota: partitions / members,
            max_quota: partitions.div_ceil(members),
            extras: partitions % members,
            shares: vec![Vec::new(); group.members.len()],
            below: Vec::new(),
            at_quota: VecDeque::new(),
            given_up: BTreeMap::new(),
            transferred: BTreeMap::new(),
        }
    }

    /// The share of each member, and the partitions that go from one member to another, with the new owners.
    pub(super) fn assign(mut self) -> (Vec<Vec<Partition>>, BTreeMap<Partition, Member>) {
        for member in &self.group.order {
            self.keep(*member);
        }
        let kept: BTreeSet<Partition> = self.shares.iter().flatten().copied().collect();
        let mut unassigned = self.group.partitions(0..self.group.topics.len());
        unassigned.retain(|partition| !kept.contains(partition));
        self.below.sort_unstable();
        self.at_quota.make_contiguous().sort_unstable();
        if self.racks.matter() {
            self.racks.sort(&mut unassigned);
            self.deal_in_racks(&mut unassigned);
        }
        self.deal(unassigned);
        (self.shares, self.transferred)
    }

    /// Lets a member keep what it had, up to its quota.
    fn keep(&mut self, member: Member) {
        let (mut kept, mismatched): (Vec<Partition>, Vec<Partition>) =
            self.group.owned[member].iter().partition(|partition| !self.racks.mismatch(member, **partition));
        // Java keeps the lowest partitions of all topics, not all partitions of the first topics.
        kept.sort_unstable_by_key(|partition| (partition.number, partition.topic));
        kept.retain(|partition| !self.group.disputed.contains(partition));
        let quota = if kept.len() < self.min_quota {
            self.below.push(member);
            self.min_quota
        } else if kept.len() >= self.max_quota && self.extras > 0 {
            self.take_extra();
            self.max_quota
        } else {
            if self.extras > 0 {
                self.at_quota.push_back(member);
            }
            self.min_quota
        };
        let over = kept.split_off(quota.min(kept.len()));
        self.given_up.extend(mismatched.into_iter().chain(over).map(|partition| (partition, member)));
        self.shares[member] = kept;
    }

    /// One more member is over the lower quota; after the last one nobody at the quota gets more.
    fn take_extra(&mut self) {
        self.extras = self.extras.saturating_sub(1);
        if self.extras == 0 {
            self.at_quota.clear();
        }
    }

    /// Deals out, member by member, partitions that have a replica in the member's rack; takes them out of `unassigned`.
    fn deal_in_racks(&mut self, unassigned: &mut Vec<Partition>) {
        let mut turn = 0;
        unassigned.retain(|&partition| {
            let in_rack = |member: &Member| self.racks.match_known(*member, partition);
            let around = (turn..self.below.len()).chain(0..turn.min(self.below.len()));
            let next = around.into_iter().find(|place| in_rack(&self.below[*place]));
            let owner = if let Some(place) = next {
                let member = self.below[place];
                let filled = self.shares[member].len() + 1 >= self.min_quota;
                if filled {
                    self.below.remove(place);
                    if self.max_quota > self.min_quota && self.extras > 0 {
                        self.at_quota.push_back(member);
                    }
                }
                turn = (place + usize::from(!filled)).checked_rem(self.below.len()).unwrap_or(0);
                Some(member)
            } else {
                let place = self.at_quota.iter().position(in_rack);
                let member = place.and_then(|place| self.at_quota.remove(place));
                if member.is_some() {
                    self.take_extra();
                }
                member
            };
            owner.inspect(|member| self.give(partition, *member)).is_none()
        });
    }

    /// Deals out what is left.
    fn deal(&mut self, unassigned: Vec<Partition>) {
        let mut turn = 0;
        for partition in unassigned {
            turn = if turn < self.below.len() { turn } else { 0 };
            let Some(member) = self.below.get(turn).copied().or_else(|| self.at_quota.pop_front()) else {
                debug_assert!(false, "the quotas of all members are as many as the partitions");
                continue;
            };
            self.give(partition, member);
            if turn >= self.below.len() {
                continue;
            }
            if self.shares[member].len() >= self.min_quota {
                self.below.remove(turn);
                self.at_quota.push_back(member);
            } else {
                turn += 1;
            }
        }
    }

    fn give(&mut self, partition: Partition, member: Member) {
        self.shares[member].push(partition);
        let from_another = self.given_up.get(&partition).is_some_and(|owner| *owner != member);
        if from_another || self.group.disputed.contains(&partition) {
            self.transferred.insert(partition, member);
        }
    }
}
