//! A group of the classic protocol: its members, its leader, its generation, and what its members agree on.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use courant_protocol::messages::sync_group::SyncGroupResponse;
use courant_protocol::types::{NodeId, UnixMillis};
use courant_protocol::wire::Str;

use super::board::{Board, Moment};
use super::member::Member;
use super::persisted::Persisted;
use super::subscription;

/// The protocol type of consumers; other types keep what only they understand in metadata and assignments.
pub(super) const CONSUMER: &str = "consumer";

/// How far a group has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody is in it, though it may keep offsets.
    Empty,
    /// Members are to join; `first` while the first members of an empty group gather.
    PreparingRebalance { first: Option<Gathering> },
    /// All have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
}

impl State {
    /// Kafka's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance { .. } => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The delay in which the first members gather (KIP-134): each newcomer prolongs it, up to the rebalance timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gathering {
    pub(super) delay: Duration,
    pub(super) remaining: Duration,
    pub(super) has_newcomer: bool,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) id: Str,
    /// The broker that coordinates it.
    pub(super) node: NodeId,
    pub(super) state: State,
    pub(super) state_since: UnixMillis,
    pub(super) generation: i32,
    /// None before the first member joined: such a group only keeps offsets.
    pub(super) protocol_type: Option<Str>,
    pub(super) protocol_name: Option<Str>,
    pub(super) leader: Option<Str>,
    /// By member id: like Kafka's, the order has nothing to do with the order of joining.
    pub(super) members: BTreeMap<Str, Member>,
    /// Member ids by instance id.
    pub(super) static_members: BTreeMap<Str, Str>,
    /// Ids that were given out and did not come back yet (KIP-394).
    pub(super) pending_join: BTreeSet<Str>,
    pub(super) pending_sync: BTreeSet<Str>,
    /// What consumers subscribe to, where that could be read.
    pub(super) subscribed: Option<BTreeSet<Str>>,
    /// What is left when the coordinator moves.
    pub(super) persisted: Persisted,
}

impl Group {
    pub(super) fn new(id: Str, node: NodeId, at: Moment) -> Self {
        Self {
            id,
            node,
            state: State::Empty,
            state_since: at.unix,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            subscribed: None,
            persisted: Persisted::empty(at.unix),
        }
    }

    pub(super) fn enter(&mut self, state: State, at: Moment) {
        self.state = state;
        self.state_since = at.unix;
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub(super) fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether members subscribe to a topic; where that cannot be read, consumers are taken to.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    /// Members whose JoinGroup waits.
    pub(super) fn awaiting_join(&self) -> usize {
        self.members.values().filter(|member| member.joining.is_some()).count()
    }

    pub(super) fn have_all_joined(&self) -> bool {
        self.pending_join.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// The longest time that a member grants for a rebalance.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Whether a newcomer shares the group's type and a protocol with all members.
    pub(super) fn takes(&self, request: &JoinGroupRequest) -> bool {
        if self.state == State::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        let shared = |name: &str| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_deref() == Some(&*request.protocol_type)
            && request.protocols.iter().any(|protocol| shared(&protocol.name))
    }

    pub(super) fn add(&mut self, member: Member, protocol_type: &str) {
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(Str::from(protocol_type));
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.pending_join.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member or a pending id out; another member leads if it led.
    pub(super) fn remove(&mut self, member: &str) {
        if let Some(instance) = self.members.remove(member).and_then(|removed| removed.instance_id) {
            self.static_members.remove(&instance);
        }
        if self.is_leader(member) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_join.remove(member);
        self.pending_sync.remove(member);
    }

    /// A leader that has not joined gives way to a member that has; false where nobody has.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = self.leader.as_ref().and_then(|leader| self.members.get(leader)) else {
            return false;
        };
        if leader.joining.is_some() {
            return true;
        }
        let joined = self.members.values().find(|member| member.joining.is_some());
        match joined.map(|member| member.id.clone()) {
            Some(next) => {
                self.leader = Some(next);
                true
            }
            None => false,
        }
    }

    /// Who speaks for an instance id must be its newest member (KIP-345), and whoever speaks must be a member.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if *current != *member => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// The protocol that all members share and most vote for, each for the first of its list.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let shared = |name: &str| self.members.values().all(|member| member.supports(name));
        let mut votes: Vec<(Str, usize)> = Vec::new();
        for member in self.members.values() {
            let Some((name, _)) = member.protocols.iter().find(|(name, _)| shared(name)) else { continue };
            match votes.iter_mut().find(|(voted, _)| voted == name) {
                Some((_, count)) => *count += 1,
                None => votes.push((name.clone(), 1)),
            }
        }
        // Among equals Kafka takes the first of a hash map, so the place in that map decides here too.
        votes.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), java_bucket(name)));
        votes.into_iter().next().map(|(name, _)| name)
    }

    /// Begins a generation with the members as they are.
    pub(super) fn begin_generation(&mut self, at: Moment) {
        self.generation = self.generation.wrapping_add(1);
        self.protocol_name = self.select_protocol();
        self.subscribed = self.subscribed_topics();
        let next = if self.members.is_empty() { State::Empty } else { State::CompletingRebalance };
        self.enter(next, at);
        self.pending_sync.clear();
    }

    pub(super) fn subscribed_topics(&self) -> Option<BTreeSet<Str>> {
        if !self.is_consumer_group() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol_name.as_deref()?;
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.extend(subscription::topics(&member.metadata(protocol))?);
        }
        Some(all)
    }

    /// The members as the leader is told of them.
    pub(super) fn shown_to_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        self.members.values().map(|member| member.shown_to_leader(protocol)).collect()
    }

    /// The present generation as it is told to a member, with the members only to a leader that shall assign.
    pub(super) fn joined(&mut self, member: &Str, with_members: bool) -> JoinGroupResponse {
        if let Some(member) = self.members.get_mut(member) {
            member.generation = self.generation;
        }
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member.clone(),
            members: if with_members { self.shown_to_leader() } else { Vec::new() },
            ..Default::default()
        }
    }

    /// Answers a member's waiting JoinGroup, if there is one.
    pub(super) fn answer_join(&mut self, board: &mut Board, member: &str, response: JoinGroupResponse) {
        if let Some(connection) = self.members.get_mut(member).and_then(|member| member.joining.take()) {
            board.answer(connection, response);
        }
    }

    /// Answers a member's waiting SyncGroup; false if there is none.
    pub(super) fn answer_sync(
        &mut self,
        board: &mut Board,
        member: &str,
        response: SyncGroupResponse,
    ) -> bool {
        let waiting = self.members.get_mut(member).and_then(|member| member.syncing.take());
        waiting.inspect(|connection| board.answer(*connection, response)).is_some()
    }
}

/// A JoinGroup that failed.
pub(crate) fn refused_join(member: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        member_id: Str::from(member),
        error_code: error.0,
        protocol_name: None,
        ..Default::default()
    }
}

/// A SyncGroup that failed.
pub(super) fn refused_sync(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.0, ..Default::default() }
}

/// Where a text lies in a small Java hash map.
fn java_bucket(text: &str) -> i32 {
    let hash = text
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
        .cast_unsigned();
    ((hash ^ (hash >> 16)) & 15).cast_signed()
}
