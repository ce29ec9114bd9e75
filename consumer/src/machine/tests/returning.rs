//! A static leader that comes back to shares which it did not give: it asks once what they are, and whether that is all.
use std::collections::BTreeSet;
use std::sync::Arc;

use courant_client::retry::Backoff;
use courant_membership::classic::{ClassicRequest, ClassicSettings};
use courant_protocol::embedded::{Assignment, VERSION};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::join_group::JoinGroupResponseMember;
use courant_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse};
use courant_protocol::types::TopicPartition;
use courant_protocol::wire::Str;

use super::world::{World, a, ms};
use crate::assignor::{Assignor, GroupCluster, RebalanceProtocol};
use crate::calls::CallDone;
use crate::error::Error;
use crate::listener::Change;
use crate::machine::group::{Group, GroupSettings};

const GENERATION: i32 = 7;

/// What the member `one` of group `g` is told once.
fn settings() -> GroupSettings {
    GroupSettings {
        classic: ClassicSettings {
            group_id: "g".to_owned(),
            group_instance_id: Some("one".to_owned()),
            protocol_type: "consumer".to_owned(),
            session_timeout: ms(45_000),
            rebalance_timeout: ms(300_000),
            heartbeat_interval: ms(3_000),
            request_timeout: ms(30_000),
            backoff: Backoff::constant(ms(100)),
        },
        assignors: vec![Arc::new(Assignor::Range)],
        rack: None,
        max_poll_interval: ms(300_000),
        listing_interval: ms(300_000),
    }
}

/// The shares of `one` and `two` where the topic had so many partitions.
fn shares(partitions: i32) -> Option<BTreeSet<TopicPartition>> {
    Some((0..partitions).map(a).collect())
}

impl World {
    /// The leader of `one` and `two` in a group at rest, by whose topic `a` has three partitions; it was told to keep the
    /// shares, or gave them.
    fn leading(skip_assignment: bool) -> Self {
        let mut world = Self::new(|settings| settings.subscription.has_group = true);
        world.reading.group = Some(Group::new(world.now, settings(), RebalanceProtocol::Eager));
        world.reading.subscribe(world.now, BTreeSet::from(["a".into()])).unwrap();
        world.joins(skip_assignment);
        let sync = world.elects();
        assert_eq!(sync.assignments.is_empty(), skip_assignment);
        assert_eq!(world.told(), Some((Change::Assigned, vec![a(0)])));
        assert_eq!(world.told(), None);
        world
    }

    fn joins(&mut self, skip_assignment: bool) {
        let Some(ClassicRequest::Join(ticket, request, _)) = self.reading.poll_membership(self.now) else {
            panic!("a JoinGroup")
        };
        let member = |id| JoinGroupResponseMember {
            member_id: Str::from_static(id),
            metadata: request.protocols[0].metadata.clone(),
            ..Default::default()
        };
        let joined = JoinGroupResponse {
            generation_id: GENERATION,
            protocol_name: Some(Str::from_static("range")),
            leader: Str::from_static("one"),
            member_id: Str::from_static("one"),
            members: vec![member("one"), member("two")],
            skip_assignment,
            ..Default::default()
        };
        self.reading.handle_member_answer(self.now, CallDone::Join(ticket, Ok(joined)), 0.5);
        self.reading.poll_group(self.now);
    }

    fn elects(&mut self) -> SyncGroupRequest {
        let electing = self.reading.take_election(|_| true).expect("a division");
        let view = GroupCluster::new().with_topic("a", 3);
        let division = electing.divide(&view);
        self.reading.elected_from(self.now, division, view, electing.keeps_shares());
        let Some(ClassicRequest::Sync(ticket, request, _)) = self.reading.poll_membership(self.now) else {
            panic!("a SyncGroup")
        };
        let assignment = Assignment::new([a(0)]).encode(VERSION).unwrap();
        let synced = SyncGroupResponse { assignment, ..Default::default() };
        self.reading.handle_member_answer(self.now, CallDone::Sync(ticket, Ok(synced)), 0.5);
        request
    }

