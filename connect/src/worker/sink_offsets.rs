//! How far a sink has come in each of its partitions, and what may be committed.
use std::collections::BTreeMap;

use courant_protocol::types::{Offset, TopicPartition};

use crate::api::Flushed;

/// The partitions of a sink task; each offset is that of the next record.
#[derive(Debug, Default)]
pub(crate) struct SinkOffsets {
    partitions: BTreeMap<TopicPartition, Partition>,
}

#[derive(Clone, Copy, Debug)]
struct Partition {
    /// Behind what the sink accepted, or what was passed over.
    done: Offset,
    /// What was committed.
    committed: Offset,
}

/// What a flush leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Commit {
    /// To be committed.
    pub(crate) offsets: BTreeMap<TopicPartition, Offset>,
    /// What the sink named and may not: a partition of another task, or an offset beyond what it was given.
    pub(crate) ignored: Vec<(TopicPartition, Offset)>,
}

impl SinkOffsets {
    /// A partition has come; records are given from `position` on.
    pub(crate) fn assign(&mut self, partition: TopicPartition, position: Offset) {
        self.partitions.insert(partition, Partition { done: position, committed: position });
    }

    /// A partition has gone.
    pub(crate) fn remove(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// The partitions that are held.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// Whether the partition is held.
    pub(crate) fn holds(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    /// The records before `next` are done: accepted, dropped by a transform, or reported and passed over.
    pub(crate) fn advance(&mut self, partition: &TopicPartition, next: Offset) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.done = held.done.max(next);
        }
    }

    /// Records are given from `position` on, back or ahead.
    pub(crate) fn rewind(&mut self, partition: &TopicPartition, position: Offset) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.done = position;
        }
    }

    /// What a flush allows to commit, among `only` if given.
    pub(crate) fn commit(&self, flushed: &Flushed, only: Option<&[TopicPartition]>) -> Commit {
        let mut commit = Commit::default();
        let wanted = |partition: &TopicPartition| only.is_none_or(|only| only.contains(partition));
        match flushed {
            Flushed::Own => {}
            Flushed::All => {
                let moved = self.partitions.iter().filter(|(_, held)| held.done != held.committed);
                let moved = moved.filter(|(partition, _)| wanted(partition));
                commit.offsets.extend(moved.map(|(partition, held)| (partition.clone(), held.done)));
            }
            Flushed::UpTo(offsets) => {
                for (partition, offset) in offsets {
                    match self.partitions.get(partition) {
                        Some(held) if *offset > held.done => {
                            commit.ignored.push((partition.clone(), *offset))
                        }
                        None => commit.ignored.push((partition.clone(), *offset)),
                        Some(held) if *offset == held.committed || !wanted(partition) => {}
                        Some(_) => drop(commit.offsets.insert(partition.clone(), *offset)),
                    }
                }
            }
        }
        commit
    }

    /// A commit has succeeded.
    pub(crate) fn committed(&mut self, offsets: &BTreeMap<TopicPartition, Offset>) {
        for (partition, offset) in offsets {
            if let Some(held) = self.partitions.get_mut(partition) {
                held.committed = *offset;
            }
        }
    }

    /// Where to go back to after a failed flush: each partition and the offset that was committed last.
    pub(crate) fn rewind_to_committed(&mut self) -> BTreeMap<TopicPartition, Offset> {
        for held in self.partitions.values_mut() {
            held.done = held.committed;
        }
        self.partitions.iter().map(|(partition, held)| (partition.clone(), held.committed)).collect()
    }

    /// The first record that is done and not committed.
    pub(crate) fn first_open(&self) -> Option<(&TopicPartition, Offset)> {
        let open = self.partitions.iter().find(|(_, held)| held.done != held.committed);
        open.map(|(partition, held)| (partition, held.committed))
    }

    /// What is committed of a partition that is held.
    pub(crate) fn committed_offset(&self, partition: &TopicPartition) -> Option<Offset> {
        self.partitions.get(partition).map(|held| held.committed)
    }

    /// What is done of a partition that is held.
    pub(crate) fn done_offset(&self, partition: &TopicPartition) -> Option<Offset> {
        self.partitions.get(partition).map(|held| held.done)
    }

    /// Whether something was done and is not committed.
    pub(crate) fn is_dirty(&self) -> bool {
        self.partitions.values().any(|held| held.done != held.committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn held(done: &[(i32, i64)]) -> SinkOffsets {
        let mut offsets = SinkOffsets::default();
        for (partition, done) in done {
            offsets.assign(at(*partition), Offset(10));
            offsets.advance(&at(*partition), Offset(*done));
        }
        offsets
    }

    #[test]
    fn everything_that_was_accepted_may_be_committed_once() {
        let mut offsets = held(&[(0, 15), (1, 10), (2, 12)]);
        let commit = offsets.commit(&Flushed::All, None);
        assert_eq!(commit.offsets, BTreeMap::from([(at(0), Offset(15)), (at(2), Offset(12))]));
        assert_eq!(offsets.commit(&Flushed::All, Some(&[at(2)])).offsets.len(), 1);
        offsets.committed(&commit.offsets);
        assert_eq!(offsets.commit(&Flushed::All, None), Commit::default());
        assert!(!offsets.is_dirty());
    }

    #[test]
    fn offsets_ahead_of_what_was_given_and_of_other_tasks_partitions_are_ignored() {
        let offsets = held(&[(0, 15)]);
        let named = BTreeMap::from([(at(0), Offset(16)), (at(7), Offset(3))]);
        let commit = offsets.commit(&Flushed::UpTo(named), None);
        assert_eq!(commit.offsets, BTreeMap::new());
        assert_eq!(commit.ignored, [(at(0), Offset(16)), (at(7), Offset(3))]);
        let named = BTreeMap::from([(at(0), Offset(15))]);
        assert_eq!(offsets.commit(&Flushed::UpTo(named.clone()), None).offsets, named);
    }

    #[test]
    fn a_rewind_resets_what_counts_as_done_so_that_the_next_commit_skips_nothing() {
        let mut offsets = held(&[(0, 15)]);
        assert_eq!(offsets.rewind_to_committed(), BTreeMap::from([(at(0), Offset(10))]));
        assert_eq!(offsets.commit(&Flushed::All, None), Commit::default());
        offsets.advance(&at(0), Offset(12));
        assert_eq!(offsets.commit(&Flushed::All, None).offsets, BTreeMap::from([(at(0), Offset(12))]));
    }

    #[test]
    fn a_sink_that_keeps_its_own_offsets_commits_none() {
        assert_eq!(held(&[(0, 15)]).commit(&Flushed::Own, None), Commit::default());
    }
}
