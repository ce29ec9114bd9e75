//! A mock cluster in the process, in virtual time, and an admin client of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use courant_admin::Admin;
use courant_broker_mock::{MockCluster, MockClusterBuilder};
use courant_client::Kafka;
use courant_protocol::api::ApiKey;
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
