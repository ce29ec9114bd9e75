//! The case that members want different topics.
//!
//! Members keep what they had, as far as they still want it. What is left goes, topic by topic and the least wanted topics
//! first, to whoever has least. Then partitions move from members that have more to members that have at least two less,
//! until nothing can be moved; if that has not made the shares more even, it is all taken back.
use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, Member, Partition};
use super::movements::Movements;
use super::racks::Racks;

pub(super) struct General<'a> {
    group: &'a Group<'a>,
    racks: &'a Racks<'a>,
    /// For each topic who wants it.
    wanting: Vec<Vec<Member>>,
    state: State,
    /// The members that take part in the balancing, those with least first.
    by_load: BTreeSet<(usize, Member)>,
    /// Whether somebody had to give up a partition because it is not wanted any more, or is in another rack.
    revoked: bool,
    movements: Movements,
}

/// What balancing changes, and what is taken back when it was in vain.
#[derive(Clone)]
struct State {
    shares: Vec<Vec<Partition>>,
    owners: BTreeMap<Partition, Member>,
}

impl<'a> General<'a> {
    pub(super) fn new(group: &'a Group<'a>, racks: &'a Racks<'a>) -> Self {
        let wants = |topic: usize| {
            (0..group.members.len()).filter(move |member| group.wanted[*member].contains(&topic))
        };
        let mut general = Self {
            group,
            racks,
            wanting: (0..group.topics.len()).map(|topic| wants(topic).collect()).collect(),
            state: State { shares: vec![Vec::new(); group.members.len()], owners: BTreeMap::new() },
            by_load: BTreeSet::new(),
            revoked: false,
            movements: Movements::default(),
        };
        (0..group.members.len()).for_each(|member| general.keep(member));
        general
    }

    /// The share of each member.
    pub(super) fn assign(mut self) -> Vec<Vec<Partition>> {
        self.by_load =
            self.state.shares.iter().enumerate().map(|(member, share)| (share.len(), member)).collect();
        let fresh = self.by_load.last().is_none_or(|(most, _)| *most == 0);
        let mut topics: Vec<usize> = (0..self.group.topics.len()).collect();
        topics.sort_by_key(|topic| self.wanting[*topic].len());
        let mut all = self.group.partitions(topics);
        let mut unassigned = all.clone();
        unassigned.retain(|partition| !self.state.owners.contains_key(partition));
        self.deal(&unassigned);

        let movable = |partition: &Partition| self.wanting[partition.topic].len() > 1;
        all.retain(movable);
        unassigned.retain(movable);
        self.leave_out_the_settled();
        let before = self.state.clone();
        // Unless something had to be given up anyway, moving what is new may be enough.
        if !self.revoked {
            self.balance(&unassigned);
        }
        let moved = self.balance(&all);
        if moved && !fresh && self.unevenness(&self.state) >= self.unevenness(&before) {
            self.state = before;
        }
        let found = self.state.clone();
        self.unless_as_good(found).shares
    }

    /// What members had, if that was whole, balanced, and in as good racks as what has been found.
    ///
    /// Members give up partitions outside their racks each time, even if there is nobody in a rack to take them. Java hands
    /// those around, and a cooperative group may rebalance again and again for nothing.
    fn unless_as_good(mut self, found: State) -> State {
        if !self.racks.matter() {
            return found;
        }
        self.state = State { shares: vec![Vec::new(); self.group.members.len()], owners: BTreeMap::new() };
        for (member, owned) in self.group.owned.iter().enumerate() {
            let wanted =
                owned.iter().filter(|partition| self.group.wanted[member].contains(&partition.topic));
            self.state.shares[member].extend(wanted);
            self.state.owners.extend(self.state.shares[member].iter().map(|partition| (*partition, member)));
        }
        self.by_load = (0..self.group.members.len()).map(|member| (self.load(member), member)).collect();
        let another = self.state.owners != found.owners && self.state.owners.len() == found.owners.len();
        if another && self.is_balanced() && self.mismatches(&self.state) <= self.mismatches(&found) {
            self.state
        } else {
            found
        }
    }

    /// How many partitions are with members outside their racks.
    fn mismatches(&self, state: &State) -> usize {
        state.owners.iter().filter(|(partition, member)| self.racks.mismatch(**member, **partition)).count()
    }

    /// Lets a member keep what it had and may have.
    fn keep(&mut self, member: Member) {
        for &partition in &self.group.owned[member] {
            if self.group.wanted[member].contains(&partition.topic) && !self.racks.mismatch(member, partition)
            {
                self.state.shares[member].push(partition);
                self.state.owners.insert(partition, member);
            } else {
                self.revoked = true;
            }
        }
    }