    /// What the application is told next; it has dealt with what came before.
    fn told(&mut self) -> Option<(Change, Vec<TopicPartition>)> {
        self.reading.begin_group_poll(self.now);
        self.reading.poll_group(self.now);
        self.reading.take_notice(self.now).map(|(change, partitions, _)| (change, partitions))
    }

    fn answer_shares(&mut self, shares: Result<Option<BTreeSet<TopicPartition>>, Error>) {
        self.reading.handle_shares(self.now, GENERATION, shares, 0.5);
    }

    /// The JoinGroup that the member sends now, if it does.
    fn rejoins(&mut self) -> Option<JoinGroupRequest> {
        match self.reading.poll_membership(self.now) {
            Some(ClassicRequest::Join(_, request, _)) => Some(request),
            _ => None,
        }
    }
}

#[test]
fn partitions_that_came_while_the_leader_was_away_are_divided_by_a_rebalance() {
    let mut world = World::leading(true);
    assert_eq!(world.reading.poll_inspection(world.now), Some(GENERATION));
    assert_eq!(world.reading.poll_inspection(world.now), None, "the question is out");
    world.answer_shares(Ok(shares(2)));
    assert_eq!(world.told(), Some((Change::Revoked, vec![a(0)])));
    assert_eq!(world.told(), None);
    let join = world.rejoins().expect("a JoinGroup");
    assert_eq!(join.member_id, "one");
    assert_eq!(join.reason.as_deref(), Some("partitions came while the leader was away"));
    // It divides by itself then, and has nothing to ask.
    assert_eq!(world.reading.poll_inspection(world.now), None);
}

#[test]
fn a_leader_comes_back_without_a_rebalance_where_everything_is_somebodys() {
    let mut world = World::leading(true);
    assert_eq!(world.reading.poll_inspection(world.now), Some(GENERATION));
    // A topic that was made anew with less than it had brings nobody anything either.
    world.answer_shares(Ok(shares(4)));
    assert_eq!((world.told(), world.rejoins()), (None, None));
    assert_eq!(world.reading.poll_inspection(world.now), None, "it is asked once");
}

#[test]
fn a_leader_that_gave_the_shares_does_not_ask_for_them() {
    let mut world = World::leading(false);
    assert_eq!(world.reading.poll_inspection(world.now), None);
    // Nor does it believe an answer to what it asked before.
    world.answer_shares(Ok(shares(2)));
    assert_eq!(world.told(), None);
}

#[test]
fn a_coordinator_that_cannot_tell_is_asked_again_after_a_while() {
    let mut world = World::leading(true);
    assert_eq!(world.reading.poll_inspection(world.now), Some(GENERATION));
    world.answer_shares(Err(Error::from_code(ErrorCode::NOT_COORDINATOR, "asked")));
    assert_eq!(world.reading.poll_inspection(world.now), None);
    world.now += ms(100);
    assert_eq!(world.reading.next_deadline(world.now), Some(world.now));
    assert_eq!(world.reading.poll_inspection(world.now), Some(GENERATION));
    // While the group rebalances nobody has anything: that is no reason for another rebalance.
    world.answer_shares(Ok(None));
    assert_eq!((world.told(), world.reading.poll_inspection(world.now)), (None, None));
}

#[test]
fn a_leader_that_may_not_ask_goes_on_as_it_is() {
    let mut world = World::leading(true);
    assert_eq!(world.reading.poll_inspection(world.now), Some(GENERATION));
    world.answer_shares(Err(Error::from_code(ErrorCode::GROUP_AUTHORIZATION_FAILED, "asked")));
    world.now += ms(1_000);
    assert_eq!((world.told(), world.reading.poll_inspection(world.now)), (None, None));
}

#[test]
fn the_shares_of_another_generation_say_nothing() {
    let mut world = World::leading(true);
    assert_eq!(world.reading.poll_inspection(world.now), Some(GENERATION));
    world.reading.handle_shares(world.now, GENERATION - 1, Ok(shares(2)), 0.5);
    assert_eq!(world.told(), None);
    world.answer_shares(Ok(shares(2)));
    assert_eq!(world.told(), Some((Change::Revoked, vec![a(0)])));
}
