//! What a producer tells about itself, under Kafka's names.
use std::collections::BTreeMap;
use std::time::Duration;

use courant_client::{Measured, Traffic};
use courant_protocol::types::{NodeId, TopicName};

use crate::append::{Room, TopicCounts, Waits};
use crate::control::Control;

/// What a producer has counted since it was started; [`Producer::metrics`](crate::Producer::metrics) takes one.
///
/// The fields are those of Java's `producer-metrics`, averages and maxima in one [`Measured`]; [`topics`](Self::topics) and
/// [`nodes`](Self::nodes) are its `producer-topic-metrics` and `producer-node-metrics`. Java's rates and windows are left to
/// whoever compares two snapshots: nothing here forgets, but a topic that is idle for `metadata.max.idle.ms`, whose numbers
/// begin anew. `values` gives all of them by name.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let cluster = courant_broker_mock::MockCluster::builder().topic("orders", 3).build()?;
/// # let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
/// # use courant_client::Kafka;
/// use courant_producer::{Producer, Record};
///
/// let producer = Producer::builder(&kafka).start().await?;
/// producer.send(Record::to("orders").value("open")).await?;
///
/// let metrics = producer.metrics();
/// assert_eq!((metrics.record_send_total, metrics.record_error_total), (1, 0));
/// let latency = metrics.values().find(|(name, _)| *name == "request-latency-avg");
/// assert!(latency.is_some());
/// assert_eq!(metrics.topics["orders"].record_send_total, 1);
/// assert!(metrics.nodes.values().all(|node| node.request_latency.count() == 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ProducerMetrics {
    /// Records that were sent, those that were sent again included.
    pub record_send_total: u64,
    /// Records that were sent again.
    pub record_retry_total: u64,
    /// Records that were accepted and could not be delivered.
    pub record_error_total: u64,
    /// Batches that were too large for their broker and were split.
    pub batch_split_total: u64,
    /// Bytes of a batch as it was sent.
    pub batch_size: Measured,
    /// How large a batch was on the wire for each byte before compression.
    pub compression_rate: Measured,
    /// Records of a request.
    pub records_per_request: Measured,
    /// Milliseconds between a batch's first record and its sending.
    pub record_queue_time: Measured,
    /// Milliseconds between a request and its answer.
    pub request_latency: Measured,
    /// Milliseconds for which brokers asked for silence.
    pub produce_throttle_time: Measured,
    /// Requests that wait for an answer now.
    pub requests_in_flight: u64,
    /// `buffer.memory`
    pub buffer_total_bytes: u64,
    /// How much of it is free now.
    pub buffer_available_bytes: u64,
    /// Callers that wait for some of it now: Java's `waiting-threads`.
    pub waiting_callers: u64,
    /// How long callers have waited for some of it, all together.
    pub bufferpool_wait_time_total: Duration,
    /// Records that were refused because they waited for it in vain.
    pub buffer_exhausted_total: u64,
    /// What was sent to each topic.
    pub topics: BTreeMap<TopicName, TopicMetrics>,
    /// What went to and came from each broker that got a request.
    pub nodes: BTreeMap<NodeId, NodeMetrics>,
}

impl ProducerMetrics {
    pub(crate) fn take(room: &Room, control: &Control) -> Self {
        let supplies = &room.supplies;
        let topics = room.topic_counts().into_iter().map(|(name, counts)| (name, counts.into())).collect();
        let counts = *control.counts();
        let Waits { total: waited, in_vain } = supplies.permits.waits();
        Self {
            record_send_total: counts.records_sent,
            record_retry_total: counts.records_retried,
            record_error_total: supplies.outstanding.failed_records(),
            batch_split_total: counts.batches_split,
            batch_size: counts.batch_size_bytes,
            compression_rate: counts.compression_rate,
            records_per_request: counts.records_per_request,
            record_queue_time: counts.queue_time_ms,
            request_latency: counts.request_latency_ms,
            produce_throttle_time: counts.throttle_time_ms,
            requests_in_flight: counts.requests_in_flight as u64,
            buffer_total_bytes: supplies.permits.total() as u64,
            buffer_available_bytes: supplies.permits.free() as u64,
            waiting_callers: supplies.permits.waiting() as u64,
            bufferpool_wait_time_total: waited,
            buffer_exhausted_total: in_vain,
            topics,
            nodes: control.nodes().clone(),
        }
    }

