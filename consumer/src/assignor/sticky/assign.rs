//! From claims to an assignment.
use std::collections::BTreeMap;

use courant_protocol::types::TopicPartition;

use super::constrained::Constrained;
use super::general::General;
use super::group::{Group, Member, Partition};
use super::racks::Racks;
use super::{Claim, eager_claim};
use crate::assignor::{Assignment, GroupAssignment, GroupCluster, GroupMember};

/// What the two ways of assigning come to.
pub(in crate::assignor) struct Outcome {
    pub(in crate::assignor) assignment: GroupAssignment,
    /// Partitions that go from one member to another, each with the id of the new owner; none where that is not known.
    pub(in crate::assignor) transferred: Option<BTreeMap<TopicPartition, String>>,
}

/// Kafka's `sticky`.
pub(in crate::assignor) fn assign(cluster: &GroupCluster, members: &[GroupMember]) -> GroupAssignment {
    divide(cluster, members, |member| eager_claim(&member.subscription)).assignment
}

/// Divides the partitions among the members, given what each of them had.
pub(in crate::assignor) fn divide(
    cluster: &GroupCluster,
    members: &[GroupMember],
    claim: impl Fn(&GroupMember) -> Claim,
) -> Outcome {
    let group = Group::new(cluster, members, claim);
    let racks = Racks::new(cluster, &group);
    if group.all_want_the_same() {
        let (shares, transferred) = Constrained::new(&group, &racks).assign();
        let with_names = |(partition, member): (Partition, Member)| {
            (group.name(partition), group.members[member].member_id.clone())
        };
        let transferred = transferred.into_iter().map(with_names).collect();
        Outcome { assignment: named(&group, shares), transferred: Some(transferred) }
    } else {
        let shares = General::new(&group, &racks).assign();
        Outcome { assignment: named(&group, shares), transferred: None }
    }
}

fn named(group: &Group<'_>, shares: Vec<Vec<Partition>>) -> GroupAssignment {
    let with_names = |(member, share): (&&GroupMember, Vec<Partition>)| {
        let partitions = share.into_iter().map(|partition| group.name(partition));
        (member.member_id.clone(), Assignment::new(partitions))
    };
    group.members.iter().zip(shares).map(with_names).collect()
}
