//! What was asked of the broker.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters.
#[derive(Debug, Default)]
pub struct Stats {
    pub(crate) produce_requests: AtomicU64,
    pub(crate) produce_batches: AtomicU64,
    pub(crate) produce_records: AtomicU64,
    pub(crate) produce_bytes: AtomicU64,
    pub(crate) fetch_requests: AtomicU64,
    pub(crate) fetch_records: AtomicU64,
    pub(crate) fetch_bytes: AtomicU64,
    pub(crate) other_requests: AtomicU64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        write!(
            f,
            "produce: req={} batches={} records={} bytes={} | fetch: req={} records={} bytes={} | other={}",
            count(&self.produce_requests),
            count(&self.produce_batches),
            count(&self.produce_records),
            count(&self.produce_bytes),
            count(&self.fetch_requests),
            count(&self.fetch_records),
            count(&self.fetch_bytes),
            count(&self.other_requests)
        )
    }
}
