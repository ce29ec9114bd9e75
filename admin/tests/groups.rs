//! Groups: listed at every broker, described, deleted and emptied at their coordinators.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use bytes::Bytes;
use courant_admin::{Admin, ErrorKind, GroupFilter, GroupState, GroupType, MemberToRemove};
use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::{NodeId, TopicPartition};
use world::{admin, asked, cluster, connect, join, join_with, ms, run};

/// Groups that have committed an offset, one coordinated by each broker.
async fn one_group_a_broker(cluster: &MockCluster, admin: &Admin) -> [&'static str; 3] {
    let groups = ["first", "second", "third"];
    for (group, node) in groups.into_iter().zip(1..) {
        cluster.move_coordinator(group, NodeId(node)).unwrap();
        admin.alter_group_offsets(group, [(("orders", 0), 5)]).await.all().unwrap();
    }
    groups
}

#[test]
fn every_broker_is_asked_once_for_its_groups() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        one_group_a_broker(&cluster, &admin).await;
        let groups = admin.list_groups(&GroupFilter::all()).await.unwrap().all().unwrap();
        let ids: Vec<_> = groups.iter().map(|group| &*group.group_id).collect();
        assert_eq!(ids, ["first", "second", "third"]);
        assert_eq!(groups[0].protocol_type, "");
        assert_eq!(
            (groups[0].state, groups[0].group_type),
            (Some(GroupState::Empty), Some(GroupType::Classic))
        );
        let mut brokers = asked(&cluster, ApiKey::ListGroups);
        brokers.sort();
        assert_eq!(brokers, [NodeId(1), NodeId(2), NodeId(3)]);
    });
}

#[test]
fn a_group_whose_coordinator_moves_between_the_answers_is_listed_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        one_group_a_broker(&cluster, &admin).await;
        // Broker 2 answers late: the group of broker 1 has moved to it by then.
        cluster.inject(Fault::on(ApiKey::ListGroups).node(2).hold(ms(50)));
        let mover = cluster.clone();
        let moved = async move {
            tokio::time::sleep(ms(20)).await;
            mover.move_coordinator("first", NodeId(2)).unwrap();
        };
        let filter = GroupFilter::all();
        let (listed, ()) = tokio::join!(admin.list_groups(&filter), moved);
        let ids: Vec<_> = listed.unwrap().all().unwrap().into_iter().map(|group| group.group_id).collect();
        assert_eq!(ids, ["first", "second", "third"]);
    });
}

#[test]
fn the_groups_of_a_broker_that_goes_away_are_listed_by_those_that_take_them_over() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        one_group_a_broker(&cluster, &admin).await;
        // Brokers 2 and 3 have answered when broker 1 goes away; its group is broker 3's then.
        cluster.inject(Fault::on(ApiKey::ListGroups).node(1).hold(ms(50)));
        let mover = cluster.clone();
        let moved = async move {
            tokio::time::sleep(ms(20)).await;
            mover.crash(NodeId(1)).unwrap();
            mover.move_coordinator("first", NodeId(3)).unwrap();
        };
        let filter = GroupFilter::all();
        let started = tokio::time::Instant::now();
        let (listed, ()) = tokio::join!(admin.list_groups(&filter), moved);
        let ids: Vec<_> = listed.unwrap().all().unwrap().into_iter().map(|group| group.group_id).collect();
        assert_eq!(ids, ["first", "second", "third"]);
        assert!(started.elapsed() < ms(5_000), "{:?}", started.elapsed());
    });
}

#[test]
fn a_broker_that_is_loading_is_asked_again_and_one_that_refuses_hides_no_other() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        one_group_a_broker(&cluster, &admin).await;
        let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        cluster.inject(Fault::on(ApiKey::ListGroups).node(1).times(2).error(loading));
        let refused = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        cluster.inject(Fault::on(ApiKey::ListGroups).node(3).error(refused));
        let listed = admin.list_groups(&GroupFilter::all()).await.unwrap();
        let ids: Vec<_> = listed.groups.iter().map(|group| &*group.group_id).collect();
        assert_eq!(ids, ["first", "second"]);
        assert_eq!(listed.errors.len(), 1);
        assert_eq!((listed.errors[0].0, listed.errors[0].1.code()), (NodeId(3), Some(refused)));
        assert_eq!(asked(&cluster, ApiKey::ListGroups).len(), 5);
        assert!(listed.all().is_err());
    });
}

