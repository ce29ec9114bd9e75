//! A connection as a broker sees it: who is behind it, and what it waits for.
use std::time::Instant;

use bytes::Bytes;
use courant_protocol::types::NodeId;
use courant_protocol::wire::Frame;

use super::fetch_session::SessionPartition;
use crate::fault::Effects;
use crate::handler::Call;

/// The number of a connection, in the order of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// How far a connection has got in proving who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// Nobody asks.
    NotNeeded,
    /// Only ApiVersions and SaslHandshake are answered.
    Needed,
    /// A mechanism was chosen; the token comes in SaslAuthenticate, or bare after a SaslHandshake of version 0.
    Handshaken { bare_token: bool },
    /// Done.
    Done,
}

/// What a connection waits for. Brokers work on one request of a connection at a time.
#[derive(Debug)]
pub(crate) enum Phase {
    /// For the next request.
    Idle,
    /// For records, or the end of the fetch's patience.
    Parked(Box<ParkedFetch>),
    /// For an answer of the group coordinator.
    Waiting(Box<Call>, Effects),
    /// For the time when a frame that is ready goes out, and perhaps the connection is closed.
    Delayed(Vec<Frame>, Ending),
    /// For the time when a request is begun (a fault holds it).
    Held(Bytes, Effects),
    /// For the end of a throttle.
    Muted,
    /// For nothing: a fault keeps the broker silent.
    Silent,
}

/// How a connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It takes the next request.
    Open,
    /// It takes the next request after a throttle.
    MuteUntil(Instant),
    /// It is closed.
    Close,
}

/// A fetch that waits.
#[derive(Debug)]
pub(crate) struct ParkedFetch {
    pub(crate) call: Call,
    pub(crate) effects: Effects,
    pub(crate) partitions: Vec<SessionPartition>,
    pub(crate) session_id: i32,
    pub(crate) is_incremental: bool,
    pub(crate) min_bytes: usize,
    pub(crate) max_bytes: usize,
    pub(crate) isolation_level: i8,
    pub(crate) rack: courant_protocol::wire::Str,
    pub(crate) deadline: Instant,
    /// The partitions whose changes may end the waiting.
    pub(crate) watched: Vec<super::state::Touched>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) node: NodeId,
    pub(crate) authentication: Authentication,
    pub(crate) phase: Phase,
    /// When the phase ends by itself.
    pub(crate) deadline: Option<Instant>,
}
