//! A static leader that came back: whether the shares that its group has are still everything.
//!
//! It is told to leave the assignment as it is (KIP-814), and cannot know which partitions there were when that was made:
//! whoever watched over them is gone. Java's leader watches from now on, and partitions that came while nobody watched
//! wait for the next rebalance, for whatever reason it may come. This one asks the coordinator once who has what, and
//! makes the group rebalance where a partition is nobody's.
use std::collections::BTreeSet;
use std::time::Instant;

use courant_protocol::types::TopicPartition;

use super::reading::Reading;
use crate::assignor::GroupCluster;
use crate::error::Error;

/// A question about the shares of a group that its leader did not give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspection {
    /// The generation whose shares they are.
    generation_id: i32,
    /// When the coordinator is asked; none while that is under way.
    due: Option<Instant>,
    failures: u32,
}

impl Inspection {
    pub(crate) fn of(generation_id: i32, now: Instant) -> Self {
        Self { generation_id, due: Some(now), failures: 0 }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Reading {
    /// The generation whose shares the coordinator is to be asked for now.
    pub(crate) fn poll_inspection(&mut self, now: Instant) -> Option<i32> {
        let group = self.group.as_mut().filter(|group| group.classic.is_stable())?;
        let inspection = group.inspection.as_mut()?;
        inspection.due.take_if(|due| *due <= now).map(|_| inspection.generation_id)
    }

    /// Takes the shares of a generation; none while the group rebalances, for then they are given anew.
    pub(crate) fn handle_shares(
        &mut self,
        now: Instant,
        generation_id: i32,
        shares: Result<Option<BTreeSet<TopicPartition>>, Error>,
        jitter: f64,
    ) {
        let Some(group) = &mut self.group else { return };
        let under_way = |asked: &&mut Inspection| asked.generation_id == generation_id && asked.due.is_none();
        let Some(inspection) = group.inspection.as_mut().filter(under_way) else { return };
        match shares {
            Err(error) if error.is_retriable() => {
                let wait = group.settings.classic.backoff.delay(inspection.failures, jitter);
                inspection.failures = inspection.failures.saturating_add(1);
                inspection.due = Some(now + wait);
            }
            Err(error) => {
                tracing::warn!(target: "courant::consumer", %error, "partitions that came while no leader watched may be nobody's");
                group.inspection = None;
            }
            Ok(shares) => {
                group.inspection = None;
                let view = group.watched.as_ref();
                if shares.zip(view).is_some_and(|(shares, view)| !covers(&shares, view)) {
                    group.classic.request_rejoin("partitions came while the leader was away");
                }
            }
        }
    }
}

/// Whether every partition is somebody's.
fn covers(shares: &BTreeSet<TopicPartition>, view: &GroupCluster) -> bool {
    view.topics().all(|topic| {
        let owned = shares.iter().filter(|partition| partition.topic == *topic);
        let there = owned.filter(|owned| {
            usize::try_from(owned.partition.0).is_ok_and(|number| number < view.partitions(topic))
        });
        there.count() == view.partitions(topic)
    })
}
