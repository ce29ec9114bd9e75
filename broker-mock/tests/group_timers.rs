//! What time does to groups, to the millisecond: gathering, sessions, rebalances, assignments, moves, expiry.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use courant_protocol::types::{NodeId, Offset};
use support::Client;
use support::member::{GROUP, Member, cluster, cluster_with, group, settle, state};
use tokio::time::Instant;

async fn wait(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

fn since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn the_first_members_gather_and_each_newcomer_prolongs_it_once() {
    let cluster = cluster_with(&[("group.initial.rebalance.delay.ms", "3000")]);
    let (mut first, mut second) = (Member::new(&cluster).await, Member::new(&cluster).await);
    first.ask_for_id().await;
    let start = Instant::now();
    first.send_join().await;
    wait(2000).await;
    second.ask_for_id().await;
    second.send_join().await;
    let answer = first.joined().await;
    assert_eq!((since(start), answer.members.len(), answer.generation_id), (6000, 2, 1));
    assert_eq!(second.joined().await.generation_id, 1);
}

#[tokio::test(start_paused = true)]
async fn gathering_ends_with_the_rebalance_timeout_however_many_come() {
    let cluster = cluster_with(&[("group.initial.rebalance.delay.ms", "3000")]);
    let start = Instant::now();
    let mut members = Vec::new();
    for _ in 0..6 {
        let mut member = Member::new(&cluster).await;
        member.join.rebalance_timeout_ms = 7000;
        member.ask_for_id().await;
        member.send_join().await;
        members.push(member);
        wait(1000).await;
    }
    members[0].joined().await;
    // 3 s, 3 s more, and what is then left of 7 s.
    assert_eq!(since(start), 7000);
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_out_when_its_session_ends_and_not_before() {
    let cluster = cluster();
    let (mut leader, mut follower) = (Member::new(&cluster).await, Member::new(&cluster).await);
    settle(&mut leader, &mut follower).await;
    for _ in 0..3 {
        wait(3333).await;
        assert_eq!(leader.heartbeat().await, 0);
    }
    assert_eq!(group(&cluster).members.len(), 2, "9999 ms of silence");
    wait(1).await;
    assert_eq!(leader.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    assert_eq!(group(&cluster).members.len(), 1);
    leader.alone().await;
    assert_eq!(follower.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID.0);
    assert_eq!(follower.commit(1).await, ErrorCode::UNKNOWN_MEMBER_ID.0);
}

#[tokio::test(start_paused = true)]
async fn commits_keep_a_session_alive() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    for offset in 0..5 {
        wait(9000).await;
        assert_eq!(member.commit(offset).await, 0);
    }
    assert_eq!(state(&cluster), "Stable");
}

#[tokio::test(start_paused = true)]
async fn an_id_whose_owner_does_not_come_back_is_forgotten() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.ask_for_id().await;
    wait(9999).await;
    assert_eq!(group(&cluster).pending, 1);
    wait(1).await;
    assert_eq!(group(&cluster).pending, 0);
    assert_eq!(member.join().await.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_given_out_holds_a_rebalance_up_until_it_is_forgotten() {
    let cluster = cluster();
    let (mut leader, mut slow) = (Member::new(&cluster).await, Member::new(&cluster).await);
    leader.alone().await;
    slow.ask_for_id().await;
    let start = Instant::now();
    leader.join().await;
    assert_eq!((since(start), leader.generation), (10_000, 2));
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_waits_for_the_longest_rebalance_timeout_and_then_goes_on_without_the_late() {
    let cluster = cluster();
    let (mut leader, mut late) = (Member::new(&cluster).await, Member::new(&cluster).await);
    late.join.rebalance_timeout_ms = 90_000;
    settle(&mut leader, &mut late).await;
    let start = Instant::now();
    leader.send_join().await;
    for _ in 0..17 {
        wait(5000).await;
        assert_eq!(late.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0, "heartbeats are answered");
    }
    let answer = leader.joined().await;
    assert_eq!((since(start), answer.members.len()), (90_000, 1));
    assert_eq!(late.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID.0);
}

#[tokio::test(start_paused = true)]
async fn another_member_leads_where_the_leader_is_late() {
    let cluster = cluster();
    let (mut leader, mut follower) = (Member::new(&cluster).await, Member::new(&cluster).await);
    settle(&mut leader, &mut follower).await;
    follower.join.protocols[0].metadata = vec![0; 10].into();
    let start = Instant::now();
    let answer = follower.join().await;
    // The leader's session is over long before its time to join is.
    assert_eq!((since(start), &*answer.leader), (10_000, &*follower.id()));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_others_is_not_out_though_it_sends_no_heartbeats() {
    let cluster = cluster();
    let (mut waiting, mut late) = (Member::new(&cluster).await, Member::new(&cluster).await);
    settle(&mut waiting, &mut late).await;
    waiting.send_join().await;
    for _ in 0..8 {
        wait(6000).await;
        late.heartbeat().await;
    }
    late.join().await;
    assert_eq!(waiting.joined().await.generation_id, 3);
    assert_eq!(group(&cluster).members.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_that_never_had_an_answer_waits_for_five_minutes_at_most() {
    let cluster = cluster();
    let (mut held, mut newcomer) = (Member::new(&cluster).await, Member::new(&cluster).await);
    held.join.rebalance_timeout_ms = 3_600_000;
    held.alone().await;
    newcomer.ask_for_id().await;
    let start = Instant::now();
    newcomer.send_join().await;
    for _ in 0..60 {
        wait(5000).await;
        held.heartbeat().await;
    }
    let answer = newcomer.joined().await;
    assert_eq!((since(start), answer.error_code), (300_000, ErrorCode::UNKNOWN_MEMBER_ID.0));
    assert_eq!(group(&cluster).members.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_joined_and_never_asks_for_its_assignment_is_out_after_the_rebalance_timeout() {
    let cluster = cluster();
    let (mut leader, mut silent) = (Member::new(&cluster).await, Member::new(&cluster).await);
    settle(&mut leader, &mut silent).await;
    leader.send_join().await;
    silent.join().await;
    leader.joined().await;
    let start = Instant::now();
    leader.sync(&[]).await;
    for _ in 0..11 {
        wait(5000).await;
        assert_eq!((leader.heartbeat().await, silent.heartbeat().await), (0, 0));
    }
    wait(4999).await;
    assert_eq!((group(&cluster).members.len(), since(start)), (2, 59_999));
    wait(1).await;
    assert_eq!((group(&cluster).members.len(), state(&cluster)), (1, "PreparingRebalance"));
}

#[tokio::test(start_paused = true)]
async fn a_static_member_comes_back_to_its_assignment_without_a_rebalance() {
    let cluster = cluster();
    let (mut leader, mut old) = (Member::new(&cluster).await, Member::fixed(&cluster, "b").await);
    settle(&mut leader, &mut old).await;
    assert!(old.id().starts_with("b-"), "{}", old.id());
    let mut new = Member::fixed(&cluster, "b").await;
    let answer = new.join().await;
    assert_eq!((answer.error_code, answer.generation_id, answer.skip_assignment), (0, 2, false));
    assert_ne!(new.id(), old.id());
    assert_eq!(new.sync(&[]).await.assignment, "b");
    let fenced = ErrorCode::FENCED_INSTANCE_ID.0;
    assert_eq!((old.heartbeat().await, old.commit(1).await), (fenced, fenced));
    assert_eq!((new.heartbeat().await, leader.heartbeat().await, state(&cluster)), (0, 0, "Stable"));
}

#[tokio::test(start_paused = true)]
async fn a_static_leader_that_comes_back_is_told_to_skip_the_assignment() {
    let cluster = cluster();
    let mut old = Member::fixed(&cluster, "a").await;
    old.alone().await;
    let mut new = Member::fixed(&cluster, "a").await;
    let answer = new.join().await;
    assert_eq!((answer.skip_assignment, answer.members.len(), &*answer.leader), (true, 1, &*new.id()));
    assert_eq!(new.sync(&[]).await.assignment, "all");
    // Before version 9 that cannot be said, so it is not told that it leads.
    let mut older = Member::fixed(&cluster, "a").await;
    let answer = older.client.call(&older.join, 8).await;
    assert_eq!((answer.members.len(), &*answer.leader), (0, &*new.id()));
}

#[tokio::test(start_paused = true)]
async fn a_static_member_that_is_away_keeps_its_place_until_its_session_ends() {
    let cluster = cluster();
    let (mut leader, mut away) = (Member::new(&cluster).await, Member::fixed(&cluster, "b").await);
    leader.join.session_timeout_ms = 60_000;
    away.join.session_timeout_ms = 30_000;
    away.join.rebalance_timeout_ms = 5000;
    leader.join.rebalance_timeout_ms = 5000;
    settle(&mut leader, &mut away).await;
    let start = Instant::now();
    let answer = leader.join().await;
    assert_eq!((since(start), answer.members.len()), (5000, 2), "it is assigned to though it did not join");
    let (one, two) = (leader.id(), away.id());
    leader.sync(&[(&one, b"a"), (&two, b"c")]).await;
    let seen = group(&cluster);
    assert_eq!(seen.members.iter().find(|member| member.member_id == two).unwrap().generation, 2);
    assert!(seen.counts(&one) && !seen.counts(&two));
    let mut back = Member::fixed(&cluster, "b").await;
    back.join.session_timeout_ms = 30_000;
    assert_eq!(back.join().await.generation_id, 3);
    assert!(group(&cluster).counts(&back.id()));
    assert_eq!(back.sync(&[]).await.assignment, "c");
    wait(30_000).await;
    assert_eq!(group(&cluster).members.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn static_members_are_removed_by_their_instance_ids() {
    let cluster = cluster();
    let mut member = Member::fixed(&cluster, "a").await;
    member.alone().await;
    let identity = |member_id: &str, instance: &str| leave_group::MemberIdentity {
        member_id: member_id.into(),
        group_instance_id: Some(instance.into()),
        reason: Some("away for long".into()),
    };
    let members = vec![identity("", "z"), identity("somebody", "a"), identity("", "a")];
    let request = LeaveGroupRequest { group_id: GROUP.into(), members, ..Default::default() };
    let errors: Vec<i16> =
        member.client.call(&request, 5).await.members.iter().map(|left| left.error_code).collect();
    assert_eq!(errors, [ErrorCode::UNKNOWN_MEMBER_ID.0, ErrorCode::FENCED_INSTANCE_ID.0, 0]);
    assert_eq!(state(&cluster), "Empty");
}

fn elsewhere(cluster: &MockCluster) -> NodeId {
    cluster.nodes().into_iter().find(|node| cluster.coordinator(GROUP) != Some(*node)).unwrap()
}

async fn follow(cluster: &MockCluster, member: &mut Member) {
    member.client = Client::connect(cluster, cluster.coordinator(GROUP).unwrap().0).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_outlives_a_move_of_its_coordinator() {
    let cluster = cluster();
    let (mut leader, mut follower) = (Member::new(&cluster).await, Member::new(&cluster).await);
    settle(&mut leader, &mut follower).await;
    leader.commit(4).await;
    wait(9000).await;
    cluster.move_coordinator(GROUP, elsewhere(&cluster)).unwrap();
    assert_eq!(leader.heartbeat().await, ErrorCode::NOT_COORDINATOR.0);
    follow(&cluster, &mut leader).await;
    follow(&cluster, &mut follower).await;
    // Whoever loads the group gives everybody a whole session.
    wait(9000).await;
    assert_eq!((leader.heartbeat().await, follower.heartbeat().await), (0, 0));
    assert_eq!((follower.sync(&[]).await.assignment, state(&cluster)), ("b".into(), "Stable"));
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(4)));
}

#[tokio::test(start_paused = true)]
async fn a_move_in_the_middle_of_a_rebalance_forgets_it_and_who_was_new_in_it() {
    let cluster = cluster();
    let (mut leader, mut newcomer) = (Member::new(&cluster).await, Member::new(&cluster).await);
    leader.alone().await;
    newcomer.ask_for_id().await;
    newcomer.send_join().await;
    assert_eq!(leader.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    cluster.crash(cluster.coordinator(GROUP).unwrap()).unwrap();
    follow(&cluster, &mut leader).await;
    follow(&cluster, &mut newcomer).await;
    assert_eq!((leader.heartbeat().await, leader.generation, state(&cluster)), (0, 1, "Stable"));
    assert_eq!(newcomer.join().await.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_hears_of_a_move() {
    let cluster = cluster();
    let (mut leader, mut newcomer) = (Member::new(&cluster).await, Member::new(&cluster).await);
    leader.alone().await;
    newcomer.ask_for_id().await;
    newcomer.send_join().await;
    leader.heartbeat().await;
    cluster.move_coordinator(GROUP, elsewhere(&cluster)).unwrap();
    assert_eq!(newcomer.joined().await.error_code, ErrorCode::NOT_COORDINATOR.0);
}

#[tokio::test(start_paused = true)]
async fn a_test_can_end_a_session_at_once() {
    let cluster = cluster();
    let (mut leader, mut follower) = (Member::new(&cluster).await, Member::fixed(&cluster, "b").await);
    settle(&mut leader, &mut follower).await;
    cluster.expire_member(GROUP, "b").unwrap();
    assert_eq!(leader.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    assert_eq!(follower.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID.0);
    assert!(cluster.expire_member(GROUP, "b").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_test_can_make_a_members_heartbeats_count_for_nothing() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    let id = member.id();
    cluster.pause_member(GROUP, &id).unwrap();
    wait(6000).await;
    assert_eq!(member.heartbeat().await, 0);
    cluster.resume_member(GROUP, &id).unwrap();
    wait(3999).await;
    assert_eq!(member.heartbeat().await, 0, "this one counts");
    cluster.pause_member(GROUP, &id).unwrap();
    wait(9999).await;
    assert_eq!(member.heartbeat().await, 0);
    wait(1).await;
    assert_eq!(member.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID.0);
    assert!(cluster.pause_member(GROUP, &id).is_err());
}

#[tokio::test(start_paused = true)]
async fn offsets_expire_when_a_group_has_been_empty_for_long_and_the_group_with_them() {
    let cluster = cluster_with(&[("offsets.retention.minutes", "30")]);
    let mut member = Member::new(&cluster).await;
    member.join.session_timeout_ms = 1_800_000;
    member.alone().await;
    member.commit(1).await;
    for _ in 0..4 {
        wait(1_200_000).await;
        assert_eq!(member.heartbeat().await, 0);
    }
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(1)), "somebody subscribes to the topic");
    member.leave().await;
    wait(1_790_000).await;
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(1)));
    wait(620_000).await;
    assert_eq!(cluster.committed(GROUP, "orders", 0), None);
    assert_eq!(cluster.group(GROUP), None);
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_group_without_members_expire_after_their_commit() {
    let cluster = cluster_with(&[("offsets.retention.minutes", "30")]);
    let mut member = Member::new(&cluster).await;
    member.commit(1).await;
    wait(1_790_000).await;
    assert_eq!(cluster.groups(), [GROUP]);
    wait(620_000).await;
    assert_eq!(cluster.groups(), [""; 0]);
}
