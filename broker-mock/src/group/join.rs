//! JoinGroup: who comes in, under which id, and whether that begins a rebalance.
use std::time::Duration;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::JoinGroupRequest;
use courant_protocol::wire::Str;

use super::board::{Board, Moment};
use super::classic::{Group, State, refused_join};
use super::member::{Member, NO_GENERATION, millis};
use crate::cluster::ConnectionId;

/// The first version whose newcomers must come back with the id that they were given (KIP-394).
const FIRST_WITH_KNOWN_ID: i16 = 4;
/// The first version that can tell a leader not to assign (KIP-814).
const FIRST_THAT_SKIPS: i16 = 9;
/// How long a newcomer may wait for its first answer: it has no id to send heartbeats with, and its connection does
/// not show whether it still lives.
const NEWCOMER_TIMEOUT: Duration = Duration::from_secs(300);

/// A JoinGroup on its way.
#[derive(Debug)]
pub(crate) struct Joining<'a> {
    pub(crate) connection: ConnectionId,
    pub(crate) version: i16,
    pub(crate) client_id: &'a str,
    pub(crate) request: &'a JoinGroupRequest,
    /// What follows the client's or the instance's name in the id of a newcomer.
    pub(crate) fresh: String,
}

impl Group {
    pub(super) fn join(&mut self, board: &mut Board, at: Moment, joining: &Joining<'_>) {
        let member = &*joining.request.member_id;
        if !self.has_room_for(board, member) {
            self.remove(member);
            let refused = refused_join("", ErrorCode::GROUP_MAX_SIZE_REACHED);
            return board.answer(joining.connection, refused);
        }
        if !self.takes(joining.request) {
            let refused = refused_join(member, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
            return board.answer(joining.connection, refused);
        }
        if !member.is_empty() {
            return self.join_again(board, at, joining);
        }
        let name = joining.request.group_instance_id.as_deref().unwrap_or(joining.client_id);
        let id = Str::from(format!("{name}-{}", joining.fresh));
        match joining.request.group_instance_id.as_deref() {
            Some(instance) => match self.static_members.get(instance).cloned() {
                Some(old) => self.replace(board, at, joining, &old, id),
                None => self.add_joining(board, at, joining, id),
            },
            None if joining.version >= FIRST_WITH_KNOWN_ID => {
                board.await_member(&self.id, &id, at, millis(joining.request.session_timeout_ms));
                self.pending_join.insert(id.clone());
                board.answer(joining.connection, refused_join(&id, ErrorCode::MEMBER_ID_REQUIRED));
            }
            None => self.add_joining(board, at, joining, id),
        }
    }

    /// `group.max.size`: while a rebalance is prepared those who wait are counted, so that the last to come back are
    /// the ones who do not fit.
    fn has_room_for(&self, board: &Board, member: &str) -> bool {
        let most = board.settings.max_size;
        let known = self.members.get(member);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance { .. } => {
                known.is_some_and(|known| known.joining.is_some()) || self.awaiting_join() < most
            }
            State::CompletingRebalance | State::Stable => known.is_some() || self.members.len() < most,
        }
    }

    fn join_again(&mut self, board: &mut Board, at: Moment, joining: &Joining<'_>) {
        let request = joining.request;
        let id = Str::from(&*request.member_id);
        if self.pending_join.contains(&id) {
            return self.add_joining(board, at, joining, id);
        }
        if let Err(error) = self.check_member(&id, request.group_instance_id.as_deref()) {
            return board.answer(joining.connection, refused_join(&id, error));
        }
        let same = self.members.get(&id).is_some_and(|member| member.offers_the_same(request));
        let is_leader = self.is_leader(&id);
        match self.state {
            // It may not have received the answer to its first try.
            State::CompletingRebalance if same => {
                let joined = self.joined(&id, is_leader);
                board.answer(joining.connection, joined);
            }
            // A follower without news goes on; a leader that joins again has seen something that others cannot.
            State::Stable if same && !is_leader => {
                let joined = self.joined(&id, false);
                board.answer(joining.connection, joined);
            }
            State::Empty => {
                board.answer(joining.connection, refused_join(&id, ErrorCode::UNKNOWN_MEMBER_ID));
            }
            State::PreparingRebalance { .. } | State::CompletingRebalance | State::Stable => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.update(request, joining.connection);
                }
                self.rebalance_or_complete(board, at);
            }
        }
    }

    fn add_joining(&mut self, board: &mut Board, at: Moment, joining: &Joining<'_>, id: Str) {
        let mut member = Member::new(id.clone(), joining.client_id, joining.request);
        member.joining = Some(joining.connection);
        if let State::PreparingRebalance { first: Some(gathering) } = &mut self.state {
            gathering.has_newcomer = true;
        }
        self.add(member, &joining.request.protocol_type);
        board.await_member(&self.id, &id, at, NEWCOMER_TIMEOUT);
        self.rebalance_or_complete(board, at);
    }

    /// A static member comes back under a new id: the old one is fenced, the assignment stays.
    fn replace(&mut self, board: &mut Board, at: Moment, joining: &Joining<'_>, old: &Str, id: Str) {
        let fenced = ErrorCode::FENCED_INSTANCE_ID;
        self.answer_join(board, old, refused_join(old, fenced));
        self.answer_sync(board, old, super::classic::refused_sync(fenced));
        let Some(mut member) = self.members.remove(old) else { return };
        // Nobody can sync under the old id any more.
        self.pending_sync.remove(old);
        let led = self.leader.clone().unwrap_or_default();
        member.id = id.clone();
        member.is_new = false;
        member.generation = NO_GENERATION;
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), id.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(id.clone());
        }
        board.await_member(&self.id, &id, at, member.session_timeout);
        member.update(joining.request, joining.connection);
        self.members.insert(id.clone(), member);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol_name => {
                let response = if joining.version >= FIRST_THAT_SKIPS {
                    let is_leader = self.is_leader(&id);
                    let mut response = self.joined(&id, is_leader);
                    response.skip_assignment = is_leader;
                    response
                } else {
                    // Older leaders must not take this for a call to assign, so they are named by their old id.
                    let mut response = self.joined(&id, false);
                    response.leader = led;
                    response
                };
                self.persist();
                self.answer_join(board, &id, response);
            }
            State::Stable => self.rebalance_or_complete(board, at),
            // The leader may have been told the old id, whose assignment nobody would fetch.
            State::CompletingRebalance => self.prepare_rebalance(board, at),
            State::PreparingRebalance { .. } | State::Empty => self.complete_if_all_joined(board, at),
        }
    }
}
