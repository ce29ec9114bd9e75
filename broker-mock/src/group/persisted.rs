//! What a coordinator has written down of a group, and so what its successor knows.
//!
//! Kafka writes a group when the leader's assignment has come, when it becomes empty, and when a static member is
//! replaced. A coordinator that moves in the middle of a rebalance forgets the rebalance: the group is stable again
//! under its last generation, and members that joined since are unknown.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{NodeId, UnixMillis};
use courant_protocol::wire::Str;

use super::board::{Board, Moment};
use super::classic::{Group, State, refused_join, refused_sync};
use super::member::Member;
use super::timers::Timer;

/// A group as written.
#[derive(Clone, Debug)]
pub(super) struct Persisted {
    generation: i32,
    protocol_type: Option<Str>,
    protocol_name: Option<Str>,
    leader: Option<Str>,
    since: UnixMillis,
    members: Vec<Member>,
}

impl Persisted {
    pub(super) fn empty(since: UnixMillis) -> Self {
        Self {
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            since,
            members: Vec::new(),
        }
    }
}

impl Group {
    /// Writes the group down. Of a member's protocols only the chosen one is written.
    pub(super) fn persist(&mut self) {
        let protocol = self.protocol_name.clone().unwrap_or_default();
        let written = |member: &Member| Member {
            protocols: vec![(protocol.clone(), member.metadata(&protocol))],
            joining: None,
            syncing: None,
            is_new: false,
            ..member.clone()
        };
        self.persisted = Persisted {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone(),
            since: self.state_since,
            members: self.members.values().map(written).collect(),
        };
    }

    /// The coordinator loses the group: whoever waits is sent to look for the new one.
    pub(super) fn unload(&mut self, board: &mut Board) {
        let lost = ErrorCode::NOT_COORDINATOR;
        let members: Vec<Str> = self.members.keys().chain(&self.pending_join).cloned().collect();
        for member in members {
            self.answer_join(board, &member, refused_join(&member, lost));
            self.answer_sync(board, &member, refused_sync(lost));
            board.forget_member(&self.id, &member);
        }
        board.timers.cancel(&Timer::Join(self.id.clone()));
        board.timers.cancel(&Timer::Sync(self.id.clone()));
    }

    /// The new coordinator reads what was written; every member has a whole session to be heard of.
    pub(super) fn load(&mut self, node: NodeId, board: &mut Board, at: Moment) {
        let written = self.persisted.clone();
        let mut group = Self::new(self.id.clone(), node, at);
        group.generation = written.generation;
        group.protocol_type = written.protocol_type;
        group.protocol_name = written.protocol_name;
        group.leader = written.leader;
        group.state_since = written.since;
        group.state = if written.members.is_empty() { State::Empty } else { State::Stable };
        for member in written.members {
            board.await_member(&group.id, &member.id, at, member.session_timeout);
            if let Some(instance) = &member.instance_id {
                group.static_members.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group.subscribed = group.subscribed_topics();
        group.persisted = self.persisted.clone();
        *self = group;
    }
}
