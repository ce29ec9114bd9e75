//! The member itself: which stage it is in, and what moves it on.
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use courant_client::Error;

use super::heartbeat::Heartbeat;
use super::member::{Member, Protocol};
use super::request::{self, ClassicRequest, Leave, Ticket};
use super::settings::ClassicSettings;
use crate::event::MembershipEvent;

/// A member of a group by the classic protocol.
///
/// Its driver calls [`Self::poll_request`] until there is none, sends them, hands in the answers, and calls again at
/// [`Self::next_deadline`]; its owner takes [`Self::poll_event`]. Farewells are sent before joins, and joins before
/// heartbeats.
#[derive(Debug)]
pub struct Classic {
    pub(super) settings: ClassicSettings,
    pub(super) member: Member,
    pub(super) stage: Stage,
    pub(super) heartbeat: Heartbeat,
    /// Why the group is to rebalance, where it is.
    rejoin: Option<String>,
    /// What the next JoinGroup says.
    reason: String,
    /// The names of the protocols that the last JoinGroup offered.
    pub(super) offered: Vec<String>,
    events: VecDeque<MembershipEvent>,
    /// How many `Revoke` and `Lost` the owner has not answered yet.
    owed: u32,
    leaves: VecDeque<Leave>,
    leaves_in_flight: u32,
    last_ticket: u64,
    doubts_coordinator: bool,
    /// Failed attempts to join in a row.
    failures: u32,
}

/// How far the member has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It takes no part.
    Out,
    /// The owner gives up what it must not keep while the group rebalances.
    Preparing,
    /// A JoinGroup is to be sent, or is out.
    Joining(Call),
    /// It leads the group, and the owner divides the work.
    Electing,
    /// A SyncGroup is to be sent, or is out.
    Syncing(BTreeMap<String, Bytes>, Call),
    /// The owner takes over what it was given.
    Assigning,
    /// Nothing is to be done but heartbeats.
    Stable,
    /// It was refused; for good, if it was fenced.
    Failed(Fenced),
}

/// Whether another member has taken the place of a static one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fenced {
    Yes,
    No,
}

/// A request of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To be sent then.
    At(Instant),
    /// It is out.
    Sent(Ticket),
}

/// What a commit of this member can hope for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is no member: a commit would be refused.
    Outside,
    /// Its generation counts: commits are taken.
    Member,
    /// It is on its way into another generation: commits wait.
    Rebalancing,
}

impl Classic {
    /// Starts outside of the group.
    pub fn new(now: Instant, settings: ClassicSettings) -> Self {
        Self {
            heartbeat: Heartbeat::new(now, &settings),
            member: Member::NONE,
            stage: Stage::Out,
            rejoin: None,
            reason: String::new(),
            offered: Vec::new(),
            events: VecDeque::new(),
            owed: 0,
            leaves: VecDeque::new(),
            leaves_in_flight: 0,
            last_ticket: 0,
            doubts_coordinator: false,
            failures: 0,
            settings,
        }
    }

    /// Who it is in the group now.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// What it was told.
    pub fn settings(&self) -> &ClassicSettings {
        &self.settings
    }

    /// What a commit can hope for now. While the owner gives up what it has, its generation still counts.
    pub fn standing(&self) -> Standing {
        match self.stage {
            Stage::Preparing | Stage::Assigning | Stage::Stable if self.member.has_generation() => {
                Standing::Member
            }
            Stage::Joining(_) | Stage::Electing | Stage::Syncing(..) => Standing::Rebalancing,
            _ => Standing::Outside,
        }
    }

    /// Whether it takes part in the group, or tries to.
    pub fn is_in(&self) -> bool {
        !matches!(self.stage, Stage::Out)
    }

    /// Whether it is a member, and the group does not rebalance.
    pub fn is_stable(&self) -> bool {
        matches!(self.stage, Stage::Stable)
    }
}

