//! JoinGroup (11), versions 0–9: members of the classic protocol.
//!
//! The rebalance timeout is the session timeout in version 0; newcomers are given an id first from 4 (KIP-394), static
//! members from 5 (KIP-345), the protocol type is told from 7, reasons are taken from 8 (KIP-800), a static leader that
//! comes back is told to skip the assignment from 9 (KIP-814). The answer comes when the group has gathered.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{AnyResponse, JoinGroupRequest};
use courant_protocol::wire::Str;

use super::call::{Call, Reply};
use crate::cluster::Cluster;
use crate::group::{Joining, refused_join};

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 9);

/// The first version with a rebalance timeout of its own.
const FIRST_WITH_REBALANCE_TIMEOUT: i16 = 1;
/// The first version that may leave the protocol's name out.
const FIRST_WITHOUT_PROTOCOL: i16 = 7;

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &JoinGroupRequest) -> Reply {
    if let Err(error) = check(cluster, call, request) {
        let mut refused = AnyResponse::from(refused_join(&request.member_id, error));
        finish(call, &mut refused);
        return Reply::Response(Box::new(refused));
    }
    let mut owned;
    let request = if call.version < FIRST_WITH_REBALANCE_TIMEOUT {
        owned = request.clone();
        owned.rebalance_timeout_ms = request.session_timeout_ms;
        &owned
    } else {
        request
    };
    let joining = Joining {
        connection: call.connection,
        version: call.version,
        client_id: call.client_id.as_deref().unwrap_or_default(),
        request,
        fresh: if request.member_id.is_empty() { cluster.draw_uuid() } else { String::new() },
    };
    cluster.groups.join(call.moment(), call.node, &joining);
    Reply::Wait
}

fn check(cluster: &Cluster, call: &Call, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
    call.coordinates(cluster, &request.group_id)?;
    let settings = cluster.groups.settings();
    let allowed = settings.min_session_timeout_ms..=settings.max_session_timeout_ms;
    if allowed.contains(&request.session_timeout_ms) {
        Ok(())
    } else {
        Err(ErrorCode::INVALID_SESSION_TIMEOUT)
    }
}

/// Fits an answer to the version: no protocol is an empty name in older ones.
pub(crate) fn finish(call: &Call, response: &mut AnyResponse) {
    if let AnyResponse::JoinGroup(response) = response
        && call.version < FIRST_WITHOUT_PROTOCOL
    {
        response.protocol_name.get_or_insert_with(Str::new);
    }
}
