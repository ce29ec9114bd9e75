//! A topic and its partitions.
use std::collections::BTreeMap;

use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicId, UnixMillis};
use courant_protocol::wire::Str;

use crate::config::{BrokerConfig, TopicConfig};
use crate::log::{AppendContext, PartitionLog, ReplicaEnds, ReplicaView, SegmentLimits};

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
    /// Where the leader's epoch began.
    pub(crate) epoch_start: Offset,
    /// The leader's log.
    pub(crate) log: PartitionLog,
    /// The followers that do not fetch; all others have what the leader has.
    laggards: BTreeMap<NodeId, ReplicaEnds>,
}

impl Partition {
    /// A new partition, led by the first replica that lives.
    pub(crate) fn new(replicas: Vec<NodeId>, is_alive: impl Fn(NodeId) -> bool) -> Self {
        let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| is_alive(*node)).collect();
        let leader = isr.first().copied();
        Self {
            replicas,
            isr,
            leader,
            epoch: LeaderEpoch(0),
            epoch_start: Offset(0),
            log: PartitionLog::new(LeaderEpoch(0)),
            laggards: BTreeMap::new(),
        }
    }

    /// Hands the leadership over; the epoch grows even if the leader stays.
    ///
    /// A leader that lagged has what it had: what only others had is lost, and they cut their logs to its own.
    pub(crate) fn elect(&mut self, leader: Option<NodeId>) {
        self.leader = leader;
        self.epoch = LeaderEpoch(self.epoch.0.saturating_add(1));
        let Some(leader) = leader else { return };
        if let Some(ends) = self.laggards.remove(&leader) {
            self.cut_to(ends.log_end);
        }
        self.epoch_start = self.log.log_end();
        self.log.begin_epoch(self.epoch);
        self.settle_high_watermark();
    }

    /// Drops what lies from `end` on, at every replica.
    pub(crate) fn cut_to(&mut self, end: Offset) {
        self.log.truncate_to(end);
        let end = self.log.log_end();
        for ends in self.laggards.values_mut() {
            ends.log_end = ends.log_end.min(end);
            ends.high_watermark = ends.high_watermark.min(end);
        }
    }

    /// How far a replica has come.
    pub(crate) fn ends(&self, node: NodeId) -> ReplicaEnds {
        let leaders = ReplicaEnds { log_end: self.log.log_end(), high_watermark: self.log.high_watermark() };
        self.laggards.get(&node).copied().unwrap_or(leaders)
    }

    /// The log as a replica shows it.
    pub(crate) fn view(&self, node: NodeId) -> ReplicaView<'_> {
        ReplicaView::new(&self.log, self.ends(node))
    }

    /// Lets a follower stand still at `ends`, or follow again. One that lacks what is below the high watermark cannot be
    /// in sync.
    pub(crate) fn set_ends(&mut self, node: NodeId, ends: Option<ReplicaEnds>) {
        match ends {
            Some(ends) => {
                if ends.log_end < self.log.high_watermark() && self.isr.len() > 1 {
                    self.isr.retain(|replica| *replica != node);
                }
                self.laggards.insert(node, ends);
            }
            None => drop(self.laggards.remove(&node)),
        }
        self.settle_high_watermark();
    }

    /// The high watermark is what all replicas in sync have.
    pub(crate) fn settle_high_watermark(&mut self) {
        let in_sync = self.laggards.iter().filter(|(node, _)| self.isr.contains(node));
        let least = in_sync.map(|(_, ends)| ends.log_end).min();
        self.log.hold_back(least);
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
