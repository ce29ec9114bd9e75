//! What a conformance function is, the list of all, and how one is run.
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::world::Subject;
use super::{
    admin, admin_configs, admin_groups, client, consumer, consumer_groups, groups_admin, groups_members,
    groups_offsets, groups_static, groups_timers, producer, streams, subscriptions, typed,
};

/// What a conformance function is: a future that panics where the cluster or the client is wrong.
pub type Run = fn(Subject) -> Pin<Box<dyn Future<Output = ()>>>;

/// A conformance function with its name and the checklist rows that it covers.
pub struct Case {
    /// The function's name, a sentence.
    pub name: &'static str,
    /// The rows of the clients' checklist.
    pub covers: &'static [&'static str],
    /// The function.
    pub run: Run,
}

/// Declares the cases of a module: functions over a [`Subject`] with the rows that each covers; and a macro that makes
/// a test of each.
macro_rules! declare {
    (($d:tt) $suite:ident; $($name:ident: $($row:literal)+;)+) => {
        /// The cases of this module.
        pub(super) const CASES: &[super::case::Case] = &[$(super::case::Case {
            name: stringify!($name),
            covers: &[$($row),+],
            run: |subject| Box::pin($name(subject)),
        }),+];

        /// Makes one test a case; the argument runs a [`Case`](crate::conformance::Case) by its name.
        #[macro_export]
        macro_rules! $suite {
            ($d run:path) => {
                $(#[test]
                fn $name() {
                    $d run(stringify!($name));
                })+
            };
        }
    };
}
pub(super) use declare;

/// Every conformance function.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let suites = [
        client::CASES,
        admin::CASES,
        admin_configs::CASES,
        admin_groups::CASES,
        producer::CASES,
        consumer::CASES,
        consumer_groups::CASES,
        streams::CASES,
        subscriptions::CASES,
        typed::CASES,
        groups_members::CASES,
        groups_static::CASES,
        groups_timers::CASES,
        groups_offsets::CASES,
        groups_admin::CASES,
    ];
    suites.into_iter().flatten()
}

/// The case of that name.
///
/// # Panics
/// Where there is none.
pub fn case(name: &str) -> &'static Case {
    cases()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("no conformance function is named {name}"))
}

/// Runs one case on a subject, within [`CASE_LIMIT`].
///
/// # Panics
/// Where the case fails or does not end.
pub async fn run(name: &str, subject: Subject) {
    let case = case(name);
    let ended = tokio::time::timeout(CASE_LIMIT, (case.run)(subject)).await;
    assert!(ended.is_ok(), "{name} (covers {}) has not ended after {CASE_LIMIT:?}", case.covers.join(", "));
}

/// How long a case may take.
pub const CASE_LIMIT: Duration = Duration::from_secs(120);
