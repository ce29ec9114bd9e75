//! ListGroups (16), versions 0–5: the groups that this broker coordinates, by state from 4 (KIP-518), by type from 5
//! (KIP-848).
use courant_protocol::api::VersionRange;
use courant_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 5);

pub(super) fn handle(cluster: &Cluster, call: &Call, request: &ListGroupsRequest) -> ListGroupsResponse {
    if let Some(error) = call.injected_error() {
        return ListGroupsResponse { error_code: error.0, ..Default::default() };
    }
    let groups = cluster.groups.list(call.node, &request.states_filter, &request.types_filter);
    ListGroupsResponse { groups, ..Default::default() }
}
