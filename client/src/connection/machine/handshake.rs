//! What happens on a connection before the application may use it: negotiation, then authentication.
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use courant_protocol::api::{ApiKey, Message};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};
use courant_protocol::wire::Str;

use crate::error::{Error, ErrorKind};

/// A user name and a password for SASL PLAIN (RFC 4616); its `Debug` shows neither the password nor its length.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Plain {
    /// The one message of the mechanism: `NUL username NUL password`.
    fn token(&self) -> Bytes {
        let mut token = BytesMut::with_capacity(self.username.len() + self.password.len() + 2);
        token.put_u8(0);
        token.put_slice(self.username.as_bytes());
        token.put_u8(0);
        token.put_slice(self.password.as_bytes());
        token.freeze()
    }
}

/// The broker is asked which versions it speaks.
#[derive(Debug)]
pub(super) struct Negotiating {
    /// The version of ApiVersions that the question is in.
    pub(super) version: i16,
}

/// What the answer to ApiVersions means.
#[derive(Debug)]
pub(super) enum Negotiated {
    /// The broker does not know the question in this version; it is asked again (KIP-511).
    Again(Negotiating),
    /// The versions are known.
    Done(ApiVersionsResponse),
}

impl Negotiating {
    /// The first question is in the highest version that we know.
    pub(super) fn start() -> Self {
        Self { version: ApiVersionsRequest::VERSIONS.max }
    }

    pub(super) fn request(&self) -> ApiVersionsRequest {
        ApiVersionsRequest {
            client_software_name: Str::from_static("courant"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..Default::default()
        }
    }

    /// A broker that is too old for the version answers in version 0 with UNSUPPORTED_VERSION and the versions of
    /// ApiVersions that it does speak; one older than KIP-511 lists nothing, and then version 0 always works.
    pub(super) fn handle(self, response: ApiVersionsResponse) -> Result<Negotiated, Error> {
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => Ok(Negotiated::Done(response)),
            ErrorCode::UNSUPPORTED_VERSION if self.version > 0 => {
                let key = i16::from(ApiKey::ApiVersions);
                let theirs = response.api_keys.iter().find(|api| api.api_key == key);
                let version = theirs.map_or(0, |api| api.max_version).clamp(0, self.version - 1);
                Ok(Negotiated::Again(Self { version }))
            }
            code => Err(Error::from_code(code, "the broker refused to tell its versions")),
        }
    }
}

/// The credentials are on their way.
#[derive(Debug)]
pub(super) struct Authenticating {
    pub(super) plain: Plain,
    pub(super) step: AuthenticationStep,
}

/// Where an authentication stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthenticationStep {
    /// The broker was asked whether it takes the mechanism.
    Mechanism,
    /// The token was sent, in this version.
    Token {
        /// Of SaslAuthenticate.
        version: i16,
    },
}

impl Authenticating {
    pub(super) fn start(plain: Plain) -> Self {
        Self { plain, step: AuthenticationStep::Mechanism }
    }

    pub(super) fn mechanism_request(&self) -> SaslHandshakeRequest {
        SaslHandshakeRequest { mechanism: Str::from_static(MECHANISM) }
    }

    pub(super) fn token_request(&self) -> SaslAuthenticateRequest {
        SaslAuthenticateRequest { auth_bytes: self.plain.token() }
    }
}

/// Whether the broker takes PLAIN; the error lists what it takes instead.
pub(super) fn check_mechanism(response: &SaslHandshakeResponse) -> Result<(), Error> {
    match ErrorCode(response.error_code) {
        ErrorCode::NONE => Ok(()),
        code => {
            let offered: Vec<&str> = response.mechanisms.iter().map(|mechanism| &**mechanism).collect();
            let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
            let what = format!("SASL mechanism {MECHANISM} refused, the broker offers {offered}");
            Err(Error::from_code(code, what))
        }
    }
}

/// Whether the credentials were taken; the error carries the broker's own words.
pub(super) fn check_credentials(response: &SaslAuthenticateResponse, username: &str) -> Result<(), Error> {
    match ErrorCode(response.error_code) {
        ErrorCode::NONE => Ok(()),
        code => {
            let words = response.error_message.as_deref().unwrap_or("no message");
            let what = format!("authentication of user {username} failed, the broker says \"{words}\"");
            Err(Error::from_code(code, what))
        }
    }
}

/// A broker that speaks only the handshake of 0.10 expects raw tokens, which carry no error message.
pub(super) fn raw_tokens_unsupported() -> Error {
    Error::new(
        ErrorKind::UnsupportedVersion,
        "the broker knows no SaslAuthenticate (Kafka 1.0 or later has it)",
    )
}

const MECHANISM: &str = "PLAIN";