    /// Gives each partition to whoever of those that want it has least; first to members in its racks.
    fn deal(&mut self, unassigned: &[Partition]) {
        let mut rest = unassigned.to_vec();
        if self.racks.matter() {
            rest.retain(|partition| {
                !self.give(*partition, |racks, member| !racks.mismatch(member, *partition))
            });
        }
        for partition in rest {
            self.give(partition, |_, _| true);
        }
    }

    fn give(&mut self, partition: Partition, may_have: impl Fn(&Racks<'_>, Member) -> bool) -> bool {
        let takes = |member: Member| {
            self.group.wanted[member].contains(&partition.topic) && may_have(self.racks, member)
        };
        let Some((load, member)) = self.by_load.iter().copied().find(|(_, member)| takes(*member)) else {
            return false;
        };
        self.by_load.remove(&(load, member));
        self.by_load.insert((load + 1, member));
        self.state.shares[member].push(partition);
        self.state.owners.insert(partition, member);
        true
    }

    /// Takes members out of the balancing whose share cannot change: they have all that they want, and nobody else wants it.
    fn leave_out_the_settled(&mut self) {
        let (state, wanting, group) = (&self.state, &self.wanting, self.group);
        self.by_load.retain(|(load, member)| {
            *load < most(group, *member)
                || state.shares[*member].iter().any(|partition| wanting[partition.topic].len() > 1)
        });
    }

    /// Moves partitions until no move would help; says whether any was moved.
    fn balance(&mut self, partitions: &[Partition]) -> bool {
        let mut moved = false;
        loop {
            let mut changed = false;
            for &partition in partitions {
                if self.is_balanced() {
                    break;
                }
                changed |= self.improve(partition);
            }
            if !changed {
                return moved;
            }
            moved = true;
        }
    }

    /// Moves a partition, or one in its place, if its owner has at least two more than somebody else who could have it.
    fn improve(&mut self, partition: Partition) -> bool {
        let Some(owner) = self.state.owners.get(&partition).copied() else { return false };
        let has_less = |member: Member| self.load(owner) > self.load(member) + 1;
        let wants = |member: Member| self.group.wanted[member].contains(&partition.topic);
        let former = self.group.before.get(&partition).map(|(member, _)| *member);
        if let Some(former) = former.filter(|former| wants(*former) && has_less(*former)) {
            self.reassign(partition, owner, former);
            return true;
        }
        if !self.wanting[partition.topic].iter().any(|member| has_less(*member)) {
            return false;
        }
        let Some(least) = self.by_load.iter().map(|(_, member)| *member).find(|member| wants(*member)) else {
            return false;
        };
        self.reassign(partition, owner, least);
        true
    }

    fn reassign(&mut self, partition: Partition, from: Member, to: Member) {
        let partition = self.movements.instead_of(partition, from, to, self.group);
        let Some(from) = self.state.owners.insert(partition, to) else { return };
        self.movements.add(partition, from, to);
        for member in [from, to] {
            self.by_load.remove(&(self.load(member), member));
        }
        self.state.shares[from].retain(|other| *other != partition);
        self.state.shares[to].push(partition);
        for member in [from, to] {
            self.by_load.insert((self.load(member), member));
        }
    }

    fn load(&self, member: Member) -> usize {
        self.state.shares[member].len()
    }

    /// Whether no member could take a partition from one that has at least two more.
    fn is_balanced(&self) -> bool {
        let (Some((least, _)), Some((most_loaded, _))) = (self.by_load.first(), self.by_load.last()) else {
            return true;
        };
        if least + 1 >= *most_loaded {
            return true;
        }
        let could_take = |load: usize, member: Member| {
            let topics = self.group.wanted[member].iter().copied();
            let owners = self
                .group
                .partitions(topics)
                .into_iter()
                .filter_map(|partition| self.state.owners.get(&partition));
            owners.into_iter().any(|owner| self.load(*owner) > load + 1)
        };
        !self
            .by_load
            .iter()
            .any(|(load, member)| *load < most(self.group, *member) && could_take(*load, *member))
    }

    /// The differences of all pairs of shares that can change, added up.
    fn unevenness(&self, state: &State) -> usize {
        let mut lengths: Vec<usize> =
            self.by_load.iter().map(|(_, member)| state.shares[*member].len()).collect();
        lengths.sort_unstable();
        // In ascending order each length is added once for every shorter one, and taken away once for every longer one.
        let of_longer: usize = lengths.iter().enumerate().map(|(place, length)| place * length).sum();
        let of_shorter: usize = lengths.iter().rev().enumerate().map(|(place, length)| place * length).sum();
        of_longer - of_shorter
    }
}

/// How many partitions a member could have at most.
fn most(group: &Group<'_>, member: Member) -> usize {
    group.wanted[member].iter().map(|topic| group.counts[*topic]).sum()
}
