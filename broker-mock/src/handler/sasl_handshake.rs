//! SaslHandshake (17), versions 0–1: the choice of a mechanism (KIP-43, KIP-152). PLAIN alone is served.
//!
//! A cluster without users speaks plain text: there the handshake is answered with ILLEGAL_SASL_STATE.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::{Authentication, Cluster};

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 1);

const PLAIN: &str = "PLAIN";

pub(super) fn handle(
    cluster: &Cluster,
    authentication: &mut Authentication,
    call: &Call,
    request: &SaslHandshakeRequest,
) -> SaslHandshakeResponse {
    if cluster.users.is_empty() {
        return SaslHandshakeResponse { error_code: ErrorCode::ILLEGAL_SASL_STATE.0, ..Default::default() };
    }
    let mechanisms = vec![Str::from_static(PLAIN)];
    let unknown = (request.mechanism != *PLAIN).then_some(ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    if let Some(error) = call.injected_error().or(unknown) {
        return SaslHandshakeResponse { error_code: error.0, mechanisms };
    }
    *authentication = Authentication::Handshaken { bare_token: call.version == 0 };
    SaslHandshakeResponse { mechanisms, ..Default::default() }
}
