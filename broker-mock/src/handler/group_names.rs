//! Which groups a request is about.
use courant_protocol::messages::AnyRequest;

/// Groups, in FindCoordinator.
const GROUP: i8 = 0;

/// Whether a request is about a group.
// tidy: one match
pub(crate) fn concerns_group(request: &AnyRequest, group: &str) -> bool {
    match request {
        AnyRequest::JoinGroup(request) => request.group_id == *group,
        AnyRequest::SyncGroup(request) => request.group_id == *group,
        AnyRequest::Heartbeat(request) => request.group_id == *group,
        AnyRequest::LeaveGroup(request) => request.group_id == *group,
        AnyRequest::OffsetCommit(request) => request.group_id == *group,
        AnyRequest::OffsetDelete(request) => request.group_id == *group,
        AnyRequest::OffsetFetch(request) => {
            request.group_id == *group || request.groups.iter().any(|one| one.group_id == *group)
        }
        AnyRequest::FindCoordinator(request) if request.key_type == GROUP => {
            request.key == *group || request.coordinator_keys.iter().any(|key| *key == *group)
        }
        AnyRequest::DescribeGroups(request) => request.groups.iter().any(|one| *one == *group),
        AnyRequest::DeleteGroups(request) => request.groups_names.iter().any(|one| *one == *group),
        _ => false,
    }
}
