//! In the making.
use super::{GroupAssignment, GroupCluster, GroupMember};

pub(super) fn assign(_cluster: &GroupCluster, members: &[GroupMember]) -> GroupAssignment {
    members.iter().map(|member| (member.member_id.clone(), Default::default())).collect()
}
