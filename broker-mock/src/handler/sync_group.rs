//! SyncGroup (14), versions 0–5: the leader gives the assignments, every member waits for its own.
//!
//! Static members from 3 (KIP-345); protocol type and name must be said from 5 (KIP-559).
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::call::{Call, Reply};
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 5);

/// The first version that must name the protocol.
const FIRST_WITH_PROTOCOL: i16 = 5;

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &SyncGroupRequest) -> Reply {
    if let Err(error) = check(cluster, call, request) {
        return SyncGroupResponse { error_code: error.0, ..Default::default() }.into();
    }
    cluster.groups.sync(call.moment(), call.connection, request);
    Reply::Wait
}

fn check(cluster: &Cluster, call: &Call, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
    let is_named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version >= FIRST_WITH_PROTOCOL && !is_named {
        return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    call.coordinates(cluster, &request.group_id)
}
