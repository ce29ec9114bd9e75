//! A harness for authors of connectors: the real worker on an in-memory cluster, in virtual time, with crashes at will.
//!
//! ```text
//! TestSource::<S>::start(properties) ─► take(n), caught_up(), offsets(), pause(), crash_at(point, nth), crash(), restart()
//! TestSink::<S>::start(properties)   ─► send([…]), delivered(), crash_at(point, nth), crash(), restart(), join(), leave()
//! check_source(bench), check_sink(bench): the conformance suite, in one line
//! ```
//! The suite runs a connector through clean runs, restarts, pauses, broker trouble, rebalances and a crash at every place
//! where one hurts: nothing may be lost, a clean run repeats nothing, a crash repeats at most what was not stored, and
//! wrong properties are errors that name them.
mod bench;
mod check_sink;
mod check_source;
mod crash;
mod setting;
mod test_sink;
mod test_source;

use std::future::Future;
use std::time::Duration;

pub use bench::{Failure, SinkBench, SourceBench};
pub use check_sink::check_sink;
pub use check_source::check_source;
pub use crash::CrashPoint;
pub use test_sink::TestSink;
pub use test_source::{TestRecord, TestSource};

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
