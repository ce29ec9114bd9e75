//! What a group coordinator must do for static members (KIP-345).
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::LeaveGroupRequest;
use courant_protocol::messages::leave_group::MemberIdentity;

use super::groups_wire::{Member, fresh_group, settle};
use super::world::Subject;

super::case::declare! {
    ($) groups_static_suite;
    a_static_member_joins_without_asking_for_an_id: "C19";
    a_static_id_comes_back_without_a_rebalance: "C19";
    the_older_of_two_with_one_instance_id_is_fenced: "C19";
    a_static_leader_that_comes_back_skips_the_assignment: "C19" "C15";
    a_static_member_that_waits_is_fenced_at_once: "C19";
    static_members_are_removed_by_their_instance_ids: "C19";
    a_static_member_that_has_to_rejoin_may_be_late: "C19";
    an_instance_id_that_nobody_has_is_unknown: "C19";
}

async fn pair(subject: &Subject, stem: &str) -> (Member, Member) {
    let group = fresh_group(stem);
    let mut leader = Member::new(subject, &group, "t").await;
    let mut fixed = Member::fixed(subject, &group, "b").await;
    settle(&mut leader, &mut fixed).await;
    (leader, fixed)
}

async fn a_static_member_joins_without_asking_for_an_id(subject: Subject) {
    let mut member = Member::fixed(&subject, &fresh_group("static"), "a").await;
    let answer = member.join().await;
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert!(answer.member_id.starts_with("a-"), "{}", answer.member_id);
    assert_eq!(answer.members[0].group_instance_id.as_deref(), Some("a"));
}

async fn a_static_id_comes_back_without_a_rebalance(subject: Subject) {
    let (mut leader, old) = pair(&subject, "static-back").await;
    let mut new = Member::fixed(&subject, &leader.join.group_id, "b").await;
    let answer = new.join().await;
    assert_eq!((answer.error_code, answer.members.len()), (0, 0));
    assert_eq!(answer.generation_id, leader.generation);
    assert_eq!(answer.leader, leader.join.member_id);
    assert_ne!(new.id(), old.id());
    assert_eq!(new.sync(&[]).await.assignment, "b");
    assert_eq!((leader.heartbeat().await, new.heartbeat().await), (ErrorCode::NONE, ErrorCode::NONE));
}

async fn the_older_of_two_with_one_instance_id_is_fenced(subject: Subject) {
    let (leader, mut old) = pair(&subject, "static-fenced").await;
    let mut new = Member::fixed(&subject, &leader.join.group_id, "b").await;
    assert_eq!(new.join().await.error_code, 0);
    let fenced = ErrorCode::FENCED_INSTANCE_ID;
    assert_eq!(old.heartbeat().await, fenced);
    assert_eq!(ErrorCode(old.sync(&[]).await.error_code), fenced);
    assert_eq!(ErrorCode(old.join().await.error_code), fenced);
    assert_eq!(ErrorCode(old.leave().await.members[0].error_code), fenced);
    assert_eq!(new.heartbeat().await, ErrorCode::NONE);
}

async fn a_static_leader_that_comes_back_skips_the_assignment(subject: Subject) {
    let group = fresh_group("static-leader");
    let mut old = Member::fixed(&subject, &group, "a").await;
    old.alone().await;
    let mut new = Member::fixed(&subject, &group, "a").await;
    let answer = new.join().await;
    assert_eq!((answer.skip_assignment, answer.members.len()), (true, 1));
    assert_eq!(answer.leader, answer.member_id);
    assert_eq!(new.sync(&[]).await.assignment, "all");
    // Before version 9 nobody can say so: the leader is named by the id that it had.
    let mut older = Member::fixed(&subject, &group, "a").await;
    let answer = older.wire.call(&older.join, 8).await;
    assert_eq!((answer.error_code, answer.members.len()), (0, 0));
    assert_eq!(*answer.leader, *new.id());
}

async fn a_static_member_that_waits_is_fenced_at_once(subject: Subject) {
    let (mut leader, mut old) = pair(&subject, "static-waits").await;
    old.join.protocols[0].metadata = vec![0; 10].into();
    old.send_join().await;
    assert_eq!(leader.heartbeats_while(&subject, ErrorCode::NONE).await, ErrorCode::REBALANCE_IN_PROGRESS);
    let mut new = Member::fixed(&subject, &leader.join.group_id, "b").await;
    new.send_join().await;
    assert_eq!(ErrorCode(old.joined().await.error_code), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(leader.join().await.members.len(), 2);
    assert_eq!(new.joined().await.generation_id, leader.generation);
}

async fn static_members_are_removed_by_their_instance_ids(subject: Subject) {
    let (mut leader, fixed) = pair(&subject, "static-leave").await;
    let identity = |member_id: &str, instance: &str| MemberIdentity {
        member_id: member_id.into(),
        group_instance_id: Some(instance.into()),
        reason: Some("gone for good".into()),
    };
    let members = vec![identity("", "z"), identity("somebody", "b"), identity("", "b")];
    let request = LeaveGroupRequest { group_id: leader.join.group_id.clone(), members, ..Default::default() };
    let answer = leader.wire.call(&request, 5).await;
    let errors: Vec<ErrorCode> = answer.members.iter().map(|left| ErrorCode(left.error_code)).collect();
    let (unknown, fenced) = (ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(errors, [unknown, fenced, ErrorCode::NONE]);
    assert_eq!(leader.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS);
    drop(fixed);
}

async fn a_static_member_that_has_to_rejoin_may_be_late(subject: Subject) {
    let group = fresh_group("static-late");
    let mut leader = Member::new(&subject, &group, "t").await;
    let mut late = Member::fixed(&subject, &group, "b").await;
    leader.join.rebalance_timeout_ms = 1000;
    late.join.rebalance_timeout_ms = 1000;
    settle(&mut leader, &mut late).await;
    assert_eq!(leader.join().await.members.len(), 2, "it is assigned to though it did not join");
    let (one, two) = (leader.id(), late.id());
    leader.sync(&[(&one, "a"), (&two, "c")]).await;
    assert_eq!(late.heartbeat().await, ErrorCode::ILLEGAL_GENERATION);
    let answer = late.join().await;
    assert_eq!((answer.error_code, answer.generation_id), (0, leader.generation));
    assert_eq!(late.sync(&[]).await.assignment, "c");
}

async fn an_instance_id_that_nobody_has_is_unknown(subject: Subject) {
    let (mut leader, _fixed) = pair(&subject, "static-unknown").await;
    leader.join.group_instance_id = Some("z".into());
    assert_eq!(leader.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(ErrorCode(leader.sync(&[]).await.error_code), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(ErrorCode(leader.join().await.error_code), ErrorCode::UNKNOWN_MEMBER_ID);
}
