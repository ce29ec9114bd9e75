//! A rebalance: from the first reason for it to the new generation, and what happens to those who are late.
use std::time::{Duration, Instant};

use courant_protocol::error_code::ErrorCode;
use courant_protocol::wire::Str;

use super::board::{Board, Moment};
use super::classic::{Gathering, Group, State, refused_join, refused_sync};
use super::timers::Timer;

impl Group {
    /// Begins a rebalance, or goes on with the one that is being prepared.
    pub(super) fn rebalance_or_complete(&mut self, board: &mut Board, at: Moment) {
        match self.state {
            State::PreparingRebalance { .. } => self.complete_if_all_joined(board, at),
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare_rebalance(board, at),
        }
    }

    /// Members are to join again; those who wait for an assignment are told at once, the others by their heartbeats.
    pub(super) fn prepare_rebalance(&mut self, board: &mut Board, at: Moment) {
        if self.state == State::CompletingRebalance {
            self.drop_assignments(board, at, ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.pending_sync.clear();
        board.timers.cancel(&Timer::Sync(self.id.clone()));
        if self.state == State::Empty {
            let delay = board.settings.initial_rebalance_delay;
            let remaining = self.rebalance_timeout().saturating_sub(delay);
            let gathering = Gathering { delay, remaining, has_newcomer: false };
            self.await_joins(board, at.now + delay);
            return self.enter(State::PreparingRebalance { first: Some(gathering) }, at);
        }
        self.enter(State::PreparingRebalance { first: None }, at);
        if self.have_all_joined() {
            self.complete_join(board, at);
        } else {
            self.await_joins(board, at.now + self.rebalance_timeout());
        }
    }

    fn await_joins(&self, board: &mut Board, until: Instant) {
        board.timers.schedule(Timer::Join(self.id.clone()), until);
    }

    fn drop_assignments(&mut self, board: &mut Board, at: Moment, error: ErrorCode) {
        let members: Vec<(Str, Duration)> =
            self.members.values().map(|member| (member.id.clone(), member.session_timeout)).collect();
        for (member, session) in members {
            if let Some(member) = self.members.get_mut(&member) {
                member.assignment.clear();
            }
            if self.answer_sync(board, &member, refused_sync(error)) {
                board.await_member(&self.id, &member, at, session);
            }
        }
    }

    /// Completes the join phase if nobody is missing; the first members of a group wait for their delay all the same.
    pub(super) fn complete_if_all_joined(&mut self, board: &mut Board, at: Moment) {
        if self.state == (State::PreparingRebalance { first: None }) && self.have_all_joined() {
            self.complete_join(board, at);
        }
    }

    /// The time to join is up.
    pub(super) fn expire_join(&mut self, board: &mut Board, at: Moment) {
        match self.state {
            State::PreparingRebalance { first: Some(gathering) }
                if gathering.has_newcomer && !gathering.remaining.is_zero() =>
            {
                let next = Gathering {
                    delay: board.settings.initial_rebalance_delay.min(gathering.remaining),
                    remaining: gathering.remaining.saturating_sub(gathering.delay),
                    has_newcomer: false,
                };
                self.state = State::PreparingRebalance { first: Some(next) };
                self.await_joins(board, at.now + next.delay);
            }
            _ => self.complete_join(board, at),
        }
    }

    /// Begins the next generation with those who have joined, and with static members who have not.
    pub(super) fn complete_join(&mut self, board: &mut Board, at: Moment) {
        board.timers.cancel(&Timer::Join(self.id.clone()));
        let is_late = |member: &&super::member::Member| member.joining.is_none() && !member.is_static();
        let late: Vec<Str> = self.members.values().filter(is_late).map(|member| member.id.clone()).collect();
        for member in late {
            self.remove(&member);
            board.forget_member(&self.id, &member);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left and none has joined: their sessions decide.
            return self.await_joins(board, at.now + self.rebalance_timeout());
        }
        self.begin_generation(at);
        if self.state == State::Empty {
            return self.persist();
        }
        let members: Vec<(Str, Duration)> =
            self.members.values().map(|member| (member.id.clone(), member.session_timeout)).collect();
        for (member, session) in members {
            if self.members.get(&member).is_some_and(|member| member.joining.is_some()) {
                let response = self.joined(&member, self.is_leader(&member));
                self.answer_join(board, &member, response);
            }
            board.await_member(&self.id, &member, at, session);
            if let Some(member) = self.members.get_mut(&member) {
                member.is_new = false;
            }
            self.pending_sync.insert(member);
        }
        let until = at.now + self.rebalance_timeout();
        board.timers.schedule(Timer::Sync(self.id.clone()), until);
    }

    /// Members that joined and never asked for their assignment are taken for gone.
    pub(super) fn expire_sync(&mut self, board: &mut Board, at: Moment) {
        if !matches!(self.state, State::CompletingRebalance | State::Stable) || self.pending_sync.is_empty() {
            return;
        }
        for member in std::mem::take(&mut self.pending_sync) {
            self.remove(&member);
            board.forget_member(&self.id, &member);
        }
        self.prepare_rebalance(board, at);
    }

    /// Nothing was heard of a member, or of an id that was given out, for too long.
    pub(super) fn expire_session(&mut self, board: &mut Board, at: Moment, member: &Str) {
        if self.pending_join.contains(member) {
            self.remove(member);
            return self.complete_waiting(board, at);
        }
        if self.members.get(member).is_some_and(|member| !member.is_excused()) {
            self.dismiss(board, member);
            self.after_departure(board, at);
        }
    }

    /// Takes a member out; if its JoinGroup waits, it may try again as somebody new.
    pub(super) fn dismiss(&mut self, board: &mut Board, member: &Str) {
        board.forget_member(&self.id, member);
        self.answer_join(board, member, refused_join("", ErrorCode::UNKNOWN_MEMBER_ID));
        self.answer_sync(board, member, refused_sync(ErrorCode::UNKNOWN_MEMBER_ID));
        self.remove(member);
    }

    pub(super) fn after_departure(&mut self, board: &mut Board, at: Moment) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(board, at),
            State::PreparingRebalance { .. } => self.complete_waiting(board, at),
            State::Empty => {}
        }
    }

    /// As [`Self::complete_if_all_joined`], the gathering of the first members included.
    fn complete_waiting(&mut self, board: &mut Board, at: Moment) {
        if matches!(self.state, State::PreparingRebalance { .. }) && self.have_all_joined() {
            self.complete_join(board, at);
        }
    }
}
