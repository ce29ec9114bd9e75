//! What a group coordinator must do when time is up. Whoever must not wait sends requests that the broker holds back.
use courant_protocol::error_code::ErrorCode;

use super::groups_wire::{Member, fresh_group, settle};
use super::world::Subject;

/// The shortest session that a broker with Kafka's defaults grants.
const SHORTEST_SESSION_MS: i32 = 6000;

super::case::declare! {
    ($) groups_timers_suite;
    a_silent_member_loses_its_place: "C14";
    an_id_that_nobody_comes_back_with_is_forgotten: "C15";
    a_rebalance_goes_on_without_the_late: "C15";
    who_waits_for_the_others_needs_no_heartbeats: "C14" "C15";
    who_never_asks_for_its_assignment_loses_its_place: "C15";
    commits_of_a_member_that_was_dropped_are_refused: "C14" "C21";
}

async fn a_silent_member_loses_its_place(subject: Subject) {
    let group = fresh_group("silent");
    let mut leader = Member::new(&subject, &group, "t").await;
    let mut silent = Member::new(&subject, &group, "t").await;
    silent.join.session_timeout_ms = SHORTEST_SESSION_MS;
    settle(&mut leader, &mut silent).await;
    let code = leader.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(leader.join().await.members.len(), 1);
    assert_eq!(silent.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID);
}

async fn an_id_that_nobody_comes_back_with_is_forgotten(subject: Subject) {
    let group = fresh_group("pending");
    let mut leader = Member::new(&subject, &group, "t").await;
    let mut pending = Member::new(&subject, &group, "t").await;
    leader.alone().await;
    pending.join.session_timeout_ms = SHORTEST_SESSION_MS;
    pending.ask_for_id().await;
    // Until then the rebalance waits for it.
    assert_eq!(leader.join().await.members.len(), 1);
    assert_eq!(ErrorCode(pending.join().await.error_code), ErrorCode::UNKNOWN_MEMBER_ID);
}

async fn a_rebalance_goes_on_without_the_late(subject: Subject) {
    let group = fresh_group("late");
    let mut leader = Member::new(&subject, &group, "t").await;
    let mut late = Member::new(&subject, &group, "t").await;
    leader.join.rebalance_timeout_ms = 500;
    late.join.rebalance_timeout_ms = 1000;
    settle(&mut leader, &mut late).await;
    leader.send_join().await;
    let called = late.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(called, ErrorCode::REBALANCE_IN_PROGRESS);
    let code = late.heartbeats_while(&subject, called).await;
    assert_eq!(code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(leader.joined().await.members.len(), 1);
}

async fn who_waits_for_the_others_needs_no_heartbeats(subject: Subject) {
    let group = fresh_group("waits");
    let mut waiting = Member::new(&subject, &group, "t").await;
    let mut late = Member::new(&subject, &group, "t").await;
    waiting.join.session_timeout_ms = SHORTEST_SESSION_MS;
    late.join.rebalance_timeout_ms = 9000;
    waiting.join.rebalance_timeout_ms = 9000;
    settle(&mut waiting, &mut late).await;
    waiting.send_join().await;
    let called = late.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(late.heartbeats_while(&subject, called).await, ErrorCode::UNKNOWN_MEMBER_ID);
    let answer = waiting.joined().await;
    assert_eq!((answer.error_code, answer.generation_id), (0, 3), "longer than its session");
}

async fn who_never_asks_for_its_assignment_loses_its_place(subject: Subject) {
    let group = fresh_group("never-syncs");
    let mut leader = Member::new(&subject, &group, "t").await;
    let mut silent = Member::new(&subject, &group, "t").await;
    leader.join.rebalance_timeout_ms = 1500;
    silent.join.rebalance_timeout_ms = 1500;
    settle(&mut leader, &mut silent).await;
    leader.send_join().await;
    silent.heartbeats_while(&subject, ErrorCode::NONE).await;
    silent.join().await;
    leader.joined().await;
    let id = leader.id();
    leader.sync(&[(&id, "a")]).await;
    let code = leader.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(silent.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID);
}

async fn commits_of_a_member_that_was_dropped_are_refused(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = super::world::topic(&kafka, "dropped", 1).await;
    let group = fresh_group("dropped");
    let mut leader = Member::new(&subject, &group, &topic).await;
    let mut late = Member::new(&subject, &group, &topic).await;
    leader.join.rebalance_timeout_ms = 500;
    late.join.rebalance_timeout_ms = 500;
    settle(&mut leader, &mut late).await;
    assert_eq!(late.commit(&topic, 3).await, ErrorCode::NONE);
    assert_eq!(leader.join().await.members.len(), 1);
    assert_eq!(late.commit(&topic, 4).await, ErrorCode::UNKNOWN_MEMBER_ID);
}