/// Commands of the owner.
impl Classic {
    /// Joins the group, if it is outside.
    pub fn join(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Out) {
            self.failures = 0;
            self.reason.clear();
            self.rejoin = None;
            self.stage = Stage::Joining(Call::At(now));
        }
    }

    /// Makes the group rebalance once the present round is over; `reason` goes to the coordinator's log (KIP-800).
    pub fn request_rejoin(&mut self, reason: &str) {
        self.rejoin = Some(reason.to_owned());
        self.prepare_if_wanted();
    }

    /// The owner has dealt with a [`MembershipEvent::Revoke`] or [`MembershipEvent::Lost`].
    pub fn revoked_done(&mut self, now: Instant) {
        self.owed = self.owed.saturating_sub(1);
        if self.owed == 0 && matches!(self.stage, Stage::Preparing) {
            self.stage = Stage::Joining(Call::At(now));
        }
    }

    /// The leader has divided the work, or could not.
    pub fn elected(&mut self, now: Instant, assignments: Result<BTreeMap<String, Bytes>, Error>) {
        if !matches!(self.stage, Stage::Electing) {
            return;
        }
        match assignments {
            Ok(assignments) => self.stage = Stage::Syncing(assignments, Call::At(now)),
            Err(error) => self.fail(error, Fenced::No),
        }
    }

    /// The owner cannot make sense of what it was given.
    pub fn assignment_failed(&mut self, error: Error) {
        if matches!(self.stage, Stage::Assigning) {
            self.fail(error, Fenced::No);
        }
    }

    /// The owner has taken over what it was given.
    pub fn assigned_done(&mut self) {
        if matches!(self.stage, Stage::Assigning) {
            self.stage = Stage::Stable;
            self.prepare_if_wanted();
        }
    }

    /// Tries again after a [`MembershipEvent::Fatal`]; a fenced member stays where it is.
    pub fn retry(&mut self, now: Instant, jitter: f64) {
        if matches!(self.stage, Stage::Failed(Fenced::No)) {
            self.try_again(now, jitter);
        }
    }

    /// The application has been silent for longer than the group waits for it (KIP-62): a dynamic member leaves, a static
    /// one stops its heartbeats. The owner answers the [`MembershipEvent::Lost`] when the application is back.
    pub fn stall(&mut self) {
        if matches!(self.stage, Stage::Out | Stage::Failed(_)) {
            return;
        }
        if self.settings.group_instance_id.is_none() {
            self.say_farewell("consumer poll timeout has expired.");
        }
        self.lose("consumer pro-actively leaving the group", true);
    }

    /// Takes no part any more. With `farewell` the coordinator is told at once, else it notices when the session ends. What
    /// the owner still has is its own affair: no event follows.
    pub fn leave(&mut self, farewell: bool, reason: &str) {
        if farewell {
            self.say_farewell(reason);
        }
        self.member = Member::NONE;
        self.stage = Stage::Out;
        self.rejoin = None;
        self.events.clear();
        self.owed = 0;
    }

    /// Whether every farewell was answered.
    pub fn has_left(&self) -> bool {
        self.leaves.is_empty() && self.leaves_in_flight == 0
    }

    fn say_farewell(&mut self, reason: &str) {
        if !matches!(self.stage, Stage::Out) && !self.member.member_id.is_empty() {
            self.leaves.push_back(Leave::new(&self.settings, &self.member, reason));
        }
    }
}

/// The driver's side.
impl Classic {
    /// The next event for the owner.
    pub fn poll_event(&mut self) -> Option<MembershipEvent> {
        self.events.pop_front()
    }

    /// Whether the next request is a JoinGroup: the owner then hands what it offers to [`Self::poll_request`], so that it
    /// says what is owned at that moment.
    pub fn joins_now(&self, now: Instant) -> bool {
        self.leaves.is_empty() && matches!(self.stage, Stage::Joining(Call::At(at)) if at <= now)
    }

    /// The next request to send. `protocols` are what the member offers, where [`Self::joins_now`].
    pub fn poll_request(&mut self, now: Instant, protocols: Vec<Protocol>) -> Option<ClassicRequest> {
        if let Some(leave) = self.leaves.pop_front() {
            self.leaves_in_flight += 1;
            return Some(ClassicRequest::Leave(leave, self.settings.request_timeout));
        }
        self.poll_join(now, protocols).or_else(|| self.poll_sync(now)).or_else(|| self.poll_heartbeat(now))
    }

    fn poll_join(&mut self, now: Instant, protocols: Vec<Protocol>) -> Option<ClassicRequest> {
        if !self.joins_now(now) {
            return None;
        }
        let request = request::join(&self.settings, &self.member, &protocols, &self.reason);
        self.offered = protocols.into_iter().map(|protocol| protocol.name).collect();
        let ticket = self.new_ticket();
        self.stage = Stage::Joining(Call::Sent(ticket));
        Some(ClassicRequest::Join(ticket, request, self.settings.join_timeout()))
    }

