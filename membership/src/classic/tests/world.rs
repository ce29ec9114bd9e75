//! A member with its surroundings: a coordinator that answers what it is told to, and an owner that can wait.
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_client::Error;
use courant_client::retry::Backoff;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::join_group::JoinGroupResponseMember;
use courant_protocol::messages::{
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use courant_protocol::wire::Str;

use crate::classic::{Classic, ClassicRequest, ClassicSettings, Protocol, Ticket};
use crate::event::MembershipEvent;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn settings() -> ClassicSettings {
    ClassicSettings {
        group_id: "g".to_owned(),
        group_instance_id: None,
        protocol_type: "consumer".to_owned(),
        session_timeout: ms(45_000),
        rebalance_timeout: ms(300_000),
        heartbeat_interval: ms(3_000),
        request_timeout: ms(30_000),
        backoff: Backoff::constant(ms(100)),
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) classic: Classic,
}

/// What a member says or does next, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Joins(Ticket, String),
    Syncs(Ticket, i32, Vec<String>),
    Beats(Ticket, i32),
    Leaves(String),
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut ClassicSettings)) -> Self {
        let (now, mut settings) = (Instant::now(), settings());
        change(&mut settings);
        Self { now, classic: Classic::new(now, settings) }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn request(&mut self) -> Option<ClassicRequest> {
        let protocol = Protocol { name: "range".to_owned(), metadata: Bytes::from_static(b"topics") };
        let protocols = if self.classic.joins_now(self.now) { vec![protocol] } else { Vec::new() };
        self.classic.poll_request(self.now, protocols)
    }

    pub(super) fn does(&mut self) -> Option<Does> {
        Some(match self.request()? {
            ClassicRequest::Join(ticket, request, _) => Does::Joins(ticket, request.member_id.to_string()),
            ClassicRequest::Sync(ticket, request, _) => Does::Syncs(
                ticket,
                request.generation_id,
                request.assignments.iter().map(|share| share.member_id.to_string()).collect(),
            ),
            ClassicRequest::Heartbeat(ticket, request, _) => Does::Beats(ticket, request.generation_id),
            ClassicRequest::Leave(leave, _) => Does::Leaves(
                leave.request(5).members.iter().map(|member| member.member_id.to_string()).collect(),
            ),
        })
    }

    pub(super) fn join(&mut self) -> (Ticket, JoinGroupRequest, Duration) {
        match self.request() {
            Some(ClassicRequest::Join(ticket, request, timeout)) => (ticket, request, timeout),
            other => panic!("a JoinGroup, not {other:?}"),
        }
    }

    pub(super) fn sync(&mut self) -> (Ticket, SyncGroupRequest) {
        match self.request() {
            Some(ClassicRequest::Sync(ticket, request, _)) => (ticket, request),
            other => panic!("a SyncGroup, not {other:?}"),
        }
    }

    pub(super) fn beat(&mut self) -> Ticket {
        match self.request() {
            Some(ClassicRequest::Heartbeat(ticket, ..)) => ticket,
            other => panic!("a Heartbeat, not {other:?}"),
        }
    }

    pub(super) fn joined(&mut self, ticket: Ticket, response: JoinGroupResponse) {
        self.classic.handle_join(self.now, ticket, Ok(response), 0.5);
    }

    pub(super) fn synced(&mut self, ticket: Ticket, code: ErrorCode) {
        let response = SyncGroupResponse {
            error_code: code.0,
            assignment: Bytes::from_static(b"mine"),
            ..SyncGroupResponse::default()
        };
        self.classic.handle_sync(self.now, ticket, Ok(response), 0.5);
    }

    pub(super) fn beaten(&mut self, ticket: Ticket, code: ErrorCode) {
        let response = HeartbeatResponse { error_code: code.0, ..HeartbeatResponse::default() };
        self.classic.handle_heartbeat(self.now, ticket, Ok(response), 0.5);
    }

    pub(super) fn event(&mut self) -> Option<MembershipEvent> {
        self.classic.poll_event()
    }

    /// Comes as far as a stable follower `m` in this generation.
    pub(super) fn stable(&mut self, generation: i32) {
        self.classic.join(self.now);
        self.round(generation);
    }

    /// Joins as `m` and takes over what it is given.
    pub(super) fn round(&mut self, generation: i32) {
        let (ticket, ..) = self.join();
        self.joined(ticket, follower(generation));
        let (ticket, _) = self.sync();
        self.synced(ticket, ErrorCode::NONE);
        assert!(matches!(self.event(), Some(MembershipEvent::Assign(_))));
        self.classic.assigned_done();
    }
}

/// The coordinator takes member `m` in; another one leads.
pub(super) fn follower(generation_id: i32) -> JoinGroupResponse {
    JoinGroupResponse {
        generation_id,
        protocol_name: Some(Str::from("range")),
        leader: Str::from("other"),
        member_id: Str::from("m"),
        ..JoinGroupResponse::default()
    }
}

/// The coordinator takes member `m` in as the leader.
pub(super) fn leader(generation_id: i32) -> JoinGroupResponse {
    let member = |id: &str| JoinGroupResponseMember { member_id: Str::from(id), ..Default::default() };
    JoinGroupResponse {
        leader: Str::from("m"),
        members: vec![member("m"), member("n")],
        ..follower(generation_id)
    }
}

pub(super) fn refused(code: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse { error_code: code.0, member_id: Str::from("given"), ..JoinGroupResponse::default() }
}

pub(super) fn cut() -> Error {
    Error::new(courant_client::ErrorKind::Transport, "the connection ended")
}
