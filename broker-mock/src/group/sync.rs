//! SyncGroup and Heartbeat: assignments from the leader to the members, and the signs of life between.
use std::collections::BTreeMap;

use bytes::Bytes;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::sync_group::SyncGroupResponse;
use courant_protocol::messages::{HeartbeatRequest, SyncGroupRequest};
use courant_protocol::wire::Str;

use super::board::{Board, Moment};
use super::classic::{Group, State, refused_sync};
use crate::cluster::ConnectionId;

impl Group {
    pub(super) fn sync(
        &mut self,
        board: &mut Board,
        at: Moment,
        connection: ConnectionId,
        request: &SyncGroupRequest,
    ) {
        let member = Str::from(&*request.member_id);
        if let Err(error) = self.check_sync(request) {
            return board.answer(connection, refused_sync(error));
        }
        match self.state {
            State::Empty => board.answer(connection, refused_sync(ErrorCode::UNKNOWN_MEMBER_ID)),
            State::PreparingRebalance { .. } => {
                board.answer(connection, refused_sync(ErrorCode::REBALANCE_IN_PROGRESS));
            }
            State::CompletingRebalance => {
                self.pending_sync.remove(&member);
                let is_leader = self.is_leader(&member);
                if let Some(member) = self.members.get_mut(&member) {
                    member.syncing = Some(connection);
                }
                if is_leader {
                    self.assign(board, at, request);
                }
            }
            State::Stable => {
                self.pending_sync.remove(&member);
                board.answer(connection, self.assigned(&member));
            }
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |asked: &Option<Str>, held: &Option<Str>| matches!((asked, held), (Some(asked), Some(held)) if asked != held);
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    /// The leader's assignment has come; whoever it forgot has nothing.
    fn assign(&mut self, board: &mut Board, at: Moment, request: &SyncGroupRequest) {
        let mut assignments: BTreeMap<&str, &Bytes> = request
            .assignments
            .iter()
            .map(|assignment| (&*assignment.member_id, &assignment.assignment))
            .collect();
        for member in self.members.values_mut() {
            let given = assignments.remove(&*member.id);
            member.assignment = given.map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
        }
        self.persist();
        self.enter(State::Stable, at);
        let members: Vec<_> =
            self.members.values().map(|member| (member.id.clone(), member.session_timeout)).collect();
        for (member, session) in members {
            let response = self.assigned(&member);
            if self.answer_sync(board, &member, response) {
                board.await_member(&self.id, &member, at, session);
            }
        }
    }

    fn assigned(&self, member: &str) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: self.members.get(member).map(|member| member.assignment.clone()).unwrap_or_default(),
            ..Default::default()
        }
    }

    /// A sign of life; whoever has to join again learns it from the error.
    pub(super) fn heartbeat(
        &mut self,
        board: &mut Board,
        at: Moment,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance { .. } => {
                self.is_alive(board, at, &request.member_id);
                Err(ErrorCode::REBALANCE_IN_PROGRESS)
            }
            State::CompletingRebalance | State::Stable => {
                self.is_alive(board, at, &request.member_id);
                Ok(())
            }
        }
    }

    /// A member was heard of.
    pub(super) fn is_alive(&self, board: &mut Board, at: Moment, member: &str) {
        if let Some(member) = self.members.get(member).filter(|member| !member.is_paused) {
            board.await_member(&self.id, &member.id, at, member.session_timeout);
        }
    }
}