    fn poll_sync(&mut self, now: Instant) -> Option<ClassicRequest> {
        let Stage::Syncing(assignments, Call::At(at)) = &self.stage else { return None };
        if *at > now {
            return None;
        }
        let request = request::sync(&self.settings, &self.member, assignments);
        let ticket = self.new_ticket();
        self.stage = Stage::Syncing(BTreeMap::new(), Call::Sent(ticket));
        Some(ClassicRequest::Sync(ticket, request, self.settings.request_timeout))
    }

    fn poll_heartbeat(&mut self, now: Instant) -> Option<ClassicRequest> {
        if !self.beats() {
            return None;
        }
        if self.heartbeat.session_is_over(now) {
            self.doubts_coordinator = true;
        }
        if !self.heartbeat.is_due(now) {
            return None;
        }
        let ticket = self.new_ticket();
        self.heartbeat.sent(now, ticket, self.member.clone());
        let request = request::heartbeat(&self.settings, &self.member);
        Some(ClassicRequest::Heartbeat(ticket, request, self.settings.heartbeat_timeout()))
    }

    /// A member with a generation shows that it lives, whatever else is going on.
    fn beats(&self) -> bool {
        self.member.has_generation() && !matches!(self.stage, Stage::Out)
    }

    /// Whether the driver should look for the coordinator anew; asking resets it.
    pub fn take_coordinator_doubt(&mut self) -> bool {
        std::mem::take(&mut self.doubts_coordinator)
    }

    /// A farewell was answered, or will not be.
    pub fn handle_left(&mut self) {
        self.leaves_in_flight = self.leaves_in_flight.saturating_sub(1);
    }

    /// When to call [`Self::poll_request`] again, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let call = match &self.stage {
            Stage::Joining(Call::At(at)) | Stage::Syncing(_, Call::At(at)) => Some(*at),
            _ => None,
        };
        let heartbeat = self.beats().then(|| self.heartbeat.next_deadline());
        [call, heartbeat].into_iter().flatten().min()
    }

    fn new_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }
}

/// Moves that answers and commands have in common.
impl Classic {
    fn prepare_if_wanted(&mut self) {
        if !matches!(self.stage, Stage::Stable) {
            return;
        }
        if let Some(reason) = self.rejoin.take() {
            self.reason = reason;
            self.stage = Stage::Preparing;
            self.tell_to_let_go(MembershipEvent::Revoke);
        }
    }

    fn tell_to_let_go(&mut self, event: MembershipEvent) {
        self.owed += 1;
        self.events.push_back(event);
    }

    pub(super) fn tell(&mut self, event: MembershipEvent) {
        self.events.push_back(event);
    }

    /// The member's generation, and perhaps its id, means nothing any more (Java's `resetStateAndRejoin`). An owner that was
    /// not told yet of what came before hears only this.
    pub(super) fn lose(&mut self, reason: &str, forget_member_id: bool) {
        self.member.generation_id = Member::NONE.generation_id;
        self.member.protocol_name = None;
        if forget_member_id {
            self.member.member_id.clear();
        }
        self.reason = reason.to_owned();
        self.rejoin = None;
        let untold = self
            .events
            .iter()
            .filter(|event| matches!(event, MembershipEvent::Revoke | MembershipEvent::Lost));
        self.owed = self.owed.saturating_sub(u32::try_from(untold.count()).unwrap_or(u32::MAX));
        self.events.retain(|event| matches!(event, MembershipEvent::Fatal(_)));
        self.stage = Stage::Preparing;
        self.tell_to_let_go(MembershipEvent::Lost);
    }

    /// The group refuses the member.
    pub(super) fn fail(&mut self, error: Error, fenced: Fenced) {
        self.stage = Stage::Failed(fenced);
        self.tell(MembershipEvent::Fatal(error));
    }

    /// Joins again after a while.
    pub(super) fn try_again(&mut self, now: Instant, jitter: f64) {
        let at = now + self.settings.backoff.delay(self.failures, jitter);
        self.failures = self.failures.saturating_add(1);
        self.stage = if self.owed > 0 { Stage::Preparing } else { Stage::Joining(Call::At(at)) };
    }

    /// Joins again at once: the answer was no failure.
    pub(super) fn join_at_once(&mut self, now: Instant, reason: &str) {
        self.reason = reason.to_owned();
        self.stage = Stage::Joining(Call::At(now));
    }

    /// A round is over: what was wanted of it is fulfilled.
    pub(super) fn finish_round(&mut self) {
        self.failures = 0;
        self.rejoin = None;
        self.reason.clear();
        self.stage = Stage::Assigning;
    }

    pub(super) fn doubt_coordinator(&mut self) {
        self.doubts_coordinator = true;
    }
}
