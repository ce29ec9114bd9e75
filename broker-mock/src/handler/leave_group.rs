//! LeaveGroup (13), versions 0–5: one member goes, or several from 3 (KIP-345), with reasons from 5 (KIP-800).
use courant_protocol::api::VersionRange;
use courant_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 5);

/// The first version that may name several members.
const FIRST_WITH_MEMBERS: i16 = 3;

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    if let Err(error) = call.coordinates(cluster, &request.group_id) {
        return LeaveGroupResponse { error_code: error.0, ..Default::default() };
    }
    let groups = &mut cluster.groups;
    if call.version >= FIRST_WITH_MEMBERS {
        let members = groups.leave(call.moment(), &request.group_id, &request.members);
        return LeaveGroupResponse { members, ..Default::default() };
    }
    let only = MemberIdentity { member_id: request.member_id.clone(), ..Default::default() };
    let left = groups.leave(call.moment(), &request.group_id, &[only]);
    let error_code = left.first().map_or(0, |member| member.error_code);
    LeaveGroupResponse { error_code, ..Default::default() }
}
