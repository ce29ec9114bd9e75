//! Crashes: at a named place, the nth time it is passed.
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use courant_runtime::watch;

use crate::embedded::CrashPoints;

/// A place where a crash hurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrashPoint {
    /// The source has given records, and they are not sent.
    SourceRead,
    /// They are with the producer.
    SourceSent,
    /// They are acknowledged, and their offsets are not stored.
    SourceAcknowledged,
    /// Their offsets are stored, and the source was not told.
    SourceStored,
    /// Records were taken from the topics, and the sink has not seen them.
    SinkRead,
    /// The sink has accepted them, and they are not flushed.
    SinkWritten,
    /// They are flushed, and not committed.
    SinkFlushed,
    /// They are committed.
    SinkCommitted,
}

impl CrashPoint {
    /// Those of sources.
    pub const OF_SOURCES: [Self; 4] =
        [Self::SourceRead, Self::SourceSent, Self::SourceAcknowledged, Self::SourceStored];
    /// Those of sinks.
    pub const OF_SINKS: [Self; 4] =
        [Self::SinkRead, Self::SinkWritten, Self::SinkFlushed, Self::SinkCommitted];
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SourceRead => "source-read",
            Self::SourceSent => "source-sent",
            Self::SourceAcknowledged => "source-acknowledged",
            Self::SourceStored => "source-stored",
            Self::SinkRead => "sink-read",
            Self::SinkWritten => "sink-written",
            Self::SinkFlushed => "sink-flushed",
            Self::SinkCommitted => "sink-committed",
        })
    }
}

/// The crash that is due, if one is.
#[derive(Clone)]
pub(crate) struct CrashPlan(Arc<Plan>);

struct Plan {
    due: Mutex<Option<(String, u64)>>,
    crashed: watch::Sender<bool>,
}

impl CrashPlan {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Plan { due: Mutex::new(None), crashed: watch::Sender::new(false) }))
    }

    /// The `nth` passage of the point from now on, from 1, is the last.
    pub(crate) fn arm(&self, point: CrashPoint, nth: u64) {
        *self.0.due.lock().unwrap_or_else(PoisonError::into_inner) = Some((point.to_string(), nth.max(1)));
        self.0.crashed.send_replace(false);
    }

    /// The crash came by other means.
    pub(crate) fn disarm(&self) {
        *self.0.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for the crash.
    pub(crate) async fn crashed(&self) {
        let mut crashed = self.0.crashed.subscribe();
        if crashed.wait_for(|crashed| *crashed).await.is_err() {
            pending::<()>().await;
        }
    }

    pub(crate) fn points(&self) -> CrashPoints {
        let plan = Arc::clone(&self.0);
        CrashPoints::new(Arc::new(move |point| {
            let plan = Arc::clone(&plan);
            Box::pin(async move {
                if plan.passes(point) {
                    return;
                }
                plan.crashed.send_replace(true);
                pending::<()>().await;
            })
        }))
    }
}

impl Plan {
    fn passes(&self, point: &str) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match due.as_mut() {
            Some((armed, 1)) if armed == point => {
                *due = None;
                false
            }
            Some((armed, nth)) if armed == point => {
                *nth -= 1;
                true
            }
            _ => true,
        }
    }
}
