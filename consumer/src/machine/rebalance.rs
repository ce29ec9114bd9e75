//! What happens to partitions while the group rebalances: between the membership machine, the application and the positions.
//!
//! The machine's events become notices; a notice is given to the application between batches, and counts as dealt with
//! when the application asks for the next thing. Only then does the machine go on.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use courant_membership::classic::{ClassicRequest, Election, Standing};
use courant_membership::{Assigned, MembershipEvent};
use courant_protocol::embedded::Assignment;
use courant_protocol::types::{TopicName, TopicPartition};

use super::election::Electing;
use super::group::{Activity, Departure, Group, Notice, Outcome, Then};
use super::reading::Reading;
use super::returning::Inspection;
use crate::assignor::{GroupCluster, LastAssignment, PartitionAssignor, RebalanceProtocol};
use crate::error::{Error, ErrorKind};
use crate::listener::Change;

/// The application's commands.
impl Reading {
    /// Subscribes to these topics instead of those before.
    pub(crate) fn subscribe(&mut self, now: Instant, topics: BTreeSet<TopicName>) -> Result<(), Error> {
        let by_hand = self.subscription.iter().len() > 0;
        let Some(group) = &mut self.group else { return Err(Error::no_group()) };
        if by_hand && !group.is_subscribed() {
            return Err(Error::mixed_assignment());
        }
        if group.departure.is_some() {
            self.depart(now);
        }
        let Some(group) = &mut self.group else { return Err(Error::no_group()) };
        if !group.is_subscribed() {
            group.activity = Activity::Busy(now);
        }
        group.topics = Some(topics);
        group.pattern = None;
        group.classic.join(now);
        self.assignment_changed = true;
        self.recheck();
        Ok(())
    }

    /// Makes the group rebalance.
    pub(crate) fn enforce_rebalance(&mut self, reason: &str) -> Result<(), Error> {
        let Some(group) = &mut self.group else { return Err(Error::no_group()) };
        if !group.is_subscribed() {
            return Err(Error::new(ErrorKind::InvalidUse, "there is no subscription to rebalance"));
        }
        group.classic.request_rejoin(reason);
        Ok(())
    }

    /// The application asks for the next thing: what it was told before is dealt with.
    pub(crate) fn begin_group_poll(&mut self, now: Instant) -> bool {
        let Some(group) = self.group.as_mut().filter(|group| group.is_subscribed()) else { return false };
        group.activity = Activity::Waiting(None);
        group.wants_records = true;
        let mut moved = std::mem::take(&mut group.stalled);
        if std::mem::take(&mut group.owes_return) {
            group.classic.revoked_done(now);
        }
        if let Some(refusal) = group.refusal.take() {
            // A member that was fenced stays out: two of the same name would take each other's place for ever.
            if refusal.kind() == ErrorKind::Fenced {
                group.refusal = Some(refusal.clone());
                self.report.get_or_insert(refusal);
            } else if self.report.is_none() {
                group.classic.retry(now, 0.5);
                moved = true;
            } else {
                group.refusal = Some(refusal);
            }
        }
        self.settle_notice(now) || moved
    }

    /// The application waits for changes of the assignment alone: records that lie ready are nothing that it is late for.
    pub(crate) fn want_changes_only(&mut self) {
        if let Some(group) = &mut self.group {
            group.wants_records = false;
        }
    }

    /// The application has something to work on, or has stopped waiting.
    pub(crate) fn end_group_poll(&mut self, now: Instant) {
        if let Some(group) = &mut self.group {
            group.activity = Activity::Busy(now);
        }
    }

    /// What a member is told that another one of its name has put out of the group for good.
    pub(crate) fn fenced(&self) -> Option<Error> {
        let group = self.group.as_ref().filter(|group| group.is_subscribed())?;
        group.refusal.clone().filter(|refusal| refusal.kind() == ErrorKind::Fenced)
    }

    /// Whether everything is gone, and the application has not heard of it yet.
    pub(crate) fn is_lost(&self) -> bool {
        let mut notices = self.group.iter().flat_map(|group| &group.notices);
        notices.any(|notice| notice.change == Change::Lost)
    }

