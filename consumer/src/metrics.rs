//! What a consumer tells about itself, under Kafka's names.
use courant_client::Measured;

use crate::consumer::Consumer;
use crate::machine::reading::Reading;

/// What a consumer has counted since it was started; [`Consumer::metrics`] takes one.
///
/// The fields are those of Java's `consumer-fetch-manager-metrics`, `consumer-coordinator-metrics` and `consumer-metrics`,
/// averages and maxima in one [`Measured`], whose count is Java's total. Java's rates and windows are left to whoever
/// compares two snapshots: nothing here forgets. [`values`](Self::values) gives all of them by name.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
/// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// # use courant_consumer::Consumer;
/// let mut orders = Consumer::builder(&kafka).assign([("orders", 0)]).auto_offset_reset("earliest").start().await?;
/// let batch = orders.poll().await?.ok_or("the consumer is open")?;
///
/// let metrics = orders.metrics();
/// assert_eq!((metrics.records_consumed_total, metrics.records_lag_max), (2, Some(0)));
/// let latency = metrics.values().find(|(name, _)| *name == "fetch-latency-avg");
/// assert!(latency.is_some());
/// # drop(batch);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConsumerMetrics {
    /// Records that were handed out, those included that a stream gave back and handed out again.
    pub records_consumed_total: u64,
    /// Bytes of the batches that were handed out to their ends, decompressed.
    pub bytes_consumed_total: u64,
    /// Bytes of records that one fetch brought; how many fetches there were, and all their bytes.
    pub fetch_size: Measured,
    /// Records that one fetch brought, by the headers of their batches.
    pub records_per_request: Measured,
    /// Milliseconds between a fetch and its answer, for which a broker may wait `fetch.max.wait.ms` long.
    pub fetch_latency: Measured,
    /// Milliseconds for which brokers asked for silence.
    pub fetch_throttle_time: Measured,
    /// How far the partition that is furthest behind lags now, by what was fetched last.
    pub records_lag_max: Option<u64>,
    /// How many records the partition has before it that is next to losing some, by what was fetched last.
    pub records_lead_min: Option<u64>,
    /// Bytes that were fetched and are not finished now; `fetch.buffer.bytes` bounds them. Java has no such number.
    pub buffered_bytes: u64,
    /// Milliseconds between a commit and its answer.
    pub commit_latency: Measured,
    /// Milliseconds between a heartbeat and its answer.
    pub heartbeat_response_time: Measured,
    /// Milliseconds between a JoinGroup and its answer, for which the group waits for its members.
    pub join_time: Measured,
    /// Milliseconds between a SyncGroup and its answer.
    pub sync_time: Measured,
    /// Milliseconds between the first JoinGroup of a rebalance and the share of this member.
    pub rebalance_latency: Measured,
    /// Joins and syncs that failed.
    pub failed_rebalance_total: u64,
    /// Partitions that are assigned now.
    pub assigned_partitions: u64,
    /// Milliseconds between the begins of two polls.
    pub time_between_poll: Measured,
    /// The part of that time that the first of them waited; a stream is not a poll.
    pub poll_idle_ratio: Measured,
}

impl ConsumerMetrics {
    fn take(reading: &Reading) -> Self {
        let counts = reading.counts;
        let partitions = || reading.subscription.iter().map(|(partition, _)| partition);
        Self {
            records_consumed_total: counts.records_consumed,
            bytes_consumed_total: counts.bytes_consumed,
            fetch_size: counts.fetch_size_bytes,
            records_per_request: counts.records_per_request,
            fetch_latency: counts.fetch_latency_ms,
            fetch_throttle_time: counts.fetch_throttle_ms,
            records_lag_max: partitions().filter_map(|partition| reading.lag(partition)).max(),
            records_lead_min: partitions().filter_map(|partition| reading.lead(partition)).min(),
            buffered_bytes: reading.buffered_bytes() as u64,
            commit_latency: counts.commit_latency_ms,
            heartbeat_response_time: counts.heartbeat_latency_ms,
            join_time: counts.join_latency_ms,
            sync_time: counts.sync_latency_ms,
            rebalance_latency: counts.rebalance_latency_ms,
            failed_rebalance_total: counts.rebalances_failed,
            assigned_partitions: partitions().count() as u64,
            time_between_poll: counts.time_between_polls_ms,
            poll_idle_ratio: counts.poll_idle_ratio,
        }
    }

    /// Everything by Java's names; what was never measured is left out, where Java has NaN.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let number = |value: u64| Some(value as f64);
        let total = |measured: &Measured| Some(measured.count() as f64);
        // tidy: one table
        let values = [
            ("assigned-partitions", number(self.assigned_partitions)),
            ("buffered-bytes", number(self.buffered_bytes)),
            ("bytes-consumed-total", number(self.bytes_consumed_total)),
            ("commit-latency-avg", self.commit_latency.average()),
            ("commit-latency-max", self.commit_latency.max()),
            ("commit-total", total(&self.commit_latency)),
            ("failed-rebalance-total", number(self.failed_rebalance_total)),
            ("fetch-latency-avg", self.fetch_latency.average()),
            ("fetch-latency-max", self.fetch_latency.max()),
            ("fetch-size-avg", self.fetch_size.average()),
            ("fetch-size-max", self.fetch_size.max()),
            ("fetch-throttle-time-avg", self.fetch_throttle_time.average()),
            ("fetch-throttle-time-max", self.fetch_throttle_time.max()),
            ("fetch-total", total(&self.fetch_latency)),
            ("heartbeat-response-time-max", self.heartbeat_response_time.max()),
            ("heartbeat-total", total(&self.heartbeat_response_time)),
            ("join-time-avg", self.join_time.average()),
            ("join-time-max", self.join_time.max()),
            ("join-total", total(&self.join_time)),
            ("poll-idle-ratio-avg", self.poll_idle_ratio.average()),
            ("rebalance-latency-avg", self.rebalance_latency.average()),
            ("rebalance-latency-max", self.rebalance_latency.max()),
            ("rebalance-latency-total", Some(self.rebalance_latency.sum())),
            ("rebalance-total", total(&self.rebalance_latency)),
            ("records-consumed-total", number(self.records_consumed_total)),
            ("records-lag-max", self.records_lag_max.map(|lag| lag as f64)),
            ("records-lead-min", self.records_lead_min.map(|lead| lead as f64)),
            ("records-per-request-avg", self.records_per_request.average()),
            ("sync-time-avg", self.sync_time.average()),
            ("sync-time-max", self.sync_time.max()),
            ("sync-total", total(&self.sync_time)),
            ("time-between-poll-avg", self.time_between_poll.average()),
            ("time-between-poll-max", self.time_between_poll.max()),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl Consumer {
    /// What the consumer has counted so far. It takes a lock for a moment and goes through the assigned partitions.
    pub fn metrics(&self) -> ConsumerMetrics {
        ConsumerMetrics::take(&self.shared.reading())
    }
}
