//! What a classic member is told once.
use std::time::Duration;

use courant_client::retry::Backoff;

/// What a classic member is told once.
#[derive(Clone, Debug)]
pub struct ClassicSettings {
    /// The group.
    pub group_id: String,
    /// The name of a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// What kind of group it is: `consumer`, `connect`.
    pub protocol_type: String,
    /// How long the coordinator waits for a heartbeat.
    pub session_timeout: Duration,
    /// How long the coordinator waits for members to join again: what the owner may take to give things up.
    pub rebalance_timeout: Duration,
    /// How often a heartbeat is sent.
    pub heartbeat_interval: Duration,
    /// How long an ordinary request may take.
    pub request_timeout: Duration,
    /// The waits after failures.
    pub backoff: Backoff,
}

impl ClassicSettings {
    /// How long a JoinGroup may wait at the coordinator: until everybody has come, and five seconds for the way there and
    /// back, as in Java. The time of ordinary requests is no measure for it.
    pub(super) fn join_timeout(&self) -> Duration {
        self.rebalance_timeout.saturating_add(Duration::from_secs(5)).max(self.request_timeout)
    }

    /// How long a heartbeat is waited for: several must fit into a session, so that one that is lost does not end it.
    pub(super) fn heartbeat_timeout(&self) -> Duration {
        self.request_timeout.min(self.session_timeout / 3)
    }
}