    fn settle_notice(&mut self, now: Instant) -> bool {
        let Some(group) = &mut self.group else { return false };
        if !std::mem::take(&mut group.shown) {
            return false;
        }
        let Some(Notice { change, partitions, then }) = group.notices.pop_front() else { return false };
        let until = now + group.settings.classic.rebalance_timeout;
        if change == Change::Revoked {
            // What was acknowledged since it was told.
            self.commit_acknowledged(&partitions, until);
        }
        let Some(group) = &mut self.group else { return false };
        match then {
            Then::Nothing => {}
            Then::Rejoin if change == Change::Lost => group.classic.revoked_done(now),
            Then::Rejoin => group.letting_go = Some(until),
            Then::Settle => group.classic.assigned_done(),
        }
        if change != Change::Assigned {
            self.let_go_of(&partitions);
        }
        self.recheck();
        true
    }

    fn let_go_of(&mut self, partitions: &[TopicPartition]) {
        let kept = self.owned().into_iter().filter(|owned| !partitions.contains(owned)).collect();
        self.assign(kept);
    }

    /// The next change for the application; its partitions are to be dealt with until [`Reading::begin_group_poll`].
    pub(crate) fn take_notice(
        &mut self,
        now: Instant,
    ) -> Option<(Change, Vec<TopicPartition>, Option<Outcome>)> {
        let group = self.group.as_mut().filter(|group| group.has_notice())?;
        group.shown = true;
        let notice = group.notices.front()?;
        let (change, partitions) = (notice.change, notice.partitions.clone());
        let outcome = if change == Change::Assigned { group.outcome.take() } else { None };
        let until = now + group.settings.classic.rebalance_timeout;
        if change == Change::Revoked {
            // They are still this member's, but nothing more of them is handed out.
            partitions.iter().for_each(|partition| self.hold(partition, true).unwrap_or_default());
        }
        match change {
            Change::Assigned => {
                let all = self.owned().into_iter().chain(partitions.iter().cloned()).collect();
                self.assign(all);
            }
            Change::Revoked if self.commits.is_auto() => {
                let mut finished = self.subscription.finished();
                finished.retain(|partition, _| partitions.contains(partition));
                self.commits.commit_finished(finished, until);
            }
            Change::Revoked | Change::Lost => {}
        }
        Some((change, partitions, outcome))
    }

    /// Begins to leave the group: what is finished is committed until `deadline`, and the partitions go when that is
    /// through. Gives what the listener has to hear.
    pub(crate) fn begin_departure(&mut self, deadline: Instant) -> Option<(Change, Vec<TopicPartition>)> {
        let mut owned = self.owned();
        if self.commits.is_auto() {
            let finished = self.subscription.finished();
            self.commits.commit_finished(finished, deadline);
        }
        let group = self.group.as_mut().filter(|group| group.is_subscribed())?;
        // What was told to be going is not told again; what waits to be told comes to the same now: everything goes.
        let shown = if std::mem::take(&mut group.shown) { group.notices.pop_front() } else { None };
        if let Some(told) = shown.filter(|told| told.change != Change::Assigned) {
            owned.retain(|partition| !told.partitions.contains(partition));
        }
        let lost = group.notices.drain(..).filter(|notice| notice.change == Change::Lost).count() > 0;
        let change = match group.classic.standing() {
            Standing::Member if !lost => Change::Revoked,
            _ => Change::Lost,
        };
        (!owned.is_empty()).then_some((change, owned))
    }

    /// Leaves the group when the last commits are through, or at the deadline.
    pub(crate) fn depart_by(&mut self, departure: Departure) {
        if let Some(group) = self.group.as_mut().filter(|group| group.is_subscribed()) {
            group.departure = Some(departure);
        }
    }

    /// Whether the membership has come to its end, and the coordinator knows.
    pub(crate) fn has_departed(&self) -> bool {
        self.group.as_ref().is_none_or(|group| !group.is_subscribed() && group.classic.has_left())
    }

