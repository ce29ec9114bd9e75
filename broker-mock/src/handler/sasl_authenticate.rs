//! SaslAuthenticate (36), versions 0–2: the token of PLAIN, `authorization NUL name NUL password` (KIP-152).
//!
//! A wrong token is answered, then the connection ends. Sessions do not expire (KIP-368 with its default of 0).
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use courant_protocol::wire::Str;

use super::call::{Call, Reply};
use crate::cluster::{Authentication, Cluster};

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 2);

pub(super) fn handle(
    cluster: &Cluster,
    authentication: &mut Authentication,
    call: &Call,
    request: &SaslAuthenticateRequest,
) -> Reply {
    if !matches!(authentication, Authentication::Handshaken { .. }) {
        let message = "SaslAuthenticate comes after SaslHandshake";
        return refused(ErrorCode::ILLEGAL_SASL_STATE, message);
    }
    if let Some(error) = call.injected_error() {
        return refused(error, "injected");
    }
    if !is_accepted(cluster, &request.auth_bytes) {
        return refused(
            ErrorCode::SASL_AUTHENTICATION_FAILED,
            "Authentication failed: Invalid username or password",
        );
    }
    *authentication = Authentication::Done;
    SaslAuthenticateResponse { error_message: Some(Str::new()), ..Default::default() }.into()
}

/// Whether a token of PLAIN names a user with its password.
pub(crate) fn is_accepted(cluster: &Cluster, token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == 0);
    let (authorization, name, password) = (parts.next(), parts.next(), parts.next());
    let (Some(authorization), Some(name), Some(password), None) =
        (authorization, name, password, parts.next())
    else {
        return false;
    };
    let known = std::str::from_utf8(name).ok().and_then(|name| cluster.users.get(name));
    known.is_some_and(|known| known.as_bytes() == password)
        && (authorization.is_empty() || authorization == name)
}

fn refused(error: ErrorCode, message: &'static str) -> Reply {
    let error_message = Some(Str::from_static(message));
    let response = SaslAuthenticateResponse { error_code: error.0, error_message, ..Default::default() };
    Reply::ResponseThenClose(Box::new(response.into()))
}