    /// Everything but topics and brokers, by the names of Java's `producer-metrics`; what was never measured is left out,
    /// where Java has NaN.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        // tidy: one table
        let values = [
            ("batch-size-avg", self.batch_size.average()),
            ("batch-size-max", self.batch_size.max()),
            ("batch-split-total", number(self.batch_split_total)),
            ("buffer-available-bytes", number(self.buffer_available_bytes)),
            ("buffer-exhausted-total", number(self.buffer_exhausted_total)),
            ("buffer-total-bytes", number(self.buffer_total_bytes)),
            ("bufferpool-wait-time-ns-total", Some(self.bufferpool_wait_time_total.as_secs_f64() * 1e9)),
            ("compression-rate-avg", self.compression_rate.average()),
            ("produce-throttle-time-avg", self.produce_throttle_time.average()),
            ("produce-throttle-time-max", self.produce_throttle_time.max()),
            ("record-error-total", number(self.record_error_total)),
            ("record-queue-time-avg", self.record_queue_time.average()),
            ("record-queue-time-max", self.record_queue_time.max()),
            ("record-retry-total", number(self.record_retry_total)),
            ("record-send-total", number(self.record_send_total)),
            ("records-per-request-avg", self.records_per_request.average()),
            ("request-latency-avg", self.request_latency.average()),
            ("request-latency-max", self.request_latency.max()),
            ("requests-in-flight", number(self.requests_in_flight)),
            ("waiting-threads", number(self.waiting_callers)),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// What was sent to one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TopicMetrics {
    /// Records that were sent, those that were sent again included.
    pub record_send_total: u64,
    /// Records that were sent again.
    pub record_retry_total: u64,
    /// Records that were accepted and could not be delivered.
    pub record_error_total: u64,
    /// Bytes of batches as they were sent, those that were sent again included.
    pub byte_total: u64,
    /// How large a batch was on the wire for each byte before compression.
    pub compression_rate: Measured,
}

impl TopicMetrics {
    /// Everything by the names of Java's `producer-topic-metrics`; what was never measured is left out.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let values = [
            ("byte-total", number(self.byte_total)),
            ("compression-rate", self.compression_rate.average()),
            ("record-error-total", number(self.record_error_total)),
            ("record-retry-total", number(self.record_retry_total)),
            ("record-send-total", number(self.record_send_total)),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl From<TopicCounts> for TopicMetrics {
    fn from(counts: TopicCounts) -> Self {
        Self {
            record_send_total: counts.records_sent,
            record_retry_total: counts.records_retried,
            record_error_total: counts.records_failed,
            byte_total: counts.bytes_sent,
            compression_rate: counts.compression_rate,
        }
    }
}

/// What went to one broker and came from it, over all connections that the producer had to it, as of its last answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// Milliseconds between a Produce request and its answer.
    pub request_latency: Measured,
    /// Every request and response, those that open a connection included.
    pub traffic: Traffic,
}

impl NodeMetrics {
    /// Everything by the names of Java's `producer-node-metrics`; what was never measured is left out.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let Traffic { request_size, response_total, response_bytes_total, .. } = self.traffic;
        let values = [
            ("incoming-byte-total", number(response_bytes_total)),
            ("outgoing-byte-total", Some(request_size.sum())),
            ("request-latency-avg", self.request_latency.average()),
            ("request-latency-max", self.request_latency.max()),
            ("request-size-avg", request_size.average()),
            ("request-size-max", request_size.max()),
            ("request-total", number(request_size.count())),
            ("response-total", number(response_total)),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn number(value: u64) -> Option<f64> {
    // Counts stay far below 2^53.
    Some(value as f64)
}
