//! Heartbeat (12), versions 0–4: a sign of life; its answer calls to a rebalance. Static members from 3 (KIP-345).
use courant_protocol::api::VersionRange;
use courant_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 4);

pub(super) fn handle(cluster: &mut Cluster, call: &Call, request: &HeartbeatRequest) -> HeartbeatResponse {
    let heard = call
        .coordinates(cluster, &request.group_id)
        .and_then(|()| cluster.groups.heartbeat(call.moment(), request));
    HeartbeatResponse { error_code: heard.err().map_or(0, |error| error.0), ..Default::default() }
}
