//! Cooperative sticky: as sticky, and nobody is given a partition that somebody else has not let go of (KIP-429).
//!
//! Members keep their partitions while they join. A partition that is to go from one member to another is given to nobody
//! in this round: its owner sees that it is gone, lets go of it and joins again, and the round that follows gives it away.
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use courant_protocol::types::TopicPartition;

use super::sticky::{cooperative_claim, divide};
use super::{AssignError, GroupAssignment, GroupCluster, GroupMember, LastAssignment};

pub(super) fn assign(cluster: &GroupCluster, members: &[GroupMember]) -> GroupAssignment {
    let outcome = divide(cluster, members, |member| cooperative_claim(&member.subscription));
    let mut assignment = outcome.assignment;
    let transferred = outcome.transferred.unwrap_or_else(|| transferred(members, &assignment));
    for (partition, member_id) in transferred {
        if let Some(share) = assignment.get_mut(&member_id) {
            share.partitions.retain(|other| *other != partition);
        }
    }
    assignment
}

/// What a member of `cooperative-sticky` says about its last assignment: the generation, which members of before Kafka 3.2
/// look for here.
pub(super) fn user_data(last: Option<&LastAssignment>) -> Bytes {
    let generation = last.map_or(-1, |last| last.generation);
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// Fails where an assignment gives a partition to one member while another one holds on to it.
///
/// A leader checks this of assignors that are not Kafka's own, as Java does: with cooperative members, such an assignment
/// would have two owners at work on one partition.
///
/// # Errors
/// When there is such a partition; the error names it.
pub fn check_cooperative(members: &[GroupMember], assignment: &GroupAssignment) -> Result<(), AssignError> {
    match transferred(members, assignment).pop_first() {
        None => Ok(()),
        Some((partition, member_id)) => Err(AssignError::new(format!(
            "{partition} is given to {member_id} while another member owns it: under the cooperative protocol its owner must \
             let go of it first"
        ))),
    }
}

/// Partitions that somebody has and does not keep, and that somebody else gets, each with the id of that one.
fn transferred(members: &[GroupMember], assignment: &GroupAssignment) -> BTreeMap<TopicPartition, String> {
    let mut added = BTreeMap::new();
    let mut revoked = BTreeSet::new();
    for member in members {
        let owned: BTreeSet<&TopicPartition> = member.subscription.owned.iter().collect();
        let share =
            assignment.get(&member.member_id).map(|share| share.partitions.as_slice()).unwrap_or_default();
        let share: BTreeSet<&TopicPartition> = share.iter().collect();
        added.extend(
            share.difference(&owned).map(|partition| ((*partition).clone(), member.member_id.clone())),
        );
        revoked.extend(owned.difference(&share).copied());
    }
    added.retain(|partition, _| revoked.contains(partition));
    added
}
