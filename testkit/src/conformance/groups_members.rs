//! What a group coordinator must do for members of the classic protocol.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::join_group::JoinGroupRequestProtocol;
use courant_protocol::messages::leave_group::MemberIdentity;
use courant_protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};

use super::groups_wire::{Member, fresh_group, settle};
use super::world::Subject;

super::case::declare! {
    ($) groups_members_suite;
    a_newcomer_is_given_an_id_and_joins_with_it: "C15";
    the_first_member_leads_and_is_told_of_all: "C15";
    two_members_get_what_their_leader_assigned: "C15";
    a_member_that_its_leader_forgot_gets_nothing: "C15";
    heartbeats_call_to_a_rebalance: "C14";
    a_follower_that_joins_again_disturbs_nobody: "C15";
    a_leader_that_joins_again_begins_a_rebalance: "C15";
    a_member_with_other_metadata_begins_a_rebalance: "C15";
    the_protocol_that_all_share_is_chosen: "C15" "C16";
    who_shares_no_protocol_is_refused: "C15";
    a_protocol_that_was_not_chosen_is_refused_at_sync: "C15";
    session_timeouts_out_of_range_are_refused: "C14";
    a_group_needs_a_name: "C15";
    unknown_members_are_refused_everywhere: "C14" "C15";
    stale_generations_are_refused_everywhere: "C14" "C15";
    who_leaves_is_gone_at_once: "C15";
    members_leave_together: "C15";
    a_group_that_everybody_left_begins_anew: "C15";
    any_protocol_type_may_form_a_group: "C15";
    every_version_of_the_protocol_is_served: "C15";
}

async fn pair(subject: &Subject, stem: &str) -> (Member, Member) {
    let group = fresh_group(stem);
    let mut leader = Member::new(subject, &group, "t").await;
    let mut follower = Member::new(subject, &group, "t").await;
    settle(&mut leader, &mut follower).await;
    (leader, follower)
}

async fn one(subject: &Subject, stem: &str) -> Member {
    Member::new(subject, &fresh_group(stem), "t").await
}

async fn a_newcomer_is_given_an_id_and_joins_with_it(subject: Subject) {
    let mut member = one(&subject, "newcomer").await;
    member.ask_for_id().await;
    assert!(member.id().starts_with("conformance-"), "{}", member.id());
    let given = member.id();
    let answer = member.join().await;
    assert_eq!((answer.error_code, answer.generation_id, &*answer.member_id), (0, 1, &*given));
}

async fn the_first_member_leads_and_is_told_of_all(subject: Subject) {
    let mut member = one(&subject, "first").await;
    member.ask_for_id().await;
    let answer = member.join().await;
    assert_eq!(answer.leader, answer.member_id);
    assert_eq!(
        (answer.protocol_type.as_deref(), answer.protocol_name.as_deref()),
        (Some("consumer"), Some("range"))
    );
    assert_eq!((answer.members.len(), answer.skip_assignment), (1, false));
    assert_eq!(answer.members[0].metadata, member.join.protocols[0].metadata);
}

async fn two_members_get_what_their_leader_assigned(subject: Subject) {
    let (mut leader, mut follower) = pair(&subject, "two").await;
    assert_eq!((leader.generation, follower.generation), (2, 2));
    assert_eq!(follower.sync(&[]).await.assignment, "b", "whoever asks again is told again");
    assert_eq!((leader.heartbeat().await, follower.heartbeat().await), (ErrorCode::NONE, ErrorCode::NONE));
}

async fn a_member_that_its_leader_forgot_gets_nothing(subject: Subject) {
    let mut member = one(&subject, "forgot").await;
    member.ask_for_id().await;
    member.join().await;
    let answer = member.sync(&[("somebody", "x")]).await;
    assert_eq!((answer.error_code, answer.assignment.len()), (0, 0));
}

