//! In the making.
use bytes::Bytes;

use super::{GroupAssignment, GroupCluster, GroupMember, LastAssignment};

pub(super) fn assign(_cluster: &GroupCluster, members: &[GroupMember]) -> GroupAssignment {
    members.iter().map(|member| (member.member_id.clone(), Default::default())).collect()
}

pub(super) fn user_data(_last: &LastAssignment) -> Bytes {
    Bytes::new()
}
