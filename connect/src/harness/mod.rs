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
mod run;
mod setting;
mod test_sink;
mod test_source;

pub use bench::{Failure, SinkBench, SourceBench};
pub use check_sink::check_sink;
pub use check_source::check_source;
pub use crash::CrashPoint;
pub use run::run;
pub use test_sink::TestSink;
pub use test_source::{TestRecord, TestSource};