async fn heartbeats_call_to_a_rebalance(subject: Subject) {
    let (mut leader, mut follower) = pair(&subject, "call").await;
    let mut third = Member::new(&subject, &leader.join.group_id, "t").await;
    third.ask_for_id().await;
    third.send_join().await;
    let called = leader.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(called, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(follower.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(ErrorCode(follower.sync(&[]).await.error_code), ErrorCode::REBALANCE_IN_PROGRESS);
    follower.send_join().await;
    assert_eq!(leader.join().await.members.len(), 3);
    assert_eq!((third.joined().await.generation_id, follower.joined().await.members.len()), (3, 0));
    // Heartbeats may begin before the assignment has come.
    assert_eq!(third.heartbeat().await, ErrorCode::NONE);
}

async fn a_follower_that_joins_again_disturbs_nobody(subject: Subject) {
    let (mut leader, mut follower) = pair(&subject, "again").await;
    let answer = follower.join().await;
    assert_eq!((answer.error_code, answer.generation_id, answer.members.len()), (0, 2, 0));
    assert_eq!(leader.heartbeat().await, ErrorCode::NONE);
}

async fn a_leader_that_joins_again_begins_a_rebalance(subject: Subject) {
    let (mut leader, mut follower) = pair(&subject, "leader").await;
    leader.send_join().await;
    let called = follower.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(called, ErrorCode::REBALANCE_IN_PROGRESS);
    follower.join().await;
    assert_eq!((leader.joined().await.generation_id, follower.generation), (3, 3));
}

async fn a_member_with_other_metadata_begins_a_rebalance(subject: Subject) {
    let (mut leader, mut follower) = pair(&subject, "metadata").await;
    follower.join.protocols[0].metadata = vec![0; 10].into();
    follower.send_join().await;
    let called = leader.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(called, ErrorCode::REBALANCE_IN_PROGRESS);
    let members = leader.join().await.members;
    assert!(members.iter().any(|member| member.metadata.len() == 10));
}

fn offering(member: &mut Member, names: &[&str]) {
    let metadata = member.join.protocols[0].metadata.clone();
    let protocol =
        |name: &&str| JoinGroupRequestProtocol { name: (*name).into(), metadata: metadata.clone() };
    member.join.protocols = names.iter().map(protocol).collect();
}

async fn the_protocol_that_all_share_is_chosen(subject: Subject) {
    let group = fresh_group("protocols");
    let mut members = Vec::new();
    for names in [&["sticky", "range"][..], &["range", "roundrobin"], &["roundrobin", "range", "sticky"]] {
        let mut member = Member::new(&subject, &group, "t").await;
        offering(&mut member, names);
        members.push(member);
    }
    members[0].alone().await;
    // From now on nobody is done before those who were given an id have come back with it.
    members[1].ask_for_id().await;
    members[2].ask_for_id().await;
    for member in &mut members {
        member.send_join().await;
    }
    for member in &mut members {
        assert_eq!(member.joined().await.protocol_name.as_deref(), Some("range"));
    }
}

async fn who_shares_no_protocol_is_refused(subject: Subject) {
    let (leader, _follower) = pair(&subject, "foreign").await;
    let mut other = Member::new(&subject, &leader.join.group_id, "t").await;
    offering(&mut other, &["sticky"]);
    assert_eq!(ErrorCode(other.join().await.error_code), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    offering(&mut other, &["range"]);
    other.join.protocol_type = "connect".into();
    assert_eq!(ErrorCode(other.join().await.error_code), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let mut empty = one(&subject, "offers-nothing").await;
    empty.join.protocols.clear();
    assert_eq!(ErrorCode(empty.join().await.error_code), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

async fn a_protocol_that_was_not_chosen_is_refused_at_sync(subject: Subject) {
    let mut member = one(&subject, "sync-protocol").await;
    member.ask_for_id().await;
    member.join().await;
    let right = member.sync_request(&[]);
    for (kind, name) in [(Some("consumer"), Some("sticky")), (Some("connect"), Some("range")), (None, None)] {
        let request = SyncGroupRequest {
            protocol_type: kind.map(Into::into),
            protocol_name: name.map(Into::into),
            ..right.clone()
        };
        let answer = member.wire.call(&request, 5).await;
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::INCONSISTENT_GROUP_PROTOCOL, "{kind:?} {name:?}");
    }
}

async fn session_timeouts_out_of_range_are_refused(subject: Subject) {
    let mut member = one(&subject, "session").await;
    for milliseconds in [1, 1_800_001, -1] {
        member.join.session_timeout_ms = milliseconds;
        let answer = member.join().await;
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::INVALID_SESSION_TIMEOUT, "{milliseconds}");
    }
}

async fn a_group_needs_a_name(subject: Subject) {
    let mut member = one(&subject, "name").await;
    member.join.group_id = "".into();
    let invalid = ErrorCode::INVALID_GROUP_ID;
    assert_eq!(ErrorCode(member.join().await.error_code), invalid);
    assert_eq!(ErrorCode(member.sync(&[]).await.error_code), invalid);
    assert_eq!(member.heartbeat().await, invalid);
    assert_eq!(ErrorCode(member.leave().await.error_code), invalid);
}

async fn unknown_members_are_refused_everywhere(subject: Subject) {
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let mut nowhere = one(&subject, "nowhere").await;
    let (leader, _follower) = pair(&subject, "unknown").await;
    let mut stranger = Member::new(&subject, &leader.join.group_id, "t").await;
    stranger.generation = 2;
    for member in [&mut nowhere, &mut stranger] {
        member.join.member_id = "somebody".into();
        let answer = member.join().await;
        assert_eq!((ErrorCode(answer.error_code), &*answer.member_id), (unknown, "somebody"));
        assert_eq!(ErrorCode(member.sync(&[]).await.error_code), unknown);
        assert_eq!(member.heartbeat().await, unknown);
        let left = member.leave().await;
        assert_eq!((left.error_code, left.members[0].error_code), (0, unknown.0));
    }
}

async fn stale_generations_are_refused_everywhere(subject: Subject) {
    let (mut leader, _follower) = pair(&subject, "stale").await;
    leader.generation = 1;
    assert_eq!(leader.heartbeat().await, ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(ErrorCode(leader.sync(&[]).await.error_code), ErrorCode::ILLEGAL_GENERATION);
}

async fn who_leaves_is_gone_at_once(subject: Subject) {
    let (mut leader, mut follower) = pair(&subject, "leaves").await;
    assert_eq!(follower.leave().await.members[0].error_code, 0);
    assert_eq!(leader.heartbeat().await, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(follower.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(leader.join().await.members.len(), 1);
}

async fn members_leave_together(subject: Subject) {
    let (mut leader, follower) = pair(&subject, "together").await;
    let identity = |member_id: String| MemberIdentity { member_id: member_id.into(), ..Default::default() };
    let members = vec![identity(follower.id()), identity("somebody".to_owned())];
    let request = LeaveGroupRequest { group_id: leader.join.group_id.clone(), members, ..Default::default() };
    let answer = leader.wire.call(&request, 3).await;
    let errors: Vec<i16> = answer.members.iter().map(|member| member.error_code).collect();
    assert_eq!((answer.error_code, errors), (0, vec![0, ErrorCode::UNKNOWN_MEMBER_ID.0]));
    assert_eq!(leader.join().await.members.len(), 1);
}

async fn a_group_that_everybody_left_begins_anew(subject: Subject) {
    let mut member = one(&subject, "anew").await;
    member.alone().await;
    member.leave().await;
    assert_eq!(member.heartbeat().await, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(ErrorCode(member.join().await.error_code), ErrorCode::UNKNOWN_MEMBER_ID);
    member.join.member_id = "".into();
    member.join.protocol_type = "connect".into();
    member.ask_for_id().await;
    let answer = member.join().await;
    // The empty group was a generation of its own.
    assert_eq!((answer.generation_id, answer.protocol_type.as_deref()), (3, Some("connect")));
}

async fn any_protocol_type_may_form_a_group(subject: Subject) {
    for kind in ["connect", "stream", "anything at all"] {
        let mut member = one(&subject, "types").await;
        member.join.protocol_type = kind.into();
        member.join.protocols[0].metadata = b"what only members understand".to_vec().into();
        member.ask_for_id().await;
        let answer = member.join().await;
        assert_eq!((answer.error_code, answer.protocol_type.as_deref()), (0, Some(kind)));
        assert_eq!(answer.members[0].metadata, "what only members understand");
    }
}

/// Makes a request of the newest version one of an older.
fn older(mut join: JoinGroupRequest, version: i16) -> JoinGroupRequest {
    if version < 1 {
        join.rebalance_timeout_ms = -1;
    }
    join
}

async fn every_version_of_the_protocol_is_served(subject: Subject) {
    for version in 0..=9 {
        let mut member = one(&subject, "versions").await;
        let mut request = older(member.join.clone(), version);
        let mut answer = member.wire.call(&request, version).await;
        assert_eq!(answer.error_code == ErrorCode::MEMBER_ID_REQUIRED.0, version >= 4, "version {version}");
        if version >= 4 {
            request.member_id = answer.member_id;
            answer = member.wire.call(&request, version).await;
        }
        assert_eq!((answer.error_code, answer.generation_id, answer.members.len()), (0, 1, 1), "{version}");
        member.join.member_id = answer.member_id;
        member.generation = 1;
        let mut sync = member.sync_request(&[(&member.id(), "mine")]);
        let sync_version = version.min(5);
        if sync_version < 5 {
            (sync.protocol_type, sync.protocol_name) = (None, None);
        }
        assert_eq!(member.wire.call(&sync, sync_version).await.assignment, "mine", "version {version}");
        let heartbeat = HeartbeatRequest {
            group_id: request.group_id.clone(),
            generation_id: 1,
            member_id: member.join.member_id.clone(),
            group_instance_id: None,
        };
        assert_eq!(member.wire.call(&heartbeat, version.min(4)).await.error_code, 0, "version {version}");
        let mut leave = LeaveGroupRequest { group_id: request.group_id, ..Default::default() };
        let leave_version = version.min(5);
        if leave_version >= 3 {
            leave.members = vec![MemberIdentity { member_id: member.join.member_id, ..Default::default() }];
        } else {
            leave.member_id = member.join.member_id;
        }
        assert_eq!(member.wire.call(&leave, leave_version).await.error_code, 0, "version {version}");
    }
}