    fn depart(&mut self, now: Instant) {
        let Some(group) = &mut self.group else { return };
        let departure = group.departure.take();
        let (farewell, reason) =
            departure.map_or((true, ""), |departure| (departure.farewell, departure.reason));
        group.classic.leave(farewell, reason);
        let fresh = Group::new(now, group.settings.clone(), group.protocol);
        let left = std::mem::replace(group, fresh);
        group.classic = left.classic;
        group.last = left.last;
        self.assign(Vec::new());
    }

    pub(crate) fn owned(&self) -> Vec<TopicPartition> {
        self.subscription.iter().map(|(partition, _)| partition.clone()).collect()
    }
}

/// The driver's side.
impl Reading {
    /// Takes what the membership machine has to say, and moves on what can move on.
    pub(crate) fn poll_group(&mut self, now: Instant) {
        if self.group.as_ref().is_none_or(|group| !group.is_subscribed()) {
            return;
        }
        self.note_readiness(now);
        self.check_stall(now);
        while let Some(event) = self.group.as_mut().and_then(|group| group.classic.poll_event()) {
            match event {
                MembershipEvent::Revoke => self.handle_revoke(now),
                MembershipEvent::Lost => self.handle_lost(now),
                MembershipEvent::Elect(election) => self.handle_elect(now, election),
                MembershipEvent::Assign(assigned) => self.handle_assign(assigned),
                MembershipEvent::Fatal(error) => self.handle_refusal(error),
                MembershipEvent::Unheard(error) => self.report = Some(Error::refused(error)),
            }
        }
        // What is late is told so, and not as a member's that has left.
        self.commits.expire(now);
        let idle = self.commits.is_idle();
        let Some(group) = &mut self.group else { return };
        if group.letting_go.is_some_and(|until| idle || until <= now) {
            group.letting_go = None;
            group.classic.revoked_done(now);
        }
        if group.departure.is_some_and(|departure| idle || departure.deadline <= now) {
            self.depart(now);
        }
    }

    /// The group rebalances: with the eager protocol everything is given up first, with the cooperative one what is not
    /// subscribed to any more (KIP-429).
    fn handle_revoke(&mut self, now: Instant) {
        let owned = self.owned();
        let Some(group) = &mut self.group else { return };
        let partitions: Vec<_> = match group.protocol {
            RebalanceProtocol::Eager => owned,
            RebalanceProtocol::Cooperative => {
                let wanted = group.topics.clone().unwrap_or_default();
                owned.into_iter().filter(|partition| !wanted.contains(&partition.topic)).collect()
            }
        };
        if group.departure.is_some() {
            return;
        }
        if partitions.is_empty() {
            group.letting_go = Some(now + group.settings.classic.rebalance_timeout);
        } else {
            group.notices.push_back(Notice { change: Change::Revoked, partitions, then: Then::Rejoin });
        }
    }

    /// Everything is gone. What the application was not told yet it need not hear, and what it wanted to commit is not
    /// sent: others may have gone further.
    fn handle_lost(&mut self, now: Instant) {
        self.commits.refuse_all(&Error::not_a_member());
        self.subscription.void_outstanding();
        let mut owned = self.owned();
        let Some(group) = &mut self.group else { return };
        group.electing = None;
        group.outcome = None;
        if group.departure.is_some() {
            return;
        }
        let shown = if group.shown { group.notices.pop_front() } else { None };
        let untold = group.notices.drain(..).filter(|notice| matches!(notice.then, Then::Rejoin)).count();
        for _ in 0..untold + usize::from(group.letting_go.take().is_some()) {
            group.classic.revoked_done(now);
        }
        if let Some(mut shown) = shown {
            // What it was told of goes when it asks again, and it need not hear of that twice.
            if shown.change != Change::Assigned {
                owned.retain(|partition| !shown.partitions.contains(partition));
            }
            if matches!(shown.then, Then::Settle) {
                shown.then = Then::Nothing;
            }
            group.notices.push_back(shown);
        }
        if !owned.is_empty() {
            group.notices.push_back(Notice { change: Change::Lost, partitions: owned, then: Then::Rejoin });
        } else if group.stalled {
            group.owes_return = true;
        } else {
            group.classic.revoked_done(now);
        }
    }