#[test]
fn filters_hold_with_brokers_of_any_age() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let admin = Admin::new(&kafka);
        one_group_a_broker(&cluster, &admin).await;
        join(&kafka, "running", None, "consumer").await;
        let ids = async |filter: &GroupFilter| -> Result<Vec<String>, _> {
            let groups = admin.list_groups(filter).await.unwrap().all();
            groups.map(|groups| groups.into_iter().map(|group| group.group_id).collect())
        };
        let stable = GroupFilter::all().states([GroupState::Stable]);
        let classic = GroupFilter::all().types([GroupType::Classic]);
        let newer = GroupFilter::all().types([GroupType::Consumer]);
        let consumers = GroupFilter::all().protocol_types(["consumer"]);
        let check = async || {
            assert_eq!(ids(&classic).await.unwrap().len(), 4);
            assert_eq!(ids(&newer).await.unwrap().len(), 0);
            assert_eq!(ids(&consumers).await.unwrap(), ["running"]);
        };
        check().await;
        assert_eq!(ids(&stable).await.unwrap(), ["running"]);
        // Version 4 knows no types, version 3 no states either.
        cluster.cap_version(ApiKey::ListGroups, 3);
        cluster.nodes().into_iter().for_each(|node| cluster.cut_connections(node).unwrap());
        check().await;
        let old = ids(&stable).await.unwrap_err();
        assert_eq!(old.kind(), ErrorKind::Client(courant_client::ErrorKind::UnsupportedVersion));
    });
}

#[test]
fn a_description_has_the_members_with_their_partitions() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let admin = Admin::new(&kafka);
        let member = join(&kafka, "billing", Some("till-1"), "consumer").await;
        let worker = join(&kafka, "workers", None, "connect").await;
        one_group_a_broker(&cluster, &admin).await;
        let results = admin.describe_groups(["billing", "workers", "nobody", "first"]).await;
        let billing = results.get("billing").unwrap().as_ref().unwrap();
        assert_eq!((billing.state, billing.group_type), (GroupState::Stable, GroupType::Classic));
        assert_eq!((&*billing.protocol_type, &*billing.protocol), ("consumer", "range"));
        assert_eq!(billing.coordinator, cluster.coordinator("billing"));
        let [described] = &billing.members[..] else { panic!("one member: {billing:?}") };
        assert_eq!(described.member_id, member.id);
        assert_eq!(described.group_instance_id.as_deref(), Some("till-1"));
        assert_eq!(described.assignment, [TopicPartition::new("orders", 0)]);
        let workers = results.get("workers").unwrap().as_ref().unwrap();
        assert_eq!((&*workers.members[0].member_id, workers.members[0].assignment.len()), (&*worker.id, 0));
        assert!(!workers.members[0].raw_assignment.is_empty());
        let nobody = results.get("nobody").unwrap().as_ref().unwrap_err();
        assert_eq!((nobody.kind(), nobody.group()), (ErrorKind::GroupNotFound, Some("nobody")));
        let first = results.get("first").unwrap().as_ref().unwrap();
        assert_eq!((first.state, first.members.len()), (GroupState::Empty, 0));
    });
}

#[test]
fn an_assignment_that_cannot_be_read_is_the_error_of_its_group_alone() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        join(&kafka, "good", None, "consumer").await;
        // The leader of a group may assign whatever it likes: a count of 2³¹ - 1 topics that are not there.
        let hostile = Bytes::from_static(&[0, 3, 0x7f, 0xff, 0xff, 0xff, 0]);
        let member = join_with(&kafka, "odd", None, "consumer", hostile).await;
        let results = Admin::new(&kafka).describe_groups(["odd", "good"]).await;
        let error = results.get("odd").unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::Protocol));
        assert_eq!(error.group(), Some("odd"));
        assert!(error.to_string().contains(&member.id), "{error}");
        assert!(results.get("good").unwrap().is_ok());
    });
}

#[test]
fn a_group_that_does_not_exist_is_not_found_by_old_brokers_either() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.cap_version(ApiKey::DescribeGroups, 5);
        let error = admin(&cluster).await.describe_groups(["nobody"]).await.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::GroupNotFound);
    });
}

