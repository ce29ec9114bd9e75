//! The conformance functions on the mock over TCP, two threads each.
#![allow(clippy::expect_used)]
use courant::mock::MockCluster;
use courant::runtime::World;
use courant_testkit::conformance::{self, Subject};

fn over_tcp(case: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let cluster = MockCluster::builder()
            .brokers(3)
            .config("auto.create.topics.enable", "false")
            .config("group.initial.rebalance.delay.ms", "0")
            .build()
            .expect("a cluster");
        cluster.listen(0).await.expect("free ports");
        conformance::run(case, Subject { bootstrap: cluster.bootstrap(), world: World::tokio(), brokers: 3 })
            .await;
        cluster.shutdown().await;
    });
}

courant_testkit::client_suite!(over_tcp);
courant_testkit::admin_suite!(over_tcp);
courant_testkit::admin_configs_suite!(over_tcp);
courant_testkit::admin_groups_suite!(over_tcp);
courant_testkit::producer_suite!(over_tcp);
courant_testkit::consumer_suite!(over_tcp);
courant_testkit::consumer_groups_suite!(over_tcp);
courant_testkit::streams_suite!(over_tcp);
courant_testkit::subscriptions_suite!(over_tcp);
courant_testkit::typed_suite!(over_tcp);
courant_testkit::groups_members_suite!(over_tcp);
courant_testkit::groups_static_suite!(over_tcp);
courant_testkit::groups_timers_suite!(over_tcp);
courant_testkit::groups_offsets_suite!(over_tcp);
courant_testkit::groups_admin_suite!(over_tcp);
