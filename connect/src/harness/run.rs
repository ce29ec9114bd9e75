//! Virtual time for a test.
use std::future::Future;
use std::time::Duration;

/// Runs a test in virtual time: an hour of waiting takes milliseconds.
///
/// # Panics
/// If the test takes longer than a day of virtual time: it hangs.
#[allow(clippy::expect_used, reason = "a harness fails tests")]
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime can be made");
    let limited = async { tokio::time::timeout(Duration::from_secs(86_400), test).await };
    runtime.block_on(limited).expect("the test ends within a day of virtual time")
}
