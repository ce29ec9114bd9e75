//! What the sending side counts: once per batch or request, never per record.
use std::time::Instant;

use courant_client::Measured;

use super::batch::Batch;

/// Plain numbers, copied out after a turn that changed something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records_sent: u64,
    pub(crate) records_retried: u64,
    pub(crate) batches_split: u64,
    pub(crate) batch_size_bytes: Measured,
    pub(crate) compression_rate: Measured,
    pub(crate) records_per_request: Measured,
    pub(crate) queue_time_ms: Measured,
    pub(crate) request_latency_ms: Measured,
    pub(crate) throttle_time_ms: Measured,
    pub(crate) requests_in_flight: usize,
}

impl Counts {
    /// A request goes out.
    pub(super) fn count_request<'a>(&mut self, now: Instant, batches: impl Iterator<Item = &'a Batch>) {
        let mut records = 0;
        for batch in batches {
            batch.count_sent();
            records += u64::from(batch.sealed.count());
            self.batch_size_bytes.record(batch.sealed.len() as f64);
            self.compression_rate
                .record(batch.sealed.len() as f64 / batch.sealed.uncompressed_bytes() as f64);
            self.queue_time_ms.record_millis(now.saturating_duration_since(batch.opened_at));
        }
        self.records_sent += records;
        self.records_per_request.record(records as f64);
    }

    /// The answer to a request that went out at `sent_at`.
    pub(super) fn count_answer(&mut self, now: Instant, sent_at: Instant, throttle_time_ms: i32) {
        self.request_latency_ms.record_millis(now.saturating_duration_since(sent_at));
        self.throttle_time_ms.record(f64::from(throttle_time_ms.max(0)));
    }
}
