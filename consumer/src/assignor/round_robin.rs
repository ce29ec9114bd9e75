//! Round robin: all partitions of all topics, dealt out one by one.
use std::collections::BTreeSet;

use courant_protocol::types::{PartitionId, TopicName, TopicPartition};

use super::{GroupAssignment, GroupCluster, GroupMember};

/// Deals out the partitions in the order of their names, to the members in the order of theirs; who does not want the
/// topic is passed over.
pub(super) fn assign(cluster: &GroupCluster, members: &[GroupMember]) -> GroupAssignment {
    let mut assignment: GroupAssignment =
        members.iter().map(|member| (member.member_id.clone(), super::Assignment::default())).collect();
    let mut circle: Vec<&GroupMember> = members.iter().collect();
    circle.sort_by(|one, another| one.by_name(another));
    let topics: BTreeSet<&TopicName> =
        members.iter().flat_map(|member| &member.subscription.topics).collect();

    let mut turn = circle.iter().cycle();
    for topic in topics {
        for partition in 0..cluster.partitions(topic) {
            let Some(member) = turn.find(|member| member.subscription.topics.contains(topic)) else {
                continue;
            };
            if let Some(share) = assignment.get_mut(&member.member_id) {
                let partition = PartitionId(partition.try_into().unwrap_or(i32::MAX));
                share.partitions.push(TopicPartition::new(topic.clone(), partition));
            }
        }
    }
    assignment
}
