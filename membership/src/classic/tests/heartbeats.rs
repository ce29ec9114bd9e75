//! Heartbeats: nothing that the owner or the group does holds them up.
use courant_protocol::error_code::ErrorCode;

use super::world::{Does, World, cut, follower, leader, ms};
use crate::event::MembershipEvent;

#[test]
fn they_come_in_their_interval_from_the_join_on() {
    let mut world = World::new();
    world.stable(1);
    for _ in 0..3 {
        assert_eq!(world.classic.next_deadline(), Some(world.now + ms(3_000)));
        world.pass(ms(2_999));
        assert_eq!(world.does(), None);
        world.pass(ms(1));
        let ticket = world.beat();
        world.beaten(ticket, ErrorCode::NONE);
    }
}

#[test]
fn they_go_on_while_the_owner_takes_its_time() {
    let mut world = World::new();
    world.stable(1);
    world.classic.request_rejoin("test");
    assert!(matches!(world.event(), Some(MembershipEvent::Revoke)));
    // A callback that sleeps for a minute.
    for _ in 0..20 {
        world.pass(ms(3_000));
        let ticket = world.beat();
        world.beaten(ticket, ErrorCode::REBALANCE_IN_PROGRESS);
    }
    world.classic.revoked_done(world.now);
    assert!(matches!(world.does(), Some(Does::Joins(..))));
}

#[test]
fn they_go_on_while_a_join_waits_and_while_the_work_is_divided() {
    let mut world = World::new();
    world.stable(1);
    world.classic.request_rejoin("test");
    world.event();
    world.classic.revoked_done(world.now);
    let (ticket, ..) = world.join();
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::REBALANCE_IN_PROGRESS);
    world.pass(ms(3_000));
    // The coordinator has begun the next generation, and its answer is on the way.
    let beat = world.beat();
    world.beaten(beat, ErrorCode::ILLEGAL_GENERATION);
    assert!(world.event().is_none());
    world.joined(ticket, leader(2));
    world.event();
    world.pass(ms(3_000));
    assert_eq!(world.does().map(|does| matches!(does, Does::Beats(_, 2))), Some(true));
}

#[test]
fn a_failed_one_is_repeated_soon_and_a_lost_one_does_not_end_the_session() {
    let mut world = World::new();
    world.stable(1);
    world.pass(ms(3_000));
    let ticket = world.beat();
    // Five intervals long nobody answers; there is only one on its way.
    world.pass(ms(15_000));
    assert_eq!(world.does(), None);
    world.classic.handle_heartbeat(world.now, ticket, Err(cut()), 0.5);
    assert!(world.classic.take_coordinator_doubt());
    world.pass(ms(100));
    let ticket = world.beat();
    world.beaten(ticket, ErrorCode::NOT_COORDINATOR);
    assert!(world.classic.take_coordinator_doubt());
    world.pass(ms(100));
    world.beat();
}

#[test]
fn refused_ones_are_told_once_until_one_is_taken_and_are_tried_on() {
    let mut world = World::new();
    world.stable(1);
    for _ in 0..2 {
        for attempt in 0..3 {
            world.pass(ms(3_000));
            let ticket = world.beat();
            world.beaten(ticket, ErrorCode::GROUP_AUTHORIZATION_FAILED);
            let told = world.event();
            assert_eq!(matches!(told, Some(MembershipEvent::Unheard(_))), attempt == 0, "{told:?}");
        }
        world.pass(ms(3_000));
        let ticket = world.beat();
        world.beaten(ticket, ErrorCode::NONE);
    }
    world.pass(ms(3_000));
    let ticket = world.beat();
    world.beaten(ticket, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert!(world.event().is_none(), "that goes away by itself");
}

#[test]
fn a_session_without_an_answer_looks_for_the_coordinator_and_keeps_what_it_has() {
    let mut world = World::new();
    world.stable(1);
    world.pass(ms(3_000));
    let old = world.beat();
    world.pass(ms(42_000));
    let new = world.beat();
    assert!(world.classic.take_coordinator_doubt());
    assert!(world.event().is_none(), "only the coordinator can say that it is over");
    world.beaten(old, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(world.event().is_none(), "an answer that is no longer waited for");
    world.beaten(new, ErrorCode::NONE);
}

#[test]
fn a_rebalance_that_a_heartbeat_tells_of_asks_the_owner_first() {
    let mut world = World::new();
    world.stable(1);
    world.pass(ms(3_000));
    let ticket = world.beat();
    world.beaten(ticket, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(matches!(world.event(), Some(MembershipEvent::Revoke)));
    assert_eq!(world.does(), None);
}

#[test]
fn one_that_tells_of_a_rebalance_while_the_owner_takes_over_counts_afterwards() {
    let mut world = World::new();
    world.classic.join(world.now);
    let (ticket, ..) = world.join();
    world.joined(ticket, follower(1));
    let (ticket, _) = world.sync();
    world.synced(ticket, ErrorCode::NONE);
    world.event();
    world.pass(ms(3_000));
    let beat = world.beat();
    world.beaten(beat, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(world.event().is_none());
    world.classic.assigned_done();
    assert!(matches!(world.event(), Some(MembershipEvent::Revoke)));
}
