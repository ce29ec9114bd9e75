//! One connection as a machine: frames go in, frames to write and responses come out; no socket, no clock.
//!
//! ```text
//! (Connecting: the driver's) ─► Negotiating ─► Authenticating ─► Ready ─► (closed: the driver drops the socket)
//!                               ApiVersions     SaslHandshake,     requests of the application
//!                               highest, then   SaslAuthenticate
//!                               as answered     (PLAIN)
//! ```
mod connection;
mod handshake;
mod inbound;
mod pipeline;
mod reconnect;
mod throttle;

pub(crate) use self::connection::{ClosedBy, Connection, ConnectionOptions, decode_error, encode_error};
pub(crate) use self::handshake::Plain;
pub(crate) use self::inbound::Inbound;
pub(crate) use self::pipeline::Tag;
pub(crate) use self::reconnect::{Reconnect, ReconnectOptions};

#[cfg(test)]
mod tests;
