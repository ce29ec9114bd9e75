//! Places where a test may end a worker as a crash would.
use std::fmt;

#[cfg(feature = "harness")]
use std::sync::Arc;

#[cfg(feature = "harness")]
use courant_runtime::BoxFuture;

/// What is done at a crash point: a future that never ends is a crash.
#[cfg(feature = "harness")]
pub(crate) type Pass = Arc<dyn Fn(&'static str) -> BoxFuture<'static, ()> + Send + Sync>;

/// The crash points of a worker; without the feature `harness` there is nothing to them.
#[derive(Clone, Default)]
pub(crate) struct CrashPoints {
    #[cfg(feature = "harness")]
    pass: Option<Pass>,
}

impl CrashPoints {
    #[cfg(feature = "harness")]
    pub(crate) fn new(pass: Pass) -> Self {
        Self { pass: Some(pass) }
    }

    /// Passes a point, or never returns.
    #[cfg_attr(not(feature = "harness"), allow(clippy::unused_async, reason = "only tests wait here"))]
    pub(crate) async fn pass(&self, point: &'static str) {
        #[cfg(feature = "harness")]
        if let Some(pass) = &self.pass {
            pass(point).await;
        }
        #[cfg(not(feature = "harness"))]
        let _ = point;
    }
}

impl fmt::Debug for CrashPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrashPoints")
    }
}

/// What was read is not sent yet.
pub(crate) const SOURCE_READ: &str = "source-read";
/// What was read is with the producer.
pub(crate) const SOURCE_SENT: &str = "source-sent";
/// Records are acknowledged and their offsets not stored.
pub(crate) const SOURCE_ACKNOWLEDGED: &str = "source-acknowledged";
/// Offsets are stored and the task does not know.
pub(crate) const SOURCE_STORED: &str = "source-stored";
/// Records were taken from the topics.
pub(crate) const SINK_READ: &str = "sink-read";
/// The sink has accepted records and not flushed them.
pub(crate) const SINK_WRITTEN: &str = "sink-written";
/// The sink has flushed and nothing is committed.
pub(crate) const SINK_FLUSHED: &str = "sink-flushed";
/// Offsets are committed.
pub(crate) const SINK_COMMITTED: &str = "sink-committed";
