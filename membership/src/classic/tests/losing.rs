//! Being told that one is no member any more, falling silent, leaving.
use courant_protocol::error_code::ErrorCode;

use super::world::{Does, World, follower, ms, refused};
use crate::classic::Standing;
use crate::event::MembershipEvent;

#[test]
fn an_unknown_member_loses_everything_and_its_id() {
    let mut world = World::new();
    world.stable(1);
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    assert_eq!((world.classic.standing(), world.classic.member().generation_id), (Standing::Outside, -1));
    world.pass(ms(60_000));
    assert_eq!(world.does(), None, "neither a heartbeat nor a join before the owner has heard");
    world.classic.revoked_done(world.now);
    assert!(matches!(world.does(), Some(Does::Joins(_, id)) if id.is_empty()));
}

#[test]
fn a_stale_generation_keeps_the_id() {
    let mut world = World::new();
    world.stable(1);
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::ILLEGAL_GENERATION);
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    world.classic.revoked_done(world.now);
    let (_, request, _) = world.join();
    assert_eq!(&*request.member_id, "m");
    assert_eq!(request.reason.as_deref(), Some("encountered ILLEGAL_GENERATION from HEARTBEAT response"));
}

#[test]
fn what_was_lost_before_the_owner_heard_of_a_rebalance_is_lost_and_not_revoked() {
    let mut world = World::new();
    world.stable(1);
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::REBALANCE_IN_PROGRESS);
    // The owner is busy; meanwhile the group gives it up.
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    assert!(world.event().is_none());
    world.classic.revoked_done(world.now);
    assert!(matches!(world.does(), Some(Does::Joins(..))), "one answer is owed, not two");
}

#[test]
fn what_is_lost_while_the_owner_gives_things_up_waits_for_both() {
    let mut world = World::new();
    world.stable(1);
    world.classic.request_rejoin("test");
    assert!(matches!(world.event(), Some(MembershipEvent::Revoke)));
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    world.classic.revoked_done(world.now);
    assert_eq!(world.does(), None);
    world.classic.revoked_done(world.now);
    assert!(matches!(world.does(), Some(Does::Joins(..))));
}

#[test]
fn a_commit_that_is_refused_counts_only_for_the_generation_it_was_sent_in() {
    let mut world = World::new();
    world.stable(2);
    world.classic.handle_commit_code(1, ErrorCode::ILLEGAL_GENERATION);
    assert!(world.event().is_none());
    world.classic.handle_commit_code(2, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
}

#[test]
fn a_join_under_an_id_that_is_gone_begins_anew() {
    let mut world = World::new();
    world.stable(1);
    world.classic.request_rejoin("test");
    world.event();
    world.classic.revoked_done(world.now);
    let (ticket, ..) = world.join();
    world.joined(ticket, refused(ErrorCode::UNKNOWN_MEMBER_ID));
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    world.classic.revoked_done(world.now);
    assert!(matches!(world.does(), Some(Does::Joins(_, id)) if id.is_empty()));
}

#[test]
fn a_fenced_member_stays_out_for_good() {
    let mut world = World::with(|settings| settings.group_instance_id = Some("one".to_owned()));
    world.stable(1);
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::FENCED_INSTANCE_ID);
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    assert!(matches!(world.event(), Some(MembershipEvent::Fatal(error)) if error.is_fatal()));
    world.classic.revoked_done(world.now);
    world.classic.retry(world.now, 0.5);
    world.pass(ms(60_000));
    assert_eq!(world.does(), None);
}

#[test]
fn a_silent_application_costs_a_dynamic_member_its_place() {
    let mut world = World::new();
    world.stable(1);
    world.classic.stall();
    assert!(matches!(world.does(), Some(Does::Leaves(id)) if id == "m"));
    assert!(matches!(world.event(), Some(MembershipEvent::Lost)));
    world.pass(ms(600_000));
    assert_eq!(world.does(), None);
    world.classic.revoked_done(world.now);
    assert!(matches!(world.does(), Some(Does::Joins(_, id)) if id.is_empty()));
}

#[test]
fn a_silent_application_ends_the_heartbeats_of_a_static_member_and_no_more() {
    let mut world = World::with(|settings| settings.group_instance_id = Some("one".to_owned()));
    world.stable(1);
    world.classic.stall();
    world.pass(ms(600_000));
    assert_eq!(world.does(), None);
}

#[test]
fn a_farewell_is_said_once_and_nothing_follows() {
    let mut world = World::new();
    world.stable(1);
    world.classic.leave(true, "the consumer is being closed");
    assert!(!world.classic.has_left());
    assert!(matches!(world.does(), Some(Does::Leaves(id)) if id == "m"));
    world.classic.handle_left();
    assert!(world.classic.has_left());
    world.pass(ms(600_000));
    assert_eq!((world.does(), world.classic.next_deadline()), (None, None));

    let mut quiet = World::new();
    quiet.stable(1);
    quiet.classic.leave(false, "");
    assert!(quiet.classic.has_left());
    quiet.classic.join(quiet.now);
    let (ticket, ..) = quiet.join();
    quiet.joined(ticket, follower(2));
    assert_eq!(quiet.classic.member().generation_id, 2);
}

#[test]
fn a_farewell_fits_the_version() {
    let mut world = World::with(|settings| settings.group_instance_id = Some("one".to_owned()));
    world.stable(1);
    world.classic.leave(true, "the consumer is being closed");
    let Some(crate::classic::ClassicRequest::Leave(leave, _)) = world.request() else { panic!("a farewell") };
    let (old, new) = (leave.request(2), leave.request(5));
    assert_eq!((&*old.member_id, old.members.len()), ("m", 0));
    assert_eq!((&*new.member_id, new.members.len()), ("", 1));
    assert_eq!(new.members[0].group_instance_id.as_deref(), Some("one"));
    assert_eq!(new.members[0].reason.as_deref(), Some("the consumer is being closed"));
}
