//! Coming into a group, and the rounds after that.
use std::collections::BTreeMap;

use bytes::Bytes;
use courant_client::ErrorKind;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::JoinGroupResponse;
use courant_protocol::wire::Str;

use super::world::{Does, World, cut, follower, leader, ms, refused};
use crate::classic::Standing;
use crate::event::MembershipEvent;

#[test]
fn an_id_that_is_required_first_is_no_failure_and_joins_at_once() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (ticket, first, _) = world.join();
    assert_eq!(
        (&*first.member_id, first.session_timeout_ms, first.rebalance_timeout_ms),
        ("", 45_000, 300_000)
    );
    world.joined(ticket, refused(ErrorCode::MEMBER_ID_REQUIRED));
    assert!(world.event().is_none());
    // KIP-394: at once, without a wait, under the id that was given.
    let (ticket, second, _) = world.join();
    assert_eq!(&*second.member_id, "given");
    assert_eq!(second.reason.as_deref(), Some("need to re-join with the given member-id: given"));
    world.joined(ticket, JoinGroupResponse { member_id: Str::from("given"), ..follower(1) });
    assert_eq!(world.classic.member().member_id, "given");
    // Had it counted as a failure, the next wait would be longer.
    let (ticket, _) = world.sync();
    world.classic.handle_sync(world.now, ticket, Err(cut()), 0.5);
    assert_eq!(world.classic.next_deadline(), Some(world.now + ms(100)));
}

#[test]
fn a_join_is_waited_for_as_long_as_the_group_waits_for_its_members() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (.., timeout) = world.join();
    assert_eq!(timeout, ms(305_000));
    let mut short = World::with(|settings| settings.rebalance_timeout = ms(10_000));
    short.classic.join(short.now);
    assert_eq!(short.join().2, ms(30_000), "never shorter than other requests");
}

#[test]
fn a_leader_divides_and_the_others_give_nothing() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (ticket, ..) = world.join();
    world.joined(ticket, leader(7));
    let Some(MembershipEvent::Elect(election)) = world.event() else { panic!("an election") };
    assert_eq!((election.generation_id, election.members.len(), election.skip_assignment), (7, 2, false));
    assert_eq!(world.request().map(|_| ()), None, "nothing is said until the work is divided");
    let shares =
        BTreeMap::from([("m".to_owned(), Bytes::from_static(b"mine")), ("n".to_owned(), Bytes::new())]);
    world.classic.elected(world.now, Ok(shares));
    let (ticket, sync) = world.sync();
    assert_eq!((sync.generation_id, sync.assignments.len()), (7, 2));
    assert_eq!(
        (sync.protocol_type.as_deref(), sync.protocol_name.as_deref()),
        (Some("consumer"), Some("range"))
    );
    world.synced(ticket, ErrorCode::NONE);
    let Some(MembershipEvent::Assign(assigned)) = world.event() else { panic!("a share") };
    assert_eq!((assigned.assignment, assigned.generation_id), (Bytes::from_static(b"mine"), 7));

    let mut follows = World::new();
    follows.classic.join(follows.now);
    let (ticket, ..) = follows.join();
    follows.joined(ticket, follower(7));
    assert_eq!(follows.sync().1.assignments, []);
}

#[test]
fn an_owner_that_gives_things_up_holds_the_join_but_not_the_standing() {
    let mut world = World::new();
    world.stable(1);
    world.classic.request_rejoin("subscription has changed");
    assert!(matches!(world.event(), Some(MembershipEvent::Revoke)));
    assert_eq!((world.does(), world.classic.standing()), (None, Standing::Member));
    world.classic.revoked_done(world.now);
    let (ticket, request, _) = world.join();
    assert_eq!((&*request.member_id, request.reason.as_deref()), ("m", Some("subscription has changed")));
    assert_eq!(world.classic.standing(), Standing::Rebalancing);
    world.joined(ticket, follower(2));
    let (ticket, _) = world.sync();
    world.synced(ticket, ErrorCode::NONE);
    assert_eq!(world.classic.standing(), Standing::Member);
}

#[test]
fn a_round_that_is_overtaken_begins_again_without_giving_anything_up() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (ticket, ..) = world.join();
    world.joined(ticket, follower(1));
    let (ticket, _) = world.sync();
    world.synced(ticket, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(world.event().is_none());
    assert!(matches!(world.does(), Some(Does::Joins(_, id)) if id == "m"));
}

#[test]
fn attempts_that_fail_are_spaced_and_look_for_the_coordinator() {
    let mut world = World::new();
    world.classic.join(world.now);
    for code in [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE] {
        let (ticket, ..) = world.join();
        world.joined(ticket, refused(code));
        assert!(world.classic.take_coordinator_doubt());
        assert_eq!(world.does(), None);
        world.pass(ms(100));
    }
    let (ticket, ..) = world.join();
    world.joined(ticket, refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    assert!(!world.classic.take_coordinator_doubt());
    world.pass(ms(100));
    let (ticket, ..) = world.join();
    world.classic.handle_join(world.now, ticket, Err(cut()), 0.5);
    assert!(world.classic.take_coordinator_doubt());
    assert_eq!(world.classic.next_deadline(), Some(world.now + ms(100)));
}

#[test]
fn a_refusal_is_told_and_tried_again_only_when_asked() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (ticket, ..) = world.join();
    world.joined(ticket, refused(ErrorCode::INVALID_SESSION_TIMEOUT));
    let Some(MembershipEvent::Fatal(error)) = world.event() else { panic!("a refusal") };
    assert_eq!(error.kind(), ErrorKind::Broker(ErrorCode::INVALID_SESSION_TIMEOUT));
    assert!(error.to_string().contains("group.min.session.timeout.ms"), "{error}");
    world.pass(ms(60_000));
    assert_eq!(world.does(), None);
    world.classic.retry(world.now, 0.5);
    world.pass(ms(100));
    assert!(matches!(world.does(), Some(Does::Joins(..))));
}

#[test]
fn what_was_not_offered_or_is_of_another_kind_is_not_taken() {
    let of_another_kind = JoinGroupResponse { protocol_type: Some(Str::from("connect")), ..follower(1) };
    let not_offered = JoinGroupResponse { protocol_name: Some(Str::from("sticky")), ..follower(1) };
    let nobody = JoinGroupResponse { member_id: Str::new(), ..follower(1) };
    for answer in [of_another_kind, not_offered, nobody] {
        let mut world = World::new();
        world.classic.join(world.now);
        let (ticket, ..) = world.join();
        world.joined(ticket, answer);
        assert!(matches!(world.event(), Some(MembershipEvent::Fatal(_))));
    }
}

#[test]
fn an_answer_to_a_join_that_was_given_up_changes_nothing() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (old, ..) = world.join();
    world.classic.leave(true, "the consumer is being closed");
    assert!(world.classic.has_left(), "somebody without an id needs no farewell");
    world.classic.join(world.now);
    let (new, ..) = world.join();
    world.joined(old, follower(1));
    assert_eq!(world.does(), None);
    world.joined(new, follower(2));
    assert_eq!(world.classic.member().generation_id, 2);
}
