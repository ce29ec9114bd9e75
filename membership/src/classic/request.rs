//! The requests of a classic member.
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use courant_protocol::messages::join_group::JoinGroupRequestProtocol;
use courant_protocol::messages::leave_group::MemberIdentity;
use courant_protocol::messages::sync_group::SyncGroupRequestAssignment;
use courant_protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use courant_protocol::wire::Str;

use super::member::{Member, Protocol};
use super::settings::ClassicSettings;

/// Ties an answer to the request that it answers; an answer that comes under an old one is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// A request for the driver to send to the coordinator.
///
/// A JoinGroup or SyncGroup waits at the coordinator for other members, and the requests of one connection are answered in
/// order: each member needs a connection of its own for them, away from heartbeats and commits.
#[derive(Clone, Debug)]
pub enum ClassicRequest {
    /// To be answered with `handle_join`.
    Join(Ticket, JoinGroupRequest, Duration),
    /// To be answered with `handle_sync`.
    Sync(Ticket, SyncGroupRequest, Duration),
    /// To be answered with `handle_heartbeat`.
    Heartbeat(Ticket, HeartbeatRequest, Duration),
    /// To be answered with `handle_left`.
    Leave(Leave, Duration),
}

/// A member's farewell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    group_id: String,
    member_id: String,
    group_instance_id: Option<String>,
    reason: String,
}

impl Leave {
    pub(super) fn new(settings: &ClassicSettings, member: &Member, reason: &str) -> Self {
        Self {
            group_id: settings.group_id.clone(),
            member_id: member.member_id.clone(),
            group_instance_id: settings.group_instance_id.clone(),
            reason: truncated(reason),
        }
    }

    /// The request; before version 3 it names one member, since then a list of them (KIP-345), since 5 a reason (KIP-800).
    pub fn request(&self, version: i16) -> LeaveGroupRequest {
        let (group_id, member_id) = (Str::from(&*self.group_id), Str::from(&*self.member_id));
        if version < 3 {
            return LeaveGroupRequest { group_id, member_id, members: Vec::new() };
        }
        let member = MemberIdentity {
            member_id,
            group_instance_id: self.group_instance_id.as_deref().map(Str::from),
            reason: Some(Str::from(&*self.reason)),
        };
        LeaveGroupRequest { group_id, members: vec![member], ..LeaveGroupRequest::default() }
    }
}

pub(super) fn join(
    settings: &ClassicSettings,
    member: &Member,
    protocols: &[Protocol],
    reason: &str,
) -> JoinGroupRequest {
    let protocol = |protocol: &Protocol| JoinGroupRequestProtocol {
        name: Str::from(&*protocol.name),
        metadata: protocol.metadata.clone(),
    };
    JoinGroupRequest {
        group_id: Str::from(&*settings.group_id),
        session_timeout_ms: millis(settings.session_timeout),
        rebalance_timeout_ms: millis(settings.rebalance_timeout),
        member_id: Str::from(&*member.member_id),
        group_instance_id: settings.group_instance_id.as_deref().map(Str::from),
        protocol_type: Str::from(&*settings.protocol_type),
        protocols: protocols.iter().map(protocol).collect(),
        reason: Some(Str::from(&*truncated(reason))),
    }
}

pub(super) fn sync(
    settings: &ClassicSettings,
    member: &Member,
    assignments: &BTreeMap<String, Bytes>,
) -> SyncGroupRequest {
    let assignment = |(member_id, assignment): (&String, &Bytes)| SyncGroupRequestAssignment {
        member_id: Str::from(&**member_id),
        assignment: assignment.clone(),
    };
    SyncGroupRequest {
        group_id: Str::from(&*settings.group_id),
        generation_id: member.generation_id,
        member_id: Str::from(&*member.member_id),
        group_instance_id: settings.group_instance_id.as_deref().map(Str::from),
        protocol_type: Some(Str::from(&*settings.protocol_type)),
        protocol_name: member.protocol_name.as_deref().map(Str::from),
        assignments: assignments.iter().map(assignment).collect(),
    }
}

pub(super) fn heartbeat(settings: &ClassicSettings, member: &Member) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: Str::from(&*settings.group_id),
        generation_id: member.generation_id,
        member_id: Str::from(&*member.member_id),
        group_instance_id: settings.group_instance_id.as_deref().map(Str::from),
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Coordinators take reasons of up to 255 characters (KIP-800).
fn truncated(reason: &str) -> String {
    reason.chars().take(255).collect()
}
