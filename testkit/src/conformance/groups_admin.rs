//! What a group coordinator must tell administrators, and do for them.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_groups::DescribedGroup;
use courant_protocol::messages::list_groups::ListedGroup;
use courant_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest};

use super::groups_wire::{Member, fresh_group, settle};
use super::world::{Subject, topic};

super::case::declare! {
    ($) groups_admin_suite;
    a_settled_group_shows_metadata_and_assignments: "A groups";
    an_unsettled_group_hides_them: "A groups";
    a_group_that_is_not_there_is_dead: "A groups";
    permissions_are_told_on_request: "A groups";
    groups_are_listed_by_state_and_type: "A groups";
    a_group_that_only_keeps_offsets_is_listed_without_a_type: "A groups";
    a_group_is_deleted_once_its_members_have_left: "A groups";
    a_deleted_group_forgets_its_offsets: "A groups";
    every_version_of_describe_and_list_is_served: "A groups";
}

/// The first version of DescribeGroups in which a group that is not there is an error (KIP-1043).
const FIRST_WITH_NOT_FOUND: i16 = 6;

async fn member(subject: &Subject, stem: &str) -> Member {
    Member::new(subject, &fresh_group(stem), "t").await
}

async fn describe(member: &mut Member, version: i16) -> DescribedGroup {
    let groups = vec![member.join.group_id.clone()];
    let request = DescribeGroupsRequest { groups, include_authorized_operations: false };
    member.wire.call(&request, version).await.groups.remove(0)
}

/// The member's group in the list of its coordinator.
async fn listed(member: &mut Member, states: &[&str], types: &[&str]) -> Option<ListedGroup> {
    let request = ListGroupsRequest {
        states_filter: states.iter().map(|state| (*state).into()).collect(),
        types_filter: types.iter().map(|kind| (*kind).into()).collect(),
    };
    let answer = member.wire.call(&request, 5).await;
    assert_eq!(answer.error_code, 0);
    answer.groups.into_iter().find(|group| group.group_id == member.join.group_id)
}

async fn a_settled_group_shows_metadata_and_assignments(subject: Subject) {
    let group = fresh_group("described");
    let mut leader = Member::new(&subject, &group, "t").await;
    let mut fixed = Member::fixed(&subject, &group, "b").await;
    settle(&mut leader, &mut fixed).await;
    let described = describe(&mut leader, 5).await;
    assert_eq!(
        (&*described.group_state, &*described.protocol_type, &*described.protocol_data),
        ("Stable", "consumer", "range")
    );
    assert_eq!(described.members.len(), 2);
    let member = described.members.iter().find(|member| *member.member_id == *fixed.id()).expect("listed");
    assert_eq!((member.group_instance_id.as_deref(), &*member.client_id), (Some("b"), "conformance"));
    assert_eq!(member.member_assignment, "b");
    assert_eq!(member.member_metadata, fixed.join.protocols[0].metadata);
    assert_eq!(&*member.client_host, "/127.0.0.1");
    // Older versions say nothing of instance ids.
    assert_eq!(describe(&mut leader, 3).await.members[0].group_instance_id, None);
}

async fn an_unsettled_group_hides_them(subject: Subject) {
    let mut member = member(&subject, "unsettled").await;
    // A group that was never written down is not shown at all.
    member.alone().await;
    member.join().await;
    let described = describe(&mut member, 5).await;
    assert_eq!((&*described.group_state, &*described.protocol_data), ("CompletingRebalance", ""));
    assert_eq!(described.members.len(), 1);
    assert!(described.members[0].member_metadata.is_empty());
}

async fn a_group_that_is_not_there_is_dead(subject: Subject) {
    let mut member = member(&subject, "dead").await;
    let old = describe(&mut member, 5).await;
    assert_eq!((old.error_code, &*old.group_state), (0, "Dead"));
    if member.wire.newest::<DescribeGroupsRequest>().await < FIRST_WITH_NOT_FOUND {
        return;
    }
    let new = describe(&mut member, FIRST_WITH_NOT_FOUND).await;
    assert_eq!((ErrorCode(new.error_code), &*new.group_state), (ErrorCode::GROUP_ID_NOT_FOUND, "Dead"));
    assert_eq!(new.error_message.as_deref(), Some(&*format!("Group {} not found.", member.join.group_id)));
}