    fn handle_elect(&mut self, now: Instant, election: Election) {
        let Some(group) = &mut self.group else { return };
        let assignor = group.settings.assignor(&election.protocol_name);
        match Electing::new(election, assignor, group.protocol) {
            Ok(electing) => {
                group.leads = true;
                group.group_topics = electing.topics();
                group.electing = Some(electing);
                self.assignment_changed = true;
            }
            Err(error) => self.elected(now, Err(error)),
        }
    }

    /// The division that waits to be made, once all of its topics are `known`.
    pub(crate) fn take_election(&mut self, known: impl Fn(&TopicName) -> bool) -> Option<Electing> {
        let group = self.group.as_mut()?;
        let ready = group.electing.is_some() && group.group_topics.iter().all(known);
        if ready { group.electing.take() } else { None }
    }

    /// Takes the division that was made, and of what (`view`); one that was left as it was (`kept`) may be of less.
    pub(crate) fn elected_from(
        &mut self,
        now: Instant,
        division: Result<BTreeMap<String, Bytes>, Error>,
        view: GroupCluster,
        kept: bool,
    ) {
        if let Some(group) = &mut self.group {
            group.watched = Some(view);
            let generation_id = group.classic.member().generation_id;
            group.inspection = kept.then(|| Inspection::of(generation_id, now));
        }
        self.elected(now, division);
    }

    fn elected(&mut self, now: Instant, division: Result<BTreeMap<String, Bytes>, Error>) {
        let Some(group) = &mut self.group else { return };
        let division = division.map_err(|error| {
            let refused =
                courant_client::Error::new(courant_client::ErrorKind::InvalidInput, error.to_string());
            group.refusal = Some(error);
            refused
        });
        group.classic.elected(now, division);
    }

    /// The topics of the group, if this member leads it and their metadata have changed since it was last asked.
    pub(crate) fn take_changed_view(&mut self) -> Option<(BTreeSet<TopicName>, bool)> {
        let group = self.group.as_mut()?;
        let due = group.view_changed && group.watched.is_some() && group.classic.is_stable();
        if !due {
            return None;
        }
        group.view_changed = false;
        Some((group.group_topics.clone(), group.settings.rack.is_some()))
    }

    /// The leader compares what the topics of the group look like with what it divided them by (new topics, new partitions).
    pub(crate) fn handle_view(&mut self, view: &GroupCluster) {
        let Some(group) = &mut self.group else { return };
        if group.watched.as_ref().is_some_and(|watched| watched != view) {
            group.classic.request_rejoin("cached metadata has changed");
        }
    }

    fn handle_assign(&mut self, assigned: Assigned) {
        let owned = self.owned();
        let Some(group) = &mut self.group else { return };
        if group.departure.is_some() {
            return;
        }
        if !group.leads {
            group.watched = None;
            group.group_topics.clear();
        }
        group.view_changed = true;
        let (assignment, assignor) = match read_share(group, &assigned) {
            Ok(share) => share,
            Err(error) => return self.handle_bad_share(error),
        };
        if group.adopt_matching(&assignment) {
            self.assignment_changed = true;
        }
        let wanted = group.topics.clone().unwrap_or_default();
        if assignment.partitions.iter().any(|partition| !wanted.contains(&partition.topic)) {
            group.classic.request_rejoin("received assignment does not match the current subscription");
            group.classic.assigned_done();
            return;
        }
        let new: BTreeSet<_> = assignment.partitions.iter().cloned().collect();
        let (kept, revoked): (Vec<_>, Vec<_>) = owned.into_iter().partition(|owned| new.contains(owned));
        let added = new.into_iter().filter(|partition| !kept.contains(partition)).collect();
        if !revoked.is_empty() {
            group.classic.request_rejoin("need to revoke partitions and re-join");
            let then = Then::Nothing;
            group.notices.push_back(Notice { change: Change::Revoked, partitions: revoked, then });
        }
        let last = LastAssignment { assignment: assignment.clone(), generation: assigned.generation_id };
        group.last.insert(assigned.protocol_name, last);
        group.outcome = Some(Outcome { assignor, assignment, generation_id: assigned.generation_id });
        let then = Then::Settle;
        group.notices.push_back(Notice { change: Change::Assigned, partitions: added, then });
    }

