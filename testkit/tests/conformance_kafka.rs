//! The conformance functions on the Apache Kafka that `COURANT_KAFKA` names.
//!
//! `cargo xtask ci` starts one and sets the variable, and `COURANT_REQUIRE_KAFKA`, with which a cluster that is missing
//! is a failure; without both the functions have nothing to run on.
#![allow(clippy::expect_used)]
use courant::runtime::World;
use courant_testkit::conformance::{self, Subject};

fn on_kafka(case: &str) {
    let Ok(bootstrap) = std::env::var("COURANT_KAFKA") else {
        assert!(
            std::env::var_os("COURANT_REQUIRE_KAFKA").is_none(),
            "COURANT_KAFKA names no cluster, and one is required"
        );
        eprintln!("{case}: no Apache Kafka to run on (set COURANT_KAFKA=host:port)");
        return;
    };
    let brokers = bootstrap.split(',').count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(conformance::run(case, Subject { bootstrap, world: World::tokio(), brokers }));
}

courant_testkit::client_suite!(on_kafka);
courant_testkit::admin_suite!(on_kafka);
courant_testkit::admin_configs_suite!(on_kafka);
courant_testkit::admin_groups_suite!(on_kafka);
courant_testkit::producer_suite!(on_kafka);
courant_testkit::consumer_suite!(on_kafka);
courant_testkit::consumer_groups_suite!(on_kafka);
courant_testkit::streams_suite!(on_kafka);
courant_testkit::subscriptions_suite!(on_kafka);
courant_testkit::typed_suite!(on_kafka);
courant_testkit::groups_members_suite!(on_kafka);
courant_testkit::groups_static_suite!(on_kafka);
courant_testkit::groups_timers_suite!(on_kafka);
courant_testkit::groups_offsets_suite!(on_kafka);
courant_testkit::groups_admin_suite!(on_kafka);
