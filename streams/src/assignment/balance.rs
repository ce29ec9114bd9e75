//! Which member runs which task: balanced, and as close as can be to who ran it before.
use std::collections::{BTreeMap, BTreeSet};

use super::subscription_info::OffsetSum;
use crate::task::TaskId;

/// A member as the balance sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    /// The tasks that it runs.
    pub(super) running: BTreeSet<TaskId>,
    /// The tasks of which its process has state.
    pub(super) state: BTreeMap<TaskId, OffsetSum>,
}

/// Gives every task to one member.
///
/// Tasks with state are divided first, then the others, so that neither kind gathers in one place: of both kinds together,
/// and of those with state, no member has two more than another. A task stays where it runs; one that must move goes where
/// most of its state is, then where there is least to do, then where fewest of its sub-topology are.
pub(super) fn balance(
    stateful: &BTreeSet<TaskId>,
    stateless: &BTreeSet<TaskId>,
    members: &BTreeMap<String, Candidate>,
) -> BTreeMap<String, BTreeSet<TaskId>> {
    let mut division =
        Division { members, given: members.keys().map(|id| (id.clone(), BTreeSet::new())).collect() };
    if !members.is_empty() {
        division.divide(stateful);
        division.divide(stateless);
    }
    division.given
}

struct Division<'a> {
    members: &'a BTreeMap<String, Candidate>,
    given: BTreeMap<String, BTreeSet<TaskId>>,
}

impl Division<'_> {
    /// Divides tasks among the members, on top of what they were given before.
    fn divide(&mut self, tasks: &BTreeSet<TaskId>) {
        let total = tasks.len() + self.given.values().map(BTreeSet::len).sum::<usize>();
        let (least, mut larger) = (total / self.members.len(), total % self.members.len());
        let mut left = tasks.clone();
        // Who has the larger share already has used up one of the larger shares.
        larger = larger.saturating_sub(self.given.values().filter(|tasks| tasks.len() > least).count());
        self.keep_running(&mut left, least, &mut larger);
        self.follow_state(&mut left, least, &mut larger);
        for task in left {
            let lightest = self.given.iter().min_by_key(|(id, tasks)| {
                let of_same = tasks.iter().filter(|other| other.sub_topology == task.sub_topology).count();
                (tasks.len(), of_same, (*id).clone())
            });
            if let Some(id) = lightest.map(|(id, _)| id.clone()) {
                self.give(&id, task);
            }
        }
    }

    /// Leaves tasks where they run: up to the smaller share everywhere, then up to the larger one where there still is one.
    fn keep_running(&mut self, left: &mut BTreeSet<TaskId>, least: usize, larger: &mut usize) {
        for round in 0..2 {
            for (id, member) in self.members {
                for task in &member.running {
                    let held = self.given.get(id).map_or(0, BTreeSet::len);
                    let fits = held < least || (round == 1 && held == least && *larger > 0);
                    if fits && left.remove(task) {
                        *larger -= usize::from(held == least);
                        self.give(id, *task);
                    }
                }
            }
        }
    }

    /// Gives tasks to the member with most of their state that has room.
    fn follow_state(&mut self, left: &mut BTreeSet<TaskId>, least: usize, larger: &mut usize) {
        for task in left.clone() {
            let states = self.members.iter().filter_map(|(id, member)| {
                let held = self.given.get(id).map_or(0, BTreeSet::len);
                let fits = held < least || (held == least && *larger > 0);
                let sum = match member.state.get(&task)? {
                    OffsetSum::Running => i64::MAX,
                    OffsetSum::Upto(sum) => *sum,
                    OffsetSum::Unknown => 0,
                };
                fits.then(|| (sum, std::cmp::Reverse(held), id.clone()))
            });
            if let Some((_, std::cmp::Reverse(held), id)) = states.max() {
                *larger -= usize::from(held == least);
                left.remove(&task);
                self.give(&id, task);
            }
        }
    }

    fn give(&mut self, id: &str, task: TaskId) {
        if let Some(tasks) = self.given.get_mut(id) {
            tasks.insert(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tasks(sub_topologies: i32, partitions: i32) -> BTreeSet<TaskId> {
        let of = |sub_topology| (0..partitions).map(move |partition| TaskId { sub_topology, partition });
        (0..sub_topologies).flat_map(of).collect()
    }

    fn members(count: usize) -> BTreeMap<String, Candidate> {
        (0..count).map(|number| (format!("m{number}"), Candidate::default())).collect()
    }

    fn sizes(given: &BTreeMap<String, BTreeSet<TaskId>>) -> Vec<usize> {
        given.values().map(BTreeSet::len).collect()
    }

    #[test]
    fn what_runs_stays_where_it_runs_while_that_is_balanced() {
        let mut members = members(2);
        let all = tasks(1, 5);
        let before = balance(&all, &BTreeSet::new(), &members);
        for (id, given) in &before {
            members.get_mut(id).unwrap().running = given.clone();
        }
        assert_eq!(balance(&all, &BTreeSet::new(), &members), before);
        members.insert("m9".to_owned(), Candidate::default());
        let after = balance(&all, &BTreeSet::new(), &members);
        assert_eq!(sizes(&after), [2, 2, 1]);
        for (id, given) in &before {
            assert!(after[id].is_subset(given), "nothing moves but to the new member");
        }
    }

    #[test]
    fn a_task_that_moves_goes_where_its_state_is() {
        let mut members = members(3);
        let task = TaskId { sub_topology: 0, partition: 0 };
        members.get_mut("m1").unwrap().state.insert(task, OffsetSum::Upto(5));
        members.get_mut("m2").unwrap().state.insert(task, OffsetSum::Upto(900));
        let given = balance(&BTreeSet::from([task]), &BTreeSet::new(), &members);
        assert_eq!(given["m2"], BTreeSet::from([task]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_task_has_one_owner_and_no_member_has_two_more_than_another(
            stateful in 0..9_i32, stateless in 0..9_i32, count in 1..6_usize, owners in prop::collection::vec(0..6_usize, 18),
        ) {
            let stateful = tasks(1, stateful);
            let stateless: BTreeSet<_> = tasks(2, stateless).into_iter().filter(|task| task.sub_topology == 1).collect();
            let mut members = members(count);
            for (task, owner) in stateful.iter().chain(&stateless).zip(owners) {
                if let Some(member) = members.get_mut(&format!("m{owner}")) {
                    member.running.insert(*task);
                }
            }
            let given = balance(&stateful, &stateless, &members);
            let all: Vec<TaskId> = given.values().flatten().copied().collect();
            prop_assert_eq!(all.len(), stateful.len() + stateless.len());
            prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), stateful.union(&stateless).copied().collect());
            let spread = |sizes: Vec<usize>| sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
            prop_assert!(spread(sizes(&given)) <= 1);
            prop_assert!(spread(given.values().map(|tasks| tasks.intersection(&stateful).count()).collect()) <= 1);
        }
    }
}
