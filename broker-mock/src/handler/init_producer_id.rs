//! InitProducerId (22), versions 0–5: a fresh id for an idempotent producer (KIP-98, KIP-360).
//!
//! A transactional id is refused with UNSUPPORTED_VERSION: transactions are not served yet.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 5);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.0,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    if let Some(error) = call.injected_error() {
        return refused(error);
    }
    if request.transactional_id.is_some() {
        return refused(ErrorCode::UNSUPPORTED_VERSION);
    }
    // An idempotent producer without transactions always gets a new id: only a coordinator could bump an epoch.
    InitProducerIdResponse {
        producer_id: cluster.next_producer_id().0,
        producer_epoch: 0,
        ..Default::default()
    }
}
