//! A mock cluster in the process, in virtual time, and an admin client of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use courant_admin::Admin;
use courant_broker_mock::{MockCluster, MockClusterBuilder};
use courant_client::{CoordinatorKind, Kafka, Target};
use courant_protocol::api::ApiKey;
use courant_protocol::embedded::{Assignment, Subscription};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::join_group::JoinGroupRequestProtocol;
use courant_protocol::messages::sync_group::SyncGroupRequestAssignment;
use courant_protocol::messages::{JoinGroupRequest, SyncGroupRequest};
use courant_protocol::types::{NodeId, UnixMillis};
use courant_runtime::{VirtualClock, World};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a story on one thread whose clock stands still while there is work; one that hangs fails after an hour of it.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(3600), story).await.expect("the story ends within an hour")
    })
}

/// Three brokers with a topic `orders` of three partitions.
pub fn cluster(change: impl FnOnce(MockClusterBuilder) -> MockClusterBuilder) -> MockCluster {
    let clock = VirtualClock::starting_at(UnixMillis(1_700_000_000_000));
    let world = World::builder().clock(Arc::new(clock)).seed(1).build();
    let builder = MockCluster::builder().brokers(3).topic("orders", 3).world(world).seed(1);
    change(builder).build().unwrap()
}

pub async fn connect(cluster: &MockCluster) -> Kafka {
    Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap()
}

pub async fn admin(cluster: &MockCluster) -> Admin {
    Admin::new(&connect(cluster).await)
}

/// The brokers that were asked this, in order.
pub fn asked(cluster: &MockCluster, api: ApiKey) -> Vec<NodeId> {
    cluster.request_log().iter().filter(|request| request.api == api).map(|request| request.node).collect()
}

/// A member that joined a group by bare requests, as its only one; its session is long.
pub struct Member {
    pub id: String,
    pub group: String,
}

/// Joins `group` as a consumer of `orders`, static if it has a name, and takes partition 0.
pub async fn join(kafka: &Kafka, group: &str, instance: Option<&str>, protocol_type: &str) -> Member {
    let assignment = Assignment::new([("orders", 0)]).encode(3).unwrap();
    join_with(kafka, group, instance, protocol_type, assignment).await
}

/// As [`join`], with these bytes for an assignment.
pub async fn join_with(
    kafka: &Kafka,
    group: &str,
    instance: Option<&str>,
    protocol_type: &str,
    assignment: Bytes,
) -> Member {
    let deadline = kafka.world().now() + Duration::from_secs(60);
    let target = Target::Coordinator(CoordinatorKind::Group, group.to_owned());
    let metadata = Subscription::new(["orders"]).encode(3).unwrap();
    let mut request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 1_800_000,
        rebalance_timeout_ms: 60_000,
        group_instance_id: instance.map(Into::into),
        protocol_type: protocol_type.into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
        ..Default::default()
    };
    let mut joined = kafka.cluster().call(target.clone(), request.clone(), deadline).await.unwrap().0;
    if joined.error_code == ErrorCode::MEMBER_ID_REQUIRED.0 {
        request.member_id = joined.member_id.clone();
        joined = kafka.cluster().call(target.clone(), request, deadline).await.unwrap().0;
    }
    assert_eq!(joined.error_code, 0, "joined");
    let sync = SyncGroupRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: instance.map(Into::into),
        protocol_type: Some(protocol_type.into()),
        protocol_name: Some("range".into()),
        assignments: vec![SyncGroupRequestAssignment { member_id: joined.member_id.clone(), assignment }],
    };
    let synced = kafka.cluster().call(target, sync, deadline).await.unwrap().0;
    assert_eq!(synced.error_code, 0, "synced");
    Member { id: joined.member_id.to_string(), group: group.to_owned() }
}
