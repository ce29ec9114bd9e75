//! What brokers do to their logs without being asked: retention and compaction, each in its own rhythm.
//!
//! Nobody waits for either, so there is no timer: whatever was due is done before the next request is looked at, and
//! to a client that comes then it is as if it had been done in time.
use std::time::{Duration, Instant};

use courant_protocol::types::UnixMillis;

use super::state::Cluster;
use super::topic::Topic;
use crate::config::BrokerConfig;
use crate::group::Moment;
use crate::log::{Compaction, Retention};

/// When what is due.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    retention: Option<Instant>,
    compaction: Option<Instant>,
}

impl Cluster {
    /// Does what was due before now.
    pub(crate) fn keep_up(&mut self, at: Moment) {
        let span = |name: &str| {
            Duration::from_millis(u64::try_from(self.config.number(name)).unwrap_or_default().max(1))
        };
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= at.now);
        if self.upkeep.retention.is_none() {
            self.upkeep.retention = Some(at.now + span("log.initial.task.delay.ms"));
            self.upkeep.compaction = Some(at.now + span("log.cleaner.backoff.ms"));
        }
        if is_due(self.upkeep.retention) {
            self.upkeep.retention = Some(at.now + span("log.retention.check.interval.ms"));
            self.run_retention(at.unix);
        }
        if is_due(self.upkeep.compaction) {
            self.upkeep.compaction = Some(at.now + self.cleaner_backoff());
            if self.config.is_on("log.cleaner.enable") {
                self.compact(at.unix, false);
            }
        }
    }

    fn cleaner_backoff(&self) -> Duration {
        let backoff = self.config.number("log.cleaner.backoff.ms");
        Duration::from_millis(u64::try_from(backoff).unwrap_or_default().max(1))
    }

    /// Drops segments that are too old or too many.
    pub(crate) fn run_retention(&mut self, now: UnixMillis) {
        let Self { topics, config, touched, .. } = self;
        for topic in topics.values_mut().filter(|topic| topic.config.cleans_by(config, "delete")) {
            for index in 0..topic.partitions.len() {
                let retention = retention(topic, config, index);
                let Some(partition) = topic.partitions.get_mut(index) else { continue };
                if partition.log.retain(now, retention).is_some() {
                    touched.push((topic.id, i32::try_from(index).unwrap_or(i32::MAX)));
                }
            }
        }
    }

    /// Compacts everything that may be compacted, the segments that are written to included.
    pub(crate) fn run_compaction(&mut self, now: UnixMillis) {
        self.compact(now, true);
    }

    /// Compacts what is due; `all` of it where nobody waits for more to come together.
    fn compact(&mut self, now: UnixMillis, all: bool) {
        let Self { topics, config, .. } = self;
        for topic in topics.values_mut().filter(|topic| topic.config.cleans_by(config, "compact")) {
            let number = |name: &str| topic.config.number(config, name);
            let by = Compaction {
                now,
                delete_retention_ms: number("delete.retention.ms"),
                min_lag_ms: number("min.compaction.lag.ms"),
                with_active: all,
            };
            let least_ratio = topic.config.value(config, "min.cleanable.dirty.ratio").parse().unwrap_or(0.5);
            let max_lag_ms = number("max.compaction.lag.ms");
            for partition in &mut topic.partitions {
                if all || partition.log.is_dirty(now, least_ratio, max_lag_ms) {
                    partition.log.compact(&by);
                }
            }
        }
    }
}

/// What the leader of a partition keeps of it.
fn retention(topic: &Topic, config: &BrokerConfig, index: usize) -> Retention {
    let leader = topic.partitions.get(index).and_then(|partition| partition.leader);
    let own = leader.map(|leader| config.at(leader));
    let config = own.as_deref().unwrap_or(config);
    Retention {
        ms: topic.config.number(config, "retention.ms"),
        bytes: topic.config.number(config, "retention.bytes"),
    }
}
