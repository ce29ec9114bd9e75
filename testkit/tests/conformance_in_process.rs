//! The conformance functions on the mock inside this process, one thread each.
#![allow(clippy::expect_used)]
use courant::mock::MockCluster;
use courant_testkit::conformance::{self, Subject};

fn on_the_mock(case: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let cluster = MockCluster::builder()
            .brokers(3)
            .config("auto.create.topics.enable", "false")
            .config("group.initial.rebalance.delay.ms", "0")
            .build()
            .expect("a cluster");
        let world = cluster.world();
        conformance::run(case, Subject { bootstrap: cluster.bootstrap(), world, brokers: 3 }).await;
    });
}

courant_testkit::client_suite!(on_the_mock);
courant_testkit::admin_suite!(on_the_mock);
courant_testkit::admin_configs_suite!(on_the_mock);
courant_testkit::admin_groups_suite!(on_the_mock);
courant_testkit::producer_suite!(on_the_mock);
courant_testkit::consumer_suite!(on_the_mock);
courant_testkit::consumer_groups_suite!(on_the_mock);
courant_testkit::streams_suite!(on_the_mock);
courant_testkit::subscriptions_suite!(on_the_mock);
courant_testkit::typed_suite!(on_the_mock);
courant_testkit::groups_members_suite!(on_the_mock);
courant_testkit::groups_static_suite!(on_the_mock);
courant_testkit::groups_timers_suite!(on_the_mock);
courant_testkit::groups_offsets_suite!(on_the_mock);
courant_testkit::groups_admin_suite!(on_the_mock);
