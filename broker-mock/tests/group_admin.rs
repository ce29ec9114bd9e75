//! What administrators see of groups and do to them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::*;
use courant_protocol::types::Offset;
use support::Client;
use support::member::{GROUP, Member, cluster, settle};

async fn administrator(cluster: &MockCluster, group: &str) -> Client {
    Client::connect(cluster, cluster.coordinator(group).unwrap().0).await
}

fn describe(group: &str) -> DescribeGroupsRequest {
    DescribeGroupsRequest { groups: vec![group.into()], include_authorized_operations: false }
}

#[tokio::test(start_paused = true)]
async fn a_settled_group_is_described_with_its_members_and_an_unsettled_one_without_their_data() {
    let cluster = cluster();
    let (mut leader, mut follower) = (Member::new(&cluster).await, Member::fixed(&cluster, "b").await);
    settle(&mut leader, &mut follower).await;
    let mut client = administrator(&cluster, GROUP).await;
    let group = client.call(&describe(GROUP), 6).await.groups.swap_remove(0);
    assert_eq!(
        (&*group.group_state, &*group.protocol_type, &*group.protocol_data),
        ("Stable", "consumer", "range")
    );
    let fixed = group.members.iter().find(|member| member.group_instance_id.is_some()).unwrap();
    assert_eq!((&*fixed.member_id, &*fixed.client_id), (&*follower.id(), "test"));
    assert_eq!((&fixed.member_assignment[..], fixed.member_metadata.len()), (&b"b"[..], 18));
    leader.send_join().await;
    let mut waiting = client.call(&describe(GROUP), 6).await.groups.swap_remove(0);
    while &*waiting.group_state == "Stable" {
        tokio::task::yield_now().await;
        waiting = client.call(&describe(GROUP), 6).await.groups.swap_remove(0);
    }
    assert_eq!((&*waiting.group_state, &*waiting.protocol_data), ("PreparingRebalance", ""));
    assert!(waiting.members.iter().all(|member| member.member_assignment.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_there_is_dead_and_later_an_error() {
    let cluster = cluster();
    let mut client = administrator(&cluster, "none").await;
    let old = client.call(&describe("none"), 5).await.groups.swap_remove(0);
    assert_eq!((old.error_code, &*old.group_state), (0, "Dead"));
    let new = client.call(&describe("none"), 6).await.groups.swap_remove(0);
    assert_eq!((new.error_code, &*new.group_state), (ErrorCode::GROUP_ID_NOT_FOUND.0, "Dead"));
    let elsewhere = cluster.nodes().into_iter().find(|node| cluster.coordinator("none") != Some(*node));
    let mut wrong = Client::connect(&cluster, elsewhere.unwrap().0).await;
    let refused = wrong.call(&describe("none"), 6).await.groups.swap_remove(0);
    assert_eq!(refused.error_code, ErrorCode::NOT_COORDINATOR.0);
}

#[tokio::test(start_paused = true)]
async fn every_broker_lists_its_groups_by_state_and_type() {
    let cluster = cluster();
    let (mut member, mut simple) = (Member::new(&cluster).await, Member::new(&cluster).await);
    member.alone().await;
    simple.join.group_id = "simple".into();
    let mut client = administrator(&cluster, "simple").await;
    let partition = offset_commit::OffsetCommitRequestPartition::default();
    let topic = offset_commit::OffsetCommitRequestTopic {
        name: "orders".into(),
        partitions: vec![partition],
        ..Default::default()
    };
    let commit = OffsetCommitRequest {
        group_id: "simple".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    client.call(&commit, 8).await;
    for (states, types, found) in [
        (&[][..], &[][..], &["billing Stable consumer", "simple Empty "][..]),
        (&["stable"], &[], &["billing Stable consumer"]),
        (&[" Empty ", "Dead"], &["CLASSIC"], &["simple Empty "]),
        (&[], &["consumer"], &[]),
    ] {
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|state: &&str| (*state).into()).collect(),
            types_filter: types.iter().map(|kind: &&str| (*kind).into()).collect(),
        };
        let mut listed = Vec::new();
        for node in cluster.nodes() {
            let mut client = Client::connect(&cluster, node.0).await;
            for group in client.call(&request, 5).await.groups {
                assert_eq!(&*group.group_type, "classic");
                assert_eq!(cluster.coordinator(&group.group_id), Some(node));
                listed.push(format!("{} {} {}", group.group_id, group.group_state, group.protocol_type));
            }
        }
        listed.sort();
        assert_eq!(listed, found);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_is_deleted_once_nobody_is_in_it() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    member.commit(3).await;
    let mut client = administrator(&cluster, GROUP).await;
    let request = DeleteGroupsRequest { groups_names: vec![GROUP.into()] };
    let full = client.call(&request, 2).await.results.swap_remove(0);
    assert_eq!(full.error_code, ErrorCode::NON_EMPTY_GROUP.0);
    member.leave().await;
    assert_eq!(client.call(&request, 2).await.results[0].error_code, 0);
    assert_eq!((cluster.group(GROUP), cluster.committed(GROUP, "orders", 0)), (None, None));
    assert_eq!(client.call(&request, 2).await.results[0].error_code, ErrorCode::GROUP_ID_NOT_FOUND.0);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_deleted_where_nobody_subscribes() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    member.commit(3).await;
    let partition = |partition_index| offset_delete::OffsetDeleteRequestPartition { partition_index };
    let topic = |name: &str, index| offset_delete::OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: vec![partition(index)],
    };
    let topics = vec![topic("orders", 0), topic("returns", 0), topic("none", 0)];
    let mut request = OffsetDeleteRequest { group_id: GROUP.into(), topics };
    let mut client = administrator(&cluster, GROUP).await;
    let errors = |response: &OffsetDeleteResponse| {
        response.topics.iter().map(|topic| topic.partitions[0].error_code).collect::<Vec<_>>()
    };
    let (subscribed, unknown) = (ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC.0, 3);
    assert_eq!(errors(&client.call(&request, 0).await), [subscribed, 0, unknown]);
    assert_eq!(cluster.committed(GROUP, "orders", 0), Some(Offset(3)));
    member.leave().await;
    assert_eq!(errors(&client.call(&request, 0).await), [0, 0, unknown]);
    assert_eq!(cluster.committed(GROUP, "orders", 0), None);
    request.group_id = "none".into();
    let mut client = administrator(&cluster, "none").await;
    assert_eq!(client.call(&request, 0).await.error_code, ErrorCode::GROUP_ID_NOT_FOUND.0);
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_for_a_topic_goes_with_it_and_does_not_come_back() {
    let cluster = cluster();
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    member.commit(3).await;
    cluster.delete_topic("orders").unwrap();
    assert_eq!(cluster.committed(GROUP, "orders", 0), None);
    cluster.create_topic("orders", 1).unwrap();
    assert_eq!(cluster.committed(GROUP, "orders", 0), None);
    assert_eq!(cluster.group(GROUP).unwrap().state, "Stable");
}

#[tokio::test(start_paused = true)]
async fn a_fault_may_be_set_on_one_group() {
    let cluster = cluster();
    cluster
        .inject(Fault::on(ApiKey::JoinGroup).group("other").error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    cluster.inject(Fault::on(ApiKey::Heartbeat).group(GROUP).error(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    let mut member = Member::new(&cluster).await;
    member.alone().await;
    assert_eq!(member.heartbeat().await, ErrorCode::COORDINATOR_NOT_AVAILABLE.0);
    assert_eq!((member.heartbeat().await, cluster.faults_left()), (0, 1));
}
