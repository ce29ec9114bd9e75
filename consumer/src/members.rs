//! The driver's work for the membership of a group: requests to the coordinator, and the leader's division.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use courant_client::{CoordinatorKind, Metadata};
use courant_membership::classic::ClassicRequest;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::TopicName;

use crate::assignor::GroupCluster;
use crate::calls::{self, CallDone};
use crate::driver::Driver;
use crate::machine::election::Electing;
use crate::machine::reading::Reading;

impl Driver {
    /// The division that waits to be made, once the metadata of all topics of the group are known.
    pub(crate) fn take_election(&self, reading: &mut Reading) -> Option<Electing> {
        let snapshot = self.kafka.cluster().snapshot();
        reading.take_election(|topic| snapshot.topic(topic).is_some())
    }

    /// Divides the partitions of the group, which this member leads. No lock is held meanwhile: the assignor may be the
    /// application's.
    pub(crate) fn divide(&self, now: Instant, electing: &Electing) {
        let topics = electing.topics();
        let snapshot = self.kafka.cluster().snapshot();
        let division = electing.divide(&view_of(&snapshot, &topics, true));
        let mut reading = self.shared.reading();
        let view = view_of(&snapshot, &topics, reading.watches_racks());
        reading.elected_from(now, division, view, electing.keeps_shares());
        reading.poll_group(now);
    }

    /// Moves the group on, and wakes the application where there is something for it to hear.
    pub(crate) fn poll_group(&mut self, now: Instant, reading: &mut Reading) {
        reading.poll_group(now);
        if let Some((topics, racks)) = reading.take_changed_view() {
            reading.handle_view(&view_of(&self.kafka.cluster().snapshot(), &topics, racks));
            reading.poll_group(now);
        }
        reading.note_subscribed_topics(&self.kafka.cluster().snapshot());
        if reading.has_news() || reading.report.is_some() {
            self.shared.wake_application();
        }
    }

    /// Sends what the member has to say.
    pub(crate) fn send_membership(&mut self, now: Instant, reading: &mut Reading) {
        let settings = Arc::clone(&self.settings);
        let group = settings.group.as_deref().unwrap_or_default();
        if reading.take_coordinator_doubt() {
            self.kafka.cluster().forget_coordinator(CoordinatorKind::Group, group);
        }
        if reading.poll_listing(now) {
            self.calls.push(calls::listing(&self.kafka, settings.exclude_internal_topics, now));
        }
        if let Some(generation) = reading.poll_inspection(now) {
            self.calls.push(calls::shares(&self.kafka, group, generation, now));
        }
        while let Some(request) = reading.poll_membership(now) {
            if matches!(request, ClassicRequest::Join(..) | ClassicRequest::Sync(..)) {
                // An earlier one is still waiting there, and would hold this one up.
                if std::mem::replace(&mut self.lane_is_taken, true) {
                    self.lane = self.kafka.cluster().new_member_class();
                }
            }
            self.calls.push(calls::membership(&self.kafka, group, request, self.lane, now));
        }
    }
}

impl Reading {
    /// Tells the application of a subscribed topic that waiting will not bring: once, until it has been well in between.
    /// One that is not there yet is waited for.
    pub(crate) fn note_subscribed_topics(&mut self, snapshot: &Metadata) {
        let Some(group) = self.group.as_mut().filter(|group| group.view_version != snapshot.version()) else {
            return;
        };
        group.view_version = snapshot.version();
        for name in group.topics.iter().flatten() {
            let error =
                snapshot.topic(name).and_then(|topic| topic.error).filter(|code| !code.is_retriable());
            match error {
                None => {
                    group.bad_topics.remove(name);
                }
                Some(code) if group.bad_topics.insert(name.clone()) => {
                    let error = courant_client::Error::from_code(code, "a subscribed topic cannot be read");
                    self.report = Some(error.at_topic(name.clone()).into());
                }
                Some(_) => {}
            }
        }
    }

    /// Hands the answer to a member's request to the machine that asked.
    pub(crate) fn handle_member_answer(&mut self, now: Instant, done: CallDone, jitter: f64) {
        let done = match done {
            CallDone::Topics(topics) => return self.handle_listing(now, topics, jitter),
            CallDone::Shares(generation, shares) => {
                return self.handle_shares(now, generation, shares, jitter);
            }
            done => done,
        };
        match &done {
            CallDone::Join(_, answer) => {
                // A first half that asks for the second is no failure (KIP-394).
                let good = [ErrorCode::NONE, ErrorCode::MEMBER_ID_REQUIRED];
                let is_good =
                    answer.as_ref().is_ok_and(|answer| good.contains(&ErrorCode(answer.error_code)));
                self.counts.joined(now, !is_good);
            }
            CallDone::Sync(_, answer) => {
                let is_good = answer.as_ref().is_ok_and(|answer| answer.error_code == ErrorCode::NONE.0);
                self.counts.synced(now, !is_good);
            }
            CallDone::Heartbeat(..) => self.counts.beaten(now),
            _ => {}
        }
        let Some(group) = &mut self.group else { return };
        let classic = &mut group.classic;
        match done {
            CallDone::Join(ticket, answer) => classic.handle_join(now, ticket, answer, jitter),
            CallDone::Sync(ticket, answer) => classic.handle_sync(now, ticket, answer, jitter),
            CallDone::Heartbeat(ticket, answer) => classic.handle_heartbeat(now, ticket, answer, jitter),
            CallDone::Left(answer) => {
                // Nobody asks again: the session ends by itself where the farewell was lost.
                if let Err(error) = answer {
                    tracing::debug!(target: "courant::consumer", %error, "the coordinator did not hear the farewell");
                }
                classic.handle_left();
            }
            CallDone::Answers(..) | CallDone::Commit(_) | CallDone::Topics(_) | CallDone::Shares(..) => {}
        }
    }
}

/// What the client knows of these topics, with the racks of their replicas where `racks`.
fn view_of(snapshot: &Metadata, topics: &BTreeSet<TopicName>, racks: bool) -> GroupCluster {
    let rack_of = |node: &courant_protocol::types::NodeId| {
        let broker = snapshot.broker(*node).filter(|_| racks)?;
        broker.rack.clone()
    };
    let known = topics.iter().filter_map(|name| snapshot.topic(name));
    known.fold(GroupCluster::new(), |cluster, topic| {
        let partitions =
            topic.partitions.iter().map(|partition| partition.replicas.iter().filter_map(rack_of));
        cluster.with_racks(topic.name.clone(), partitions)
    })
}