    fn handle_bad_share(&mut self, error: Error) {
        let Some(group) = &mut self.group else { return };
        let told = courant_client::Error::new(courant_client::ErrorKind::Protocol, error.to_string());
        group.refusal = Some(error);
        group.classic.assignment_failed(told);
    }

    fn handle_refusal(&mut self, error: courant_client::Error) {
        let Some(group) = &mut self.group else { return };
        // An error of the consumer's own was kept with all that it says.
        let told = group.refusal.take().unwrap_or_else(|| Error::refused(error));
        group.refusal = Some(told.clone());
        self.report = Some(told);
    }

    /// Whether there is something about the group that the application has to hear.
    pub(crate) fn has_news(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.has_notice() || group.refusal.is_some())
    }

    /// Whether there is a change of the assignment to be told.
    pub(crate) fn has_notice(&self) -> bool {
        self.group.as_ref().is_some_and(Group::has_notice)
    }

    /// The view of the cluster may have changed.
    pub(crate) fn note_view_changed(&mut self) {
        if let Some(group) = &mut self.group {
            group.view_changed = true;
        }
    }

    /// Whether the racks of replicas matter to the assignment of this group.
    pub(crate) fn watches_racks(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.settings.rack.is_some())
    }

    fn note_readiness(&mut self, now: Instant) {
        let records = self.has_turn();
        let Some(group) = &mut self.group else { return };
        let ready = (records && group.wants_records) || group.has_notice();
        if let Activity::Waiting(since) = &mut group.activity {
            *since = if ready { since.or(Some(now)) } else { None };
        }
    }

    fn check_stall(&mut self, now: Instant) {
        let Some(group) = &mut self.group else { return };
        if group.stalls_at().is_some_and(|at| at <= now) {
            tracing::warn!(
                target: "courant::consumer",
                "no poll within max.poll.interval.ms: leaving the group; poll more often, raise it, or lower max.poll.records"
            );
            group.stalled = true;
            group.classic.stall();
        }
    }

    /// A subscription that has changed since the last join needs another one.
    pub(super) fn recheck(&mut self) {
        let Some(group) = &mut self.group else { return };
        if group.classic.is_stable()
            && group.topics.as_ref().is_some_and(|topics| *topics != group.joined_topics)
        {
            group.classic.request_rejoin("subscription has changed");
        }
    }

    /// The next request of the member to its coordinator.
    pub(crate) fn poll_membership(&mut self, now: Instant) -> Option<ClassicRequest> {
        let joins = self.group.as_ref()?.classic.joins_now(now);
        let owned = if joins { self.owned() } else { Vec::new() };
        let group = self.group.as_mut()?;
        let protocols = if joins { group.protocols(&owned) } else { Vec::new() };
        let request = group.classic.poll_request(now, protocols)?;
        self.counts.member_sent(now, &request);
        Some(request)
    }

    /// Whether the coordinator should be looked for anew; asking resets it.
    pub(crate) fn take_coordinator_doubt(&mut self) -> bool {
        self.group.as_mut().is_some_and(|group| group.classic.take_coordinator_doubt())
    }
}

/// A member's share, and the strategy that made it.
fn read_share(group: &Group, assigned: &Assigned) -> Result<(Assignment, Arc<dyn PartitionAssignor>), Error> {
    let name = &assigned.protocol_name;
    let assignor = group.settings.assignor(name).ok_or_else(|| {
        Error::new(ErrorKind::Membership, format!("the group agreed on `{name}`, which nobody offered"))
    })?;
    let assignment = Assignment::decode(assigned.assignment.clone()).map_err(|error| {
        Error::new(ErrorKind::Membership, "the leader of the group gave a share that cannot be read")
            .because(error)
    })?;
    Ok((assignment, Arc::clone(assignor)))
}
