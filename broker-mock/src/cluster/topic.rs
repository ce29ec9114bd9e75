//! A topic and its partitions.
use courant_protocol::types::{LeaderEpoch, NodeId, TopicId, UnixMillis};
use courant_protocol::wire::Str;

use crate::config::{BrokerConfig, TopicConfig};
use crate::log::{AppendContext, PartitionLog, SegmentLimits};

/// A topic of one incarnation: created again, it has another id.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: Str,
    pub(crate) id: TopicId,
    pub(crate) config: TopicConfig,
    pub(crate) limits: Limits,
    pub(crate) partitions: Vec<Partition>,
}

/// The configs that every append asks for, read once.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    max_message_bytes: usize,
    log_append_time: bool,
    before_max_ms: i64,
    after_max_ms: i64,
    compacted: bool,
    segments: SegmentLimits,
    pub(crate) min_insync_replicas: usize,
}

impl Limits {
    pub(crate) fn read(config: &TopicConfig, brokers: &BrokerConfig) -> Self {
        let count = |name| usize::try_from(config.number(brokers, name)).unwrap_or_default();
        Self {
            max_message_bytes: count("max.message.bytes"),
            log_append_time: config.value(brokers, "message.timestamp.type") == "LogAppendTime",
            before_max_ms: config.number(brokers, "message.timestamp.before.max.ms"),
            after_max_ms: config.number(brokers, "message.timestamp.after.max.ms"),
            compacted: config.cleans_by(brokers, "compact"),
            segments: SegmentLimits {
                bytes: count("segment.bytes"),
                span_ms: config.number(brokers, "segment.ms"),
            },
            min_insync_replicas: count("min.insync.replicas"),
        }
    }
}

/// A partition: who holds it, who leads it since which epoch, and its log.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// The preferred leader first.
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) isr: Vec<NodeId>,
    pub(crate) leader: Option<NodeId>,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) log: PartitionLog,
}

impl Partition {
    /// A new partition, led by the first replica that lives.
    pub(crate) fn new(replicas: Vec<NodeId>, is_alive: impl Fn(NodeId) -> bool) -> Self {
        let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| is_alive(*node)).collect();
        let leader = isr.first().copied();
        Self { replicas, isr, leader, epoch: LeaderEpoch(0), log: PartitionLog::new(LeaderEpoch(0)) }
    }

    /// Hands the leadership over; the epoch grows even if the leader stays.
    pub(crate) fn elect(&mut self, leader: Option<NodeId>) {
        self.leader = leader;
        self.epoch = LeaderEpoch(self.epoch.0.saturating_add(1));
        if leader.is_some() {
            self.log.begin_epoch(self.epoch);
        }
    }

    /// What an append asks for.
    pub(crate) fn append_context(&self, limits: &Limits, now: UnixMillis) -> AppendContext {
        AppendContext {
            now,
            leader_epoch: self.epoch,
            max_message_bytes: limits.max_message_bytes,
            log_append_time: limits.log_append_time,
            before_max_ms: limits.before_max_ms,
            after_max_ms: limits.after_max_ms,
            segments: limits.segments,
            compacted: limits.compacted,
        }
    }
}
