//! Groups over the wire: members join, agree, commit and leave.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use courant_protocol::types::Offset;
use support::Client;
use support::member::{GROUP, Member, cluster, cluster_with, group, state};

#[tokio::test(start_paused = true)]
async fn two_members_share_what_the_leader_assigns() {
    let cluster = cluster();
    let (mut first, mut second) = (Member::new(&cluster).await, Member::new(&cluster).await);
    first.alone().await;
    assert_eq!((first.generation, state(&cluster)), (1, "Stable"));
    second.ask_for_id().await;
    second.send_join().await;
    assert_eq!(first.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    let led = first.join().await;
    let followed = second.joined().await;
    assert_eq!((led.generation_id, followed.generation_id), (2, 2));
    assert_eq!(led.leader, first.id());
    assert_eq!((led.members.len(), followed.members.len()), (2, 0));
    let request = second.sync_request(&[]);
    second.client.send(&request, 5).await;
    assert_eq!(state(&cluster), "CompletingRebalance");
    assert_eq!(first.commit(1).await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    let (one, two) = (first.id(), second.id());
    assert_eq!(first.sync(&[(&one, b"a"), (&two, b"b")]).await.assignment, "a");
    assert_eq!(second.client.receive::<SyncGroupRequest>(5).await.unwrap().assignment, "b");
    assert_eq!((first.heartbeat().await, second.heartbeat().await), (0, 0));
    assert_eq!(second.commit(7).await, 0);
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(7)));
    assert_eq!(second.leave().await.members[0].error_code, 0);
    assert_eq!(first.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    first.alone().await;
    assert_eq!((first.generation, cluster.group(GROUP).unwrap().members.len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_comes_back_with_the_id_that_it_was_given() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.ask_for_id().await;
    assert!(member.id().starts_with("test-"), "{}", member.id());
    assert_eq!((group(&cluster).pending, group(&cluster).members.len()), (1, 0));
    member.alone().await;
    assert_eq!((group(&cluster).pending, group(&cluster).members.len()), (0, 1));
    let mut stranger = Member::new(&cluster).await;
    stranger.join.member_id = "somebody".into();
    assert_eq!(stranger.join().await.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
    // Older clients are let in at once, under an id that they learn with the answer.
    let mut old = Member::new(&cluster).await;
    old.client.send(&old.join, 3).await;
    member.join().await;
    let answer = old.client.receive::<JoinGroupRequest>(3).await.unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_first_protocol_that_all_share_and_most_prefer_is_taken() {
    let cluster = cluster_with(&[("group.initial.rebalance.delay.ms", "3000")]);
    let offers = [&["sticky", "range"][..], &["range", "roundrobin"], &["range", "sticky"]];
    let mut members = Vec::new();
    for offered in offers {
        let mut member = Member::new(&cluster).await;
        let metadata = member.join.protocols[0].metadata.clone();
        let protocol = |name: &&str| join_group::JoinGroupRequestProtocol {
            name: (*name).into(),
            metadata: metadata.clone(),
        };
        member.join.protocols = offered.iter().map(protocol).collect();
        member.ask_for_id().await;
        member.send_join().await;
        members.push(member);
    }
    for member in &mut members {
        assert_eq!(member.joined().await.protocol_name.as_deref(), Some("range"));
    }
    let mut other = Member::new(&cluster).await;
    other.join.protocols[0].name = "sticky".into();
    assert_eq!(other.join().await.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL.0);
    other.join.protocols[0].name = "range".into();
    other.join.protocol_type = "connect".into();
    assert_eq!(other.join().await.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL.0);
    let mut request = members[0].sync_request(&[]);
    request.protocol_name = Some("sticky".into());
    let answer = members[0].client.call(&request, 5).await;
    assert_eq!(answer.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL.0);
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_are_refused() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.join.session_timeout_ms = 5999;
    assert_eq!(member.join().await.error_code, ErrorCode::INVALID_SESSION_TIMEOUT.0);
    member.join.session_timeout_ms = 1_800_001;
    assert_eq!(member.join().await.error_code, ErrorCode::INVALID_SESSION_TIMEOUT.0);
    member.join.session_timeout_ms = 10_000;
    member.join.group_id = "".into();
    assert_eq!(member.join().await.error_code, ErrorCode::INVALID_GROUP_ID.0);
    member.join.group_id = GROUP.into();
    assert_eq!(member.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID.0);
    assert_eq!(member.sync(&[]).await.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
    assert_eq!(member.leave().await.members[0].error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
    let elsewhere = cluster.nodes().into_iter().find(|node| cluster.coordinator(GROUP) != Some(*node));
    let mut wrong = Member::new(&cluster).await;
    wrong.client = Client::connect(&cluster, elsewhere.unwrap().0).await;
    assert_eq!(wrong.join().await.error_code, ErrorCode::NOT_COORDINATOR.0);
    assert_eq!(wrong.heartbeat().await, ErrorCode::NOT_COORDINATOR.0);
}

#[tokio::test(start_paused = true)]
async fn commits_and_heartbeats_go_by_member_and_generation() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    assert_eq!((member.commit(5).await, member.heartbeat().await), (0, 0));
    member.generation = 7;
    let illegal = ErrorCode::ILLEGAL_GENERATION.0;
    assert_eq!((member.commit(6).await, member.heartbeat().await), (illegal, illegal));
    assert_eq!(member.sync(&[]).await.error_code, illegal);
    member.generation = 1;
    let id = std::mem::replace(&mut member.join.member_id, "somebody".into());
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID.0;
    assert_eq!((member.commit(6).await, member.heartbeat().await), (unknown, unknown));
    (member.join.member_id, member.generation) = ("".into(), -1);
    assert_eq!(member.commit(6).await, unknown, "while there are members only they commit");
    (member.join.member_id, member.generation) = (id, 1);
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(5)));
    member.leave().await;
    assert_eq!((member.commit(6).await, state(&cluster)), (unknown, "Empty"));
    (member.join.member_id, member.generation) = ("".into(), -1);
    assert_eq!(member.commit(6).await, 0, "whoever claims no generation may commit for an empty group");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_joins_again_calls_all_to_rejoin_and_a_follower_does_not() {
    let cluster = cluster();
    let (mut leader, mut follower) = pair(&cluster).await;
    let again = follower.join().await;
    assert_eq!((again.error_code, again.generation_id, state(&cluster)), (0, 2, "Stable"));
    leader.send_join().await;
    assert_eq!(follower.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    assert_eq!(follower.commit(3).await, 0, "members commit while a rebalance is prepared");
    follower.join().await;
    assert_eq!((leader.joined().await.generation_id, follower.generation), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_with_other_metadata_calls_all_to_rejoin() {
    let cluster = cluster();
    let (mut leader, mut follower) = pair(&cluster).await;
    follower.join.protocols[0].metadata = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into();
    follower.send_join().await;
    assert_eq!(leader.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS.0);
    let members = leader.join().await.members;
    assert!(members.iter().any(|member| member.metadata.len() == 10));
}

#[tokio::test(start_paused = true)]
async fn a_group_has_no_more_members_than_it_may() {
    let cluster = cluster_with(&[("group.max.size", "2")]);
    let (mut leader, _follower) = pair(&cluster).await;
    let mut third = Member::new(&cluster).await;
    assert_eq!(third.join().await.error_code, ErrorCode::GROUP_MAX_SIZE_REACHED.0);
    assert_eq!(leader.heartbeat().await, 0);
}

#[tokio::test(start_paused = true)]
async fn several_members_leave_at_once_and_older_versions_name_one() {
    let cluster = cluster();
    let (mut leader, follower) = pair(&cluster).await;
    let identity =
        |member_id: &str| leave_group::MemberIdentity { member_id: member_id.into(), ..Default::default() };
    let members = vec![identity(&follower.id()), identity("somebody")];
    let request = LeaveGroupRequest { group_id: GROUP.into(), members, ..Default::default() };
    let errors: Vec<i16> =
        leader.client.call(&request, 4).await.members.iter().map(|member| member.error_code).collect();
    assert_eq!(errors, [0, ErrorCode::UNKNOWN_MEMBER_ID.0]);
    leader.alone().await;
    let mut request =
        LeaveGroupRequest { group_id: GROUP.into(), member_id: leader.id().into(), ..Default::default() };
    assert_eq!(leader.client.call(&request, 2).await.error_code, 0);
    assert_eq!(state(&cluster), "Empty");
    request.member_id = "somebody".into();
    assert_eq!(leader.client.call(&request, 0).await.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_ids() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let cluster = cluster();
        let mut member = Member::new(&cluster).await;
        member.ask_for_id().await;
        ids.push(member.id());
    }
    assert_eq!(ids[0], ids[1]);
}

/// A leader and a follower of generation 2.
async fn pair(cluster: &courant_broker_mock::MockCluster) -> (Member, Member) {
    let (mut leader, mut follower) = (Member::new(cluster).await, Member::new(cluster).await);
    support::member::settle(&mut leader, &mut follower).await;
    (leader, follower)
}