async fn permissions_are_told_on_request(subject: Subject) {
    let mut member = member(&subject, "permissions").await;
    member.alone().await;
    assert_eq!(describe(&mut member, 5).await.authorized_operations, i32::MIN);
    let groups = vec![member.join.group_id.clone()];
    let request = DescribeGroupsRequest { groups, include_authorized_operations: true };
    let described = member.wire.call(&request, 5).await.groups.remove(0);
    // READ, DELETE, DESCRIBE; DESCRIBE_CONFIGS and ALTER_CONFIGS since groups have configs.
    let least = 1 << 3 | 1 << 6 | 1 << 8;
    let has_configs = member.wire.newest::<DescribeGroupsRequest>().await >= FIRST_WITH_NOT_FOUND;
    let wanted = if has_configs { least | 1 << 10 | 1 << 11 } else { least };
    assert_eq!(described.authorized_operations, wanted);
}

async fn groups_are_listed_by_state_and_type(subject: Subject) {
    let mut member = member(&subject, "listed").await;
    assert_eq!(listed(&mut member, &[], &[]).await, None);
    member.alone().await;
    let group = listed(&mut member, &[], &[]).await.expect("listed");
    assert_eq!(
        (&*group.group_state, &*group.group_type, &*group.protocol_type),
        ("Stable", "classic", "consumer")
    );
    for (states, types, found) in [
        (&["stable"][..], &[][..], true),
        (&["Empty"], &[], false),
        (&["Empty", "Stable"], &["classic"], true),
        (&[], &["consumer"], false),
    ] {
        assert_eq!(listed(&mut member, states, types).await.is_some(), found, "{states:?} {types:?}");
    }
}

async fn a_group_that_only_keeps_offsets_is_listed_without_a_type(subject: Subject) {
    let topic = topic(&subject.kafka().await, "simple", 1).await;
    let mut member = Member::new(&subject, &fresh_group("simple"), &topic).await;
    assert_eq!(member.commit(&topic, 1).await, ErrorCode::NONE);
    let group = listed(&mut member, &[], &[]).await.expect("listed");
    assert_eq!((&*group.group_state, &*group.group_type, &*group.protocol_type), ("Empty", "classic", ""));
    let described = describe(&mut member, 5).await;
    assert_eq!((&*described.group_state, &*described.protocol_type), ("Empty", ""));
}

async fn delete(member: &mut Member) -> ErrorCode {
    let request = DeleteGroupsRequest { groups_names: vec![member.join.group_id.clone()] };
    ErrorCode(member.wire.call(&request, 2).await.results[0].error_code)
}

async fn a_group_is_deleted_once_its_members_have_left(subject: Subject) {
    let mut member = member(&subject, "deleted").await;
    assert_eq!(delete(&mut member).await, ErrorCode::GROUP_ID_NOT_FOUND);
    member.alone().await;
    assert_eq!(delete(&mut member).await, ErrorCode::NON_EMPTY_GROUP);
    member.leave().await;
    assert_eq!(delete(&mut member).await, ErrorCode::NONE);
    assert_eq!(delete(&mut member).await, ErrorCode::GROUP_ID_NOT_FOUND);
}

async fn a_deleted_group_forgets_its_offsets(subject: Subject) {
    let topic = topic(&subject.kafka().await, "forgets", 1).await;
    let mut member = Member::new(&subject, &fresh_group("forgets"), &topic).await;
    member.commit(&topic, 1).await;
    assert_eq!(delete(&mut member).await, ErrorCode::NONE);
    assert_eq!(listed(&mut member, &[], &[]).await, None);
    let group = courant_protocol::messages::offset_fetch::OffsetFetchRequestGroup {
        group_id: member.join.group_id.clone(),
        topics: None,
        ..Default::default()
    };
    let request =
        courant_protocol::messages::OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let answer = member.wire.call(&request, 8).await;
    assert_eq!((answer.groups[0].error_code, answer.groups[0].topics.len()), (0, 0));
}

async fn every_version_of_describe_and_list_is_served(subject: Subject) {
    let mut member = member(&subject, "describe-versions").await;
    member.alone().await;
    for version in 0..=member.wire.newest::<DescribeGroupsRequest>().await {
        assert_eq!(&*describe(&mut member, version).await.group_state, "Stable", "version {version}");
    }
    for version in 0..=5 {
        let answer = member.wire.call(&ListGroupsRequest::default(), version).await;
        let found = answer.groups.iter().find(|group| group.group_id == member.join.group_id);
        let state = found.map(|group| group.group_state.to_string());
        assert_eq!(state.as_deref(), Some(if version >= 4 { "Stable" } else { "" }), "version {version}");
    }
}
