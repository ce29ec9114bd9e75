//! DeleteGroups (42), versions 0–2: groups without members go, with their offsets (KIP-229).
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 2);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::new();
    let groups: BTreeSet<&str> = request.groups_names.iter().map(|group| &**group).collect();
    for group in groups {
        let deleted = call.is_coordinator(cluster, group).and_then(|()| cluster.groups.delete(group));
        let error_code = deleted.err().map_or(0, |error| error.0);
        results.push(DeletableGroupResult { group_id: group.into(), error_code, ..Default::default() });
    }
    DeleteGroupsResponse { results, ..Default::default() }
}
