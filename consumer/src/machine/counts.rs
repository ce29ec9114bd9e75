//! What a consumer counts: once per poll, request or rebalance, never per record.
use std::time::{Duration, Instant};

use courant_client::Measured;
use courant_membership::classic::ClassicRequest;

/// Plain numbers, and when what is under way began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records_consumed: u64,
    pub(crate) bytes_consumed: u64,
    pub(crate) fetch_size_bytes: Measured,
    pub(crate) records_per_request: Measured,
    pub(crate) fetch_latency_ms: Measured,
    pub(crate) fetch_throttle_ms: Measured,
    pub(crate) commit_latency_ms: Measured,
    pub(crate) heartbeat_latency_ms: Measured,
    pub(crate) join_latency_ms: Measured,
    pub(crate) sync_latency_ms: Measured,
    pub(crate) rebalance_latency_ms: Measured,
    pub(crate) rebalances_failed: u64,
    pub(crate) time_between_polls_ms: Measured,
    pub(crate) poll_idle_ratio: Measured,
    /// The records of the answer that is being taken.
    arrived: u64,
    committing: Option<Instant>,
    beating: Option<Instant>,
    joining: Option<Instant>,
    syncing: Option<Instant>,
    rebalancing: Option<Instant>,
    polling: Option<Instant>,
    /// How long the last poll has waited.
    waited: Duration,
}

/// What a poll handed out, and what it waited for.
impl Counts {
    pub(crate) fn poll_begins(&mut self, now: Instant) {
        if let Some(before) = self.polling.replace(now) {
            let between = now.saturating_duration_since(before);
            self.time_between_polls_ms.record(millis(between));
            if !between.is_zero() {
                self.poll_idle_ratio.record(self.waited.as_secs_f64() / between.as_secs_f64());
            }
        }
        self.waited = Duration::ZERO;
    }

    pub(crate) fn poll_ends(&mut self, now: Instant) {
        self.waited = self.polling.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
    }

    pub(crate) fn handed_out(&mut self, records: usize, bytes: usize) {
        self.records_consumed += records as u64;
        self.bytes_consumed += bytes as u64;
    }
}

/// Fetches.
impl Counts {
    /// The records of one partition of an answer, by the headers of their batches.
    pub(super) fn arrived(&mut self, records: u64) {
        self.arrived += records;
    }

    /// An answer was taken that was asked for at `sent`.
    pub(super) fn fetched(
        &mut self,
        now: Instant,
        sent: Option<Instant>,
        bytes: usize,
        throttle_time_ms: i32,
    ) {
        self.fetch_size_bytes.record(bytes as f64);
        self.records_per_request.record(std::mem::take(&mut self.arrived) as f64);
        self.fetch_latency_ms.record(since(now, sent));
        self.fetch_throttle_ms.record(f64::from(throttle_time_ms.max(0)));
    }
}

/// The coordinator.
impl Counts {
    pub(super) fn commit_sent(&mut self, now: Instant) {
        self.committing = Some(now);
    }

    pub(super) fn commit_answered(&mut self, now: Instant) {
        let sent = self.committing.take();
        self.commit_latency_ms.record(since(now, sent));
    }

    pub(super) fn member_sent(&mut self, now: Instant, request: &ClassicRequest) {
        match request {
            ClassicRequest::Join(..) => {
                self.joining = Some(now);
                self.rebalancing.get_or_insert(now);
            }
            ClassicRequest::Sync(..) => self.syncing = Some(now),
            ClassicRequest::Heartbeat(..) => self.beating = Some(now),
            ClassicRequest::Leave(..) => self.rebalancing = None,
        }
    }

    pub(crate) fn joined(&mut self, now: Instant, has_failed: bool) {
        self.rebalances_failed += u64::from(has_failed);
        let sent = self.joining.take();
        self.join_latency_ms.record(since(now, sent));
    }

    pub(crate) fn synced(&mut self, now: Instant, has_failed: bool) {
        self.rebalances_failed += u64::from(has_failed);
        let sent = self.syncing.take();
        self.sync_latency_ms.record(since(now, sent));
        if !has_failed && let Some(began) = self.rebalancing.take() {
            self.rebalance_latency_ms.record(since(now, Some(began)));
        }
    }

    pub(crate) fn beaten(&mut self, now: Instant) {
        let sent = self.beating.take();
        self.heartbeat_latency_ms.record(since(now, sent));
    }
}

fn since(now: Instant, then: Option<Instant>) -> f64 {
    then.map_or(0.0, |then| millis(now.saturating_duration_since(then)))
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
