//! Records of repartition topics that nobody needs any more.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use courant_admin::Admin;
use courant_client::Kafka;
use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::Task;

/// Deletes what was read from repartition topics and is committed (KIP-811). It goes on beside the worker, and whatever
/// fails is tried again with the next one: the records do no harm.
pub(super) struct Purge {
    interval: Duration,
    due: Instant,
    running: Option<Task>,
    purged: BTreeMap<TopicPartition, Offset>,
}

impl Purge {
    pub(super) fn new(now: Instant, interval: Duration) -> Self {
        Self { interval, due: now + interval, running: None, purged: BTreeMap::new() }
    }

    /// When to look again.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Deletes the records before these offsets, unless that is under way.
    pub(super) fn run(
        &mut self,
        now: Instant,
        kafka: &Kafka,
        committed: impl Iterator<Item = (TopicPartition, Offset)>,
    ) {
        self.due = now + self.interval;
        if self.running.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let moved: Vec<(TopicPartition, Offset)> =
            committed.filter(|(partition, offset)| self.purged.get(partition) != Some(offset)).collect();
        if moved.is_empty() {
            return;
        }
        self.purged.extend(moved.iter().cloned());
        let admin = Admin::new(kafka).with_timeout(self.interval.clamp(LEAST_TIMEOUT, MOST_TIMEOUT));
        self.running = Some(kafka.world().spawn("courant-streams-purge", async move {
            for (partition, deleted) in admin.delete_records(moved).await {
                if let Err(error) = deleted {
                    tracing::debug!(target: "courant::streams", %partition, %error, "records are deleted later");
                }
            }
        }));
    }

    /// Stops what is under way.
    pub(super) async fn close(&mut self) {
        if let Some(mut task) = self.running.take() {
            task.abort();
            // It was stopped, or had ended: nobody needs to know which.
            task.join().await.ok();
        }
    }
}

const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
const MOST_TIMEOUT: Duration = Duration::from_secs(30);
