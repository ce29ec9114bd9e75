//! Which partitions have been moved from whom to whom, so that two members do not swap partitions of one topic.
use std::collections::BTreeMap;

use super::group::{Group, Member, Partition};
use crate::assignor::java_order::{hash_code, spread};

/// From whom and to whom.
type Pair = (Member, Member);

/// The moves of one computation.
#[derive(Default)]
pub(super) struct Movements {
    of_partitions: BTreeMap<Partition, Pair>,
    by_topic: BTreeMap<(usize, Pair), Vec<Partition>>,
}

impl Movements {
    /// Notes a move. A partition that has moved before counts as moved from where it was at first; back there, as not moved.
    pub(super) fn add(&mut self, partition: Partition, from: Member, to: Member) {
        let mut origin = from;
        if let Some(pair) = self.of_partitions.remove(&partition) {
            origin = pair.0;
            if let Some(moved) = self.by_topic.get_mut(&(partition.topic, pair)) {
                moved.retain(|other| *other != partition);
            }
        }
        if origin != to {
            self.of_partitions.insert(partition, (origin, to));
            self.by_topic.entry((partition.topic, (origin, to))).or_default().push(partition);
        }
    }

    /// The partition to move instead of this one: one of the same topic that has just come the other way, if there is one.
    pub(super) fn instead_of(
        &self,
        partition: Partition,
        from: Member,
        to: Member,
        group: &Group<'_>,
    ) -> Partition {
        let origin = self.of_partitions.get(&partition).map_or(from, |pair| pair.0);
        let come = self.by_topic.get(&(partition.topic, (to, origin))).map(Vec::as_slice).unwrap_or_default();
        first_of_hash_set(come, group.topics[partition.topic]).unwrap_or(partition)
    }
}

/// The partition that Java's `HashSet` of these partitions of one topic would list first.
fn first_of_hash_set(partitions: &[Partition], topic: &str) -> Option<Partition> {
    let mut buckets = 16_usize;
    while partitions.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let topic = hash_code(topic);
    // `TopicPartition.hashCode`.
    let hash = |number: usize| (number as u32).wrapping_add(31).wrapping_mul(31).wrapping_add(topic);
    partitions.iter().copied().min_by_key(|partition| spread(hash(partition.number)) as usize & (buckets - 1))
}