#[test]
fn groups_are_deleted_by_one_request_a_coordinator() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let admin = Admin::new(&kafka);
        let groups = one_group_a_broker(&cluster, &admin).await;
        join(&kafka, "running", None, "consumer").await;
        cluster.clear_request_log();
        let results =
            connect_anew(&cluster).await.delete_groups(groups.into_iter().chain(["running", "nobody"])).await;
        let kinds: Vec<_> = results
            .iter()
            .map(|(group, result)| (&**group, result.as_ref().err().map(|e| e.kind())))
            .collect();
        let expected = [
            ("first", None),
            ("second", None),
            ("third", None),
            ("running", Some(ErrorKind::NonEmptyGroup)),
            ("nobody", Some(ErrorKind::GroupNotFound)),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(asked(&cluster, ApiKey::FindCoordinator).len(), 1, "all coordinators in one request");
        assert_eq!(asked(&cluster, ApiKey::DeleteGroups).len(), 3, "one request a broker");
        let running = results.get("running").unwrap().as_ref().unwrap_err();
        assert_eq!(
            running.to_string(),
            "cannot delete the group: the broker answered NON_EMPTY_GROUP (68) (group running); \
             close its members, or remove them"
        );
    });
}

async fn connect_anew(cluster: &MockCluster) -> Admin {
    admin(cluster).await
}

#[test]
fn brokers_that_find_one_coordinator_at_a_time_are_asked_for_each() {
    run(async {
        let cluster = cluster(|builder| builder);
        one_group_a_broker(&cluster, &admin(&cluster).await).await;
        cluster.cap_version(ApiKey::FindCoordinator, 3);
        cluster.clear_request_log();
        admin(&cluster).await.delete_groups(["first", "second", "third", "first"]).await.all().unwrap();
        assert_eq!(asked(&cluster, ApiKey::FindCoordinator).len(), 3);
    });
}

#[test]
fn a_coordinator_that_moved_is_looked_up_again_and_the_others_are_not_asked_twice() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        one_group_a_broker(&cluster, &admin).await;
        // The client still believes that broker 1 coordinates the first group.
        cluster.move_coordinator("first", NodeId(3)).unwrap();
        cluster.clear_request_log();
        admin.delete_groups(["first", "second"]).await.all().unwrap();
        assert!(cluster.group("first").is_none());
        let names: Vec<_> = cluster
            .request_log()
            .iter()
            .filter_map(|logged| match &*logged.request {
                AnyRequest::DeleteGroups(request) => {
                    Some((logged.node.0, request.groups_names.iter().map(|name| name.to_string()).collect()))
                }
                _ => None,
            })
            .collect::<Vec<(i32, Vec<String>)>>();
        let expected =
            [(1, vec!["first".to_owned()]), (2, vec!["second".to_owned()]), (3, vec!["first".to_owned()])];
        assert_eq!(names, expected);
    });
}

#[test]
fn a_coordinator_that_went_away_is_looked_up_again() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        one_group_a_broker(&cluster, &admin).await;
        cluster.crash(NodeId(1)).unwrap();
        cluster.move_coordinator("first", NodeId(2)).unwrap();
        admin.delete_groups(["first"]).await.all().unwrap();
        assert!(cluster.group("first").is_none());
    });
}

#[test]
fn members_are_removed_by_name_or_id_each_with_a_result() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let admin = Admin::new(&kafka);
        join(&kafka, "billing", Some("till-1"), "consumer").await;
        let other = join(&kafka, "shipping", None, "consumer").await;
        let wanted = [MemberToRemove::instance("till-9"), MemberToRemove::instance("till-1")];
        let results = admin.remove_members("billing", wanted, "it hangs").await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [Some(ErrorKind::UnknownMember), None]);
        assert_eq!(cluster.group("billing").unwrap().members.len(), 0);
        admin.remove_members("shipping", [MemberToRemove::id(other.id)], "").await.all().unwrap();
        assert_eq!(cluster.group("shipping").unwrap().members.len(), 0);
        let reasons: Vec<_> = cluster
            .request_log()
            .iter()
            .filter_map(|logged| match &*logged.request {
                AnyRequest::LeaveGroup(request) => request.members[0].reason.as_deref().map(str::to_owned),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, ["member was removed by an admin: it hangs", "member was removed by an admin"]);
    });
}

#[test]
fn all_members_are_removed_and_old_brokers_remove_them_one_by_one() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        join(&kafka, "billing", None, "consumer").await;
        join(&kafka, "shipping", Some("till-1"), "consumer").await;
        cluster.cap_version(ApiKey::LeaveGroup, 2);
        let admin = Admin::new(&connect(&cluster).await);
        admin.remove_all_members("billing", "").await.unwrap().all().unwrap();
        assert_eq!(cluster.group("billing").unwrap().members.len(), 0);
        let error = admin.remove_all_members("shipping", "").await.unwrap().all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::UnsupportedVersion));
        let nobody = admin.remove_all_members("nobody", "").await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::GroupNotFound);
    });
}
