//! One member of a group.
use std::time::Duration;

use bytes::Bytes;
use courant_protocol::messages::describe_groups::DescribedGroupMember;
use courant_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponseMember};
use courant_protocol::wire::Str;

use crate::cluster::ConnectionId;

/// Where all clients of the mock come from, as far as DescribeGroups tells.
const CLIENT_HOST: &str = "/127.0.0.1";

/// The generation of somebody who has not joined one yet, as clients write it.
pub(super) const NO_GENERATION: i32 = -1;

/// A member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: Str,
    /// What makes it static (KIP-345).
    pub(super) instance_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) rebalance_timeout: Duration,
    pub(super) session_timeout: Duration,
    /// The protocols that it offers, the dearest first, each with its metadata.
    pub(super) protocols: Vec<(Str, Bytes)>,
    pub(super) assignment: Bytes,
    /// The last generation that it was told of; a static member that is late has not joined the present one.
    pub(super) generation: i32,
    /// The connection whose JoinGroup waits.
    pub(super) joining: Option<ConnectionId>,
    /// The connection whose SyncGroup waits.
    pub(super) syncing: Option<ConnectionId>,
    /// Whether it has never been told the outcome of a join, so that it cannot send heartbeats yet.
    pub(super) is_new: bool,
    /// Whether a test keeps its signs of life from being counted.
    pub(super) is_paused: bool,
}

impl Member {
    pub(super) fn new(id: Str, client_id: &str, request: &JoinGroupRequest) -> Self {
        Self {
            id,
            instance_id: request.group_instance_id.as_deref().map(Str::from),
            client_id: Str::from(client_id),
            rebalance_timeout: millis(request.rebalance_timeout_ms),
            session_timeout: millis(request.session_timeout_ms),
            protocols: offered(request),
            assignment: Bytes::new(),
            generation: NO_GENERATION,
            joining: None,
            syncing: None,
            is_new: true,
            is_paused: false,
        }
    }

    /// Takes over what a later JoinGroup says.
    pub(super) fn update(&mut self, request: &JoinGroupRequest, joining: ConnectionId) {
        self.rebalance_timeout = millis(request.rebalance_timeout_ms);
        self.session_timeout = millis(request.session_timeout_ms);
        self.protocols = offered(request);
        self.joining = Some(joining);
    }

    pub(super) fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// Whether a JoinGroup offers the same as the member's last one.
    pub(super) fn offers_the_same(&self, request: &JoinGroupRequest) -> bool {
        self.protocols.len() == request.protocols.len()
            && self
                .protocols
                .iter()
                .zip(&request.protocols)
                .all(|((name, metadata), offered)| *name == *offered.name && *metadata == offered.metadata)
    }

    /// What it said under a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// Whether the end of its session counts as kept: whoever waits for an answer cannot send heartbeats, but a
    /// member that never had one may have gone for good.
    pub(super) fn is_excused(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    /// The member as its leader sees it.
    pub(super) fn shown_to_leader(&self, protocol: &str) -> JoinGroupResponseMember {
        JoinGroupResponseMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// The member as administrators see it, with metadata and assignment only once they are settled.
    pub(super) fn described(&self, settled: Option<&str>) -> DescribedGroupMember {
        DescribedGroupMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: Str::from_static(CLIENT_HOST),
            member_metadata: settled.map(|protocol| self.metadata(protocol)).unwrap_or_default(),
            member_assignment: settled.map(|_| self.assignment.clone()).unwrap_or_default(),
        }
    }
}

/// Milliseconds that a client asked for; nothing below 0.
pub(super) fn millis(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

/// Copies, so that no request stays in memory for them.
fn offered(request: &JoinGroupRequest) -> Vec<(Str, Bytes)> {
    let copy = |offered: &courant_protocol::messages::join_group::JoinGroupRequestProtocol| {
        (Str::from(&*offered.name), Bytes::copy_from_slice(&offered.metadata))
    };
    request.protocols.iter().map(copy).collect()
}
