//! DescribeGroups (15), versions 0–6: groups of the classic protocol with their members.
//!
//! Permissions are told on request from 3 (KIP-430): without an authorizer, all. A group that is not there is "Dead",
//! and from 6 an error besides (KIP-1043).
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 6);

/// The first version in which a group that is not there is an error.
const FIRST_WITH_NOT_FOUND: i16 = 6;
/// READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS, as bits.
const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut seen = std::collections::BTreeSet::new();
    let groups = request.groups.iter().filter(|group| seen.insert(&***group));
    let groups = groups.map(|group| {
        let mut described = describe(cluster, call, group);
        if request.include_authorized_operations && described.error_code == 0 {
            described.authorized_operations = GROUP_OPERATIONS;
        }
        described
    });
    DescribeGroupsResponse { groups: groups.collect(), ..Default::default() }
}

fn describe(cluster: &Cluster, call: &Call, group: &Str) -> DescribedGroup {
    let blank = DescribedGroup { group_id: group.clone(), ..Default::default() };
    if let Err(error) = call.is_coordinator(cluster, group) {
        return DescribedGroup { error_code: error.0, ..blank };
    }
    let group_state = Str::from_static("Dead");
    match cluster.groups.describe(group) {
        Some(described) => described,
        None if call.version >= FIRST_WITH_NOT_FOUND => DescribedGroup {
            error_code: ErrorCode::GROUP_ID_NOT_FOUND.0,
            error_message: Some(Str::from(format!("Group {group} not found."))),
            group_state,
            ..blank
        },
        None => DescribedGroup { group_state, ..blank },
    }
}
