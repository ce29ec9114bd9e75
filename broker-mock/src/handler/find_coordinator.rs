//! FindCoordinator (10), versions 0–6: which broker keeps a group's offsets; several keys at once from 4 (KIP-699).
//!
//! Coordinators lie spread over the brokers by the hash of the key. They are there from the start: no broker answers
//! COORDINATOR_NOT_AVAILABLE while the offsets topic comes into being, and that topic is not listed.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 6);

/// The first version that asks for several keys.
const FIRST_WITH_KEYS: i16 = 4;
/// Groups, transactional ids, share groups.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=2;

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if call.version >= FIRST_WITH_KEYS {
        let coordinators =
            request.coordinator_keys.iter().map(|key| find(cluster, call, key, request.key_type)).collect();
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let found = find(cluster, call, &request.key, request.key_type);
    let none = found.error_code == 0;
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: if none { Some(Str::from_static("NONE")) } else { found.error_message },
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

fn find(cluster: &Cluster, call: &Call, key: &Str, key_type: i8) -> Coordinator {
    let refused = |error: ErrorCode| Coordinator {
        key: key.clone(),
        node_id: -1,
        host: Str::new(),
        port: -1,
        error_code: error.0,
        error_message: error.name().map(Str::from),
    };
    if let Some(error) = call.injected_error() {
        return refused(error);
    }
    if !KEY_TYPES.contains(&key_type) {
        return refused(ErrorCode::INVALID_REQUEST);
    }
    match cluster.coordinator(key) {
        Some(broker) => Coordinator {
            key: key.clone(),
            node_id: broker.id.0,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            error_code: 0,
            error_message: Some(Str::new()),
        },
        None => refused(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    }
}
