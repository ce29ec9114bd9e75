//! The conformance functions on the Apache Kafka that `COURANT_KAFKA` names.
//!
//! `cargo xtask ci` starts one and sets the variable, and `COURANT_REQUIRE_KAFKA`, with which a cluster that is missing
//! is a failure; without both the functions have nothing to run on.
#![allow(clippy::expect_used)]
mod transactions;

use courant::runtime::World;
use courant_testkit::conformance::{self, Subject};

/// The cluster, where there is one.
fn kafka(case: &str) -> Option<String> {
    if let Ok(bootstrap) = std::env::var("COURANT_KAFKA") {
        return Some(bootstrap);
    }
    assert!(
        std::env::var_os("COURANT_REQUIRE_KAFKA").is_none(),
        "COURANT_KAFKA names no cluster, and one is required"
    );
    eprintln!("{case}: no Apache Kafka to run on (set COURANT_KAFKA=host:port)");
    None
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn on_kafka(case: &str) {
    let Some(bootstrap) = kafka(case) else { return };
    let brokers = bootstrap.split(',').count();
    runtime().block_on(conformance::run(case, Subject { bootstrap, world: World::tokio(), brokers }));
}

#[test]
fn readers_of_committed_records_are_told_the_same_by_kafka_and_by_the_mock() {
    if let Some(bootstrap) = kafka("transactions") {
        runtime().block_on(transactions::story(&bootstrap));
    }
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
