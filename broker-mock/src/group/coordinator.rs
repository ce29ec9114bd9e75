//! All groups of the cluster, and the doors through which requests and time reach them.
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::leave_group::{MemberIdentity, MemberResponse};
use courant_protocol::messages::{AnyResponse, HeartbeatRequest, OffsetCommitRequest, SyncGroupRequest};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::board::{Answer, Board, Moment, Settings};
use super::classic::{Group, State, refused_join, refused_sync};
use super::join::Joining;
use super::leave::left;
use super::offsets::{CommittedOffset, Offsets};
use super::timers::{Timer, Timers};
use crate::cluster::ConnectionId;

/// The first version of OffsetCommit that says that there is no such group.
const FIRST_WITH_GROUP_NOT_FOUND: i16 = 9;

/// Every group, with what it committed.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(super) groups: BTreeMap<Str, Group>,
    pub(super) offsets: Offsets,
    pub(super) board: Board,
    /// When offsets are looked through for expired ones.
    pub(super) next_expiry: Option<Instant>,
}

impl Groups {
    pub(crate) fn new(settings: Settings) -> Self {
        let board = Board { settings, timers: Timers::default(), answers: VecDeque::new() };
        Self { groups: BTreeMap::new(), offsets: Offsets::default(), board, next_expiry: None }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.board.settings
    }

    /// Lets time pass: everything that is due happens, in order, at its own time.
    pub(crate) fn advance(&mut self, at: Moment) {
        while let Some((due, timer)) = self.board.timers.poll_due(at.now) {
            let due = at.of(due);
            let (Timer::Session(id, _) | Timer::Join(id) | Timer::Sync(id)) = &timer;
            let Some(group) = self.groups.get_mut(id) else { continue };
            match &timer {
                Timer::Session(_, member) => group.expire_session(&mut self.board, due, member),
                Timer::Join(_) => group.expire_join(&mut self.board, due),
                Timer::Sync(_) => group.expire_sync(&mut self.board, due),
            }
        }
        self.expire_offsets(at);
    }

    /// When something will happen that somebody waits for.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.board.timers.next_deadline()
    }

    /// The next answer that is due.
    pub(crate) fn poll_answer(&mut self) -> Option<(ConnectionId, AnyResponse)> {
        self.board.answers.pop_front().map(|Answer { connection, response }| (connection, response))
    }

    /// JoinGroup; the answer comes by [`Self::poll_answer`], now or later.
    pub(crate) fn join(&mut self, at: Moment, node: NodeId, joining: &Joining<'_>) {
        let request = joining.request;
        if !self.groups.contains_key(&*request.group_id) {
            // An id that was given out by a group that is gone is not known to a new one.
            if !request.member_id.is_empty() {
                let refused = refused_join(&request.member_id, ErrorCode::UNKNOWN_MEMBER_ID);
                return self.board.answer(joining.connection, refused);
            }
            self.create(&request.group_id, node, at);
        }
        if let Some(group) = self.groups.get_mut(&*request.group_id) {
            group.join(&mut self.board, at, joining);
        }
    }

    /// SyncGroup; the answer comes by [`Self::poll_answer`], now or later.
    pub(crate) fn sync(&mut self, at: Moment, connection: ConnectionId, request: &SyncGroupRequest) {
        match self.groups.get_mut(&*request.group_id) {
            Some(group) => group.sync(&mut self.board, at, connection, request),
            None => self.board.answer(connection, refused_sync(ErrorCode::UNKNOWN_MEMBER_ID)),
        }
    }

    pub(crate) fn heartbeat(&mut self, at: Moment, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let group = self.groups.get_mut(&*request.group_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        group.heartbeat(&mut self.board, at, request)
    }

    pub(crate) fn leave(
        &mut self,
        at: Moment,
        group: &str,
        leaving: &[MemberIdentity],
    ) -> Vec<MemberResponse> {
        match self.groups.get_mut(group) {
            Some(group) => group.leave(&mut self.board, at, leaving),
            None => {
                let unknown = Some(ErrorCode::UNKNOWN_MEMBER_ID);
                leaving.iter().map(|identity| left(identity, unknown)).collect()
            }
        }
    }

    /// Whether a commit is taken: from members of the present generation, or, where there are no members, from
    /// anybody who claims no generation.
    pub(crate) fn check_commit(
        &mut self,
        at: Moment,
        node: NodeId,
        request: &OffsetCommitRequest,
        version: i16,
    ) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        if !self.groups.contains_key(&*request.group_id) {
            if generation >= 0 {
                let says = version >= FIRST_WITH_GROUP_NOT_FOUND;
                return Err(if says { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::ILLEGAL_GENERATION });
            }
            self.create(&request.group_id, node, at);
        }
        let group = self.groups.get(&*request.group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        group.check_commit(request)?;
        if matches!(group.state, State::Stable | State::PreparingRebalance { .. }) {
            group.is_alive(&mut self.board, at, &request.member_id);
        }
        Ok(())
    }

    /// Keeps an offset of a commit that was taken.
    pub(crate) fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: CommittedOffset) {
        self.offsets.commit(group, topic, partition, offset);
    }

    /// What the group committed for a partition.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.offsets.committed(group, topic, partition)
    }

    /// Everything that the group committed.
    pub(crate) fn committed_by(&self, group: &str) -> impl Iterator<Item = (&Str, i32, &CommittedOffset)> {
        self.offsets.of_group(group)
    }

    /// Forgets what was committed for a deleted topic.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.offsets.forget_topic(topic);
    }

    /// Coordinators have moved: groups that belong elsewhere now are given up and read anew.
    pub(crate) fn relocate(&mut self, at: Moment, coordinator: impl Fn(&str) -> NodeId) {
        for group in self.groups.values_mut() {
            let node = coordinator(&group.id);
            if node != group.node {
                group.unload(&mut self.board);
                group.load(node, &mut self.board, at);
            }
        }
    }

    fn create(&mut self, group: &str, node: NodeId, at: Moment) {
        let id = Str::from(group);
        self.groups.insert(id.clone(), Group::new(id, node, at));
    }
}

impl Group {
    fn check_commit(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let instance = request.group_instance_id.as_deref();
        if generation < 0 && request.member_id.is_empty() && instance.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_member(&request.member_id, instance)?;
        if generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        if self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }
}
