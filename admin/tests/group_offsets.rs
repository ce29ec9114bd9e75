//! Offsets of groups: listed, altered and deleted at their coordinators, each partition with a result of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use courant_admin::{Admin, ErrorKind, GroupOffsets, OffsetAndMetadata};
use courant_broker_mock::{Fault, MockCluster};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicPartition};
use world::{admin, asked, cluster, connect, join, run};

fn offset_of(offset: &Option<OffsetAndMetadata>) -> Option<i64> {
    offset.as_ref().map(|offset| offset.offset.0)
}

/// Two groups that broker 1 coordinates and one that broker 2 does.
async fn three_groups(cluster: &MockCluster, admin: &Admin) {
    for (group, node, offset) in [("first", 1, 5), ("second", 1, 6), ("third", 2, 7)] {
        cluster.move_coordinator(group, NodeId(node)).unwrap();
        admin
            .alter_group_offsets(group, [(("orders", 0), offset), (("orders", 2), offset)])
            .await
            .all()
            .unwrap();
    }
}

#[test]
fn an_altered_offset_comes_back_with_epoch_and_text() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let offset = OffsetAndMetadata::after(Offset(7), LeaderEpoch(0)).with_metadata("page 3");
        let results = admin
            .alter_group_offsets("billing", [(("orders", 0), offset.clone()), (("missing", 0), 1.into())])
            .await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::UnknownTopic)]);
        let refused = results.all().unwrap_err();
        assert_eq!(
            (refused.group(), refused.topic().map(|topic| &**topic)),
            (Some("billing"), Some("missing"))
        );
        let wanted = GroupOffsets::of("billing").partitions([("orders", 0), ("orders", 1)]);
        let listed = admin.list_group_offsets([wanted]).await.all().unwrap().remove(0).1.all().unwrap();
        let expected =
            [(TopicPartition::new("orders", 0), Some(offset)), (TopicPartition::new("orders", 1), None)];
        assert_eq!(listed, expected);
    });
}

#[test]
fn groups_of_one_coordinator_are_listed_by_one_request_or_one_by_one_where_it_is_old() {
    run(async {
        let cluster = cluster(|builder| builder);
        three_groups(&cluster, &admin(&cluster).await).await;
        cluster.move_coordinator("nobody", NodeId(1)).unwrap();
        for (version, requests) in [(i16::MAX, 2), (7, 4), (5, 4)] {
            cluster.cap_version(ApiKey::OffsetFetch, version);
            cluster.clear_request_log();
            let admin = admin(&cluster).await;
            let listed =
                admin.list_group_offsets(["first", "second", "third", "nobody"]).await.all().unwrap();
            let offsets: Vec<Vec<_>> = listed
                .into_iter()
                .map(|(_, offsets)| offsets.all().unwrap().iter().map(|(_, at)| offset_of(at)).collect())
                .collect();
            let pair = |offset| vec![Some(offset), Some(offset)];
            assert_eq!(offsets, [pair(5), pair(6), pair(7), vec![]]);
            assert_eq!(asked(&cluster, ApiKey::OffsetFetch).len(), requests, "version {version}");
        }
    });
}

#[test]
fn what_an_old_coordinator_cannot_list_is_a_typed_error_of_that_group() {
    run(async {
        let cluster = cluster(|builder| builder);
        three_groups(&cluster, &admin(&cluster).await).await;
        cluster.cap_version(ApiKey::OffsetFetch, 1);
        let admin = admin(&cluster).await;
        let some = GroupOffsets::of("first").partitions([("orders", 0)]);
        let results = admin.list_group_offsets([some, "second".into()]).await;
        let first = results.get("first").unwrap().clone().unwrap().all().unwrap();
        assert_eq!(offset_of(&first[0].1), Some(5));
        let second = results.get("second").unwrap().as_ref().unwrap_err();
        assert_eq!(second.kind(), ErrorKind::Client(courant_client::ErrorKind::UnsupportedVersion));
        assert_eq!(second.group(), Some("second"));
    });
}

#[test]
fn offsets_of_a_group_with_members_are_not_altered() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        join(&kafka, "billing", None, "consumer").await;
        let results = Admin::new(&kafka).alter_group_offsets("billing", [(("orders", 0), 3)]).await;
        let error = results.all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownMember);
        assert_eq!(
            error.to_string(),
            "cannot alter the group's offset: the broker answered UNKNOWN_MEMBER_ID (25) (group billing, \
             partition orders-0); the group has members: close them, or remove them, before its offsets are set"
        );
        assert_eq!(cluster.committed("billing", "orders", 0), None);
    });
}

#[test]
fn deleted_offsets_are_gone_and_those_of_subscribed_topics_stay() {
    run(async {
        let cluster = cluster(|builder| builder.topic("clicks", 1));
        let kafka = connect(&cluster).await;
        let admin = Admin::new(&kafka);
        let offsets = [(("orders", 0), 3), (("clicks", 0), 4)];
        admin.alter_group_offsets("billing", offsets).await.all().unwrap();
        join(&kafka, "billing", None, "consumer").await;
        let results = admin.delete_group_offsets("billing", [("orders", 0), ("clicks", 0)]).await;
        let kinds: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [Some(ErrorKind::GroupSubscribed), None]);
        assert_eq!(cluster.committed("billing", "orders", 0), Some(Offset(3)));
        assert_eq!(cluster.committed("billing", "clicks", 0), None);
        let nobody = admin.delete_group_offsets("nobody", [("orders", 0)]).await.all().unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::GroupNotFound);
    });
}

#[test]
fn a_coordinator_that_moved_gets_the_offsets_at_its_new_place() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        three_groups(&cluster, &admin).await;
        cluster.move_coordinator("first", NodeId(3)).unwrap();
        admin.alter_group_offsets("first", [(("orders", 0), 9)]).await.all().unwrap();
        assert_eq!(cluster.committed("first", "orders", 0), Some(Offset(9)));
        assert_eq!(asked(&cluster, ApiKey::OffsetCommit).last(), Some(&NodeId(3)));
        cluster.move_coordinator("first", NodeId(2)).unwrap();
        let listed = admin.list_group_offsets(["first"]).await.all().unwrap().remove(0).1.all().unwrap();
        assert_eq!(offset_of(&listed[0].1), Some(9));
        cluster.move_coordinator("first", NodeId(1)).unwrap();
        admin.delete_group_offsets("first", [("orders", 0)]).await.all().unwrap();
        assert_eq!(cluster.committed("first", "orders", 0), None);
    });
}

#[test]
fn a_rebalance_is_waited_for_and_other_refusals_are_not() {
    run(async {
        let cluster = cluster(|builder| builder);
        let admin = admin(&cluster).await;
        let busy = ErrorCode::REBALANCE_IN_PROGRESS;
        cluster.inject(Fault::on(ApiKey::OffsetCommit).times(2).error(busy));
        admin.alter_group_offsets("billing", [(("orders", 0), 9)]).await.all().unwrap();
        assert_eq!(asked(&cluster, ApiKey::OffsetCommit).len(), 3);
        let large = ErrorCode::OFFSET_METADATA_TOO_LARGE;
        cluster.inject(Fault::on(ApiKey::OffsetCommit).times(2).error(large));
        let error = admin.alter_group_offsets("billing", [(("orders", 0), 9)]).await.all().unwrap_err();
        assert_eq!(error.code(), Some(large));
        assert_eq!(asked(&cluster, ApiKey::OffsetCommit).len(), 4);
    });
}
