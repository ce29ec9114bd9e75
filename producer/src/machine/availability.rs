//! Which brokers take nothing although there is something for them (`partitioner.availability.timeout.ms`, KIP-794).
//!
//! A broker that hangs keeps its leaderships for a while, and a record without a key need not go there. The time counts
//! from when batches were first ready for the broker and could not be given to it, be it because there is no connection,
//! or because it owes too many answers, or because it throttles; each request that it takes ends that time.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use courant_protocol::types::NodeId;

/// Since when batches wait for each broker, and for which they have waited too long.
pub(crate) struct Availability {
    timeout: Duration,
    waiting_since: BTreeMap<NodeId, Instant>,
    slow: BTreeSet<NodeId>,
}

impl Availability {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, waiting_since: BTreeMap::new(), slow: BTreeSet::new() }
    }

    /// A broker took a request.
    pub(crate) fn handle_taken(&mut self, node: NodeId) {
        self.waiting_since.remove(&node);
    }

    /// These brokers, and no others, have batches ready for them that they did not take.
    pub(crate) fn handle_waiting(&mut self, now: Instant, nodes: &BTreeSet<NodeId>) {
        self.waiting_since.retain(|node, _| nodes.contains(node));
        for node in nodes {
            self.waiting_since.entry(*node).or_insert(now);
        }
    }

    /// The slow brokers, if they are others than they were.
    pub(crate) fn poll_slow(&mut self, now: Instant) -> Option<&BTreeSet<NodeId>> {
        let late = |since: Instant| now.saturating_duration_since(since) > self.timeout;
        let slow: BTreeSet<NodeId> =
            self.waiting_since.iter().filter(|(_, since)| late(**since)).map(|(node, _)| *node).collect();
        (slow != self.slow).then(|| {
            self.slow = slow;
            &self.slow
        })
    }

    /// When the next broker becomes slow, if it goes on taking nothing.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let waiting = self.waiting_since.iter().filter(|(node, _)| !self.slow.contains(node));
        waiting.map(|(_, since)| *since + self.timeout + PAST).min()
    }
}

/// Slow is who took more than the timeout, not just as much.
const PAST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(100);

    fn nodes(ids: &[i32]) -> BTreeSet<NodeId> {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    #[test]
    fn a_broker_is_slow_once_batches_waited_too_long_and_until_it_takes_one() {
        let start = Instant::now();
        let mut availability = Availability::new(TIMEOUT);
        availability.handle_waiting(start, &nodes(&[1, 2]));
        let wake = availability.next_wake().unwrap();
        assert!((start + TIMEOUT..start + 2 * TIMEOUT).contains(&wake));
        assert_eq!(availability.poll_slow(start + TIMEOUT), None);
        availability.handle_taken(NodeId(2));
        availability.handle_waiting(start + TIMEOUT, &nodes(&[1, 2]));
        assert_eq!(availability.poll_slow(wake), Some(&nodes(&[1])), "2 took something in between");
        assert_eq!(availability.poll_slow(wake), None, "it is said once");
        availability.handle_taken(NodeId(1));
        assert_eq!(availability.poll_slow(wake), Some(&nodes(&[])));
    }

    #[test]
    fn a_broker_for_which_nothing_waits_any_more_is_tried_again() {
        let start = Instant::now();
        let mut availability = Availability::new(TIMEOUT);
        availability.handle_waiting(start, &nodes(&[1]));
        assert_eq!(availability.poll_slow(start + 2 * TIMEOUT), Some(&nodes(&[1])));
        assert_eq!(availability.next_wake(), None, "a slow one needs no watching");
        availability.handle_waiting(start + 2 * TIMEOUT, &nodes(&[]));
        assert_eq!(availability.poll_slow(start + 2 * TIMEOUT), Some(&nodes(&[])));
        availability.handle_waiting(start + 3 * TIMEOUT, &nodes(&[1]));
        assert_eq!(availability.poll_slow(start + 4 * TIMEOUT), None, "the time counts anew");
    }
}
