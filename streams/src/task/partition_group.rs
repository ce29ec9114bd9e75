//! The buffered records of a task's partitions, the lowest timestamp first.
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use courant_protocol::types::TopicPartition;

/// What is buffered of one partition.
#[derive(Debug)]
struct Queue<R> {
    records: VecDeque<(i64, R)>,
    /// The largest timestamp that was taken out.
    time: i64,
    /// Until when a task waits for this partition although its broker has nothing more.
    idle_until: Option<Instant>,
}

/// The queues of a task's partitions (Kafka Streams' `PartitionGroup`).
///
/// Records are taken from the partition whose first record has the lowest timestamp; within a partition the order is that
/// of the log. Of several with the same timestamp the first partition by name and number is taken.
#[derive(Debug)]
pub(crate) struct PartitionGroup<R> {
    queues: BTreeMap<TopicPartition, Queue<R>>,
    stream_time: i64,
}

impl<R> PartitionGroup<R> {
    /// Empty queues for these partitions.
    pub(crate) fn new(partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        let queue =
            |partition| (partition, Queue { records: VecDeque::new(), time: UNKNOWN, idle_until: None });
        Self { queues: partitions.into_iter().map(queue).collect(), stream_time: UNKNOWN }
    }

    /// Takes over what an earlier owner committed about how far time has come.
    pub(crate) fn restore_time(&mut self, partition: &TopicPartition, time: i64) {
        if let Some(queue) = self.queues.get_mut(partition) {
            queue.time = queue.time.max(time);
            self.stream_time = self.stream_time.max(time);
        }
    }

    /// Adds a record behind those of its partition; one of another task's partition is dropped.
    pub(crate) fn add(&mut self, partition: &TopicPartition, timestamp: i64, record: R) {
        if let Some(queue) = self.queues.get_mut(partition) {
            queue.records.push_back((timestamp, record));
        }
    }

    /// How many records are buffered.
    pub(crate) fn buffered(&self) -> usize {
        self.queues.values().map(|queue| queue.records.len()).sum()
    }

    /// How many records of a partition are buffered.
    pub(crate) fn buffered_of(&self, partition: &TopicPartition) -> usize {
        self.queues.get(partition).map_or(0, |queue| queue.records.len())
    }

    /// The first buffered record of a partition.
    pub(crate) fn head(&self, partition: &TopicPartition) -> Option<&R> {
        self.queues.get(partition)?.records.front().map(|(_, record)| record)
    }

    /// Whether the next record may be taken, or a record with a lower timestamp may still come (KIP-353, KIP-695).
    ///
    /// `lag` says how many records of a partition its broker has beyond what was handed out, if that is known. Where it is
    /// not known, or is more than nothing, the task waits; where it is nothing, it waits for `max_idle`. Without `max_idle`
    /// it never waits.
    pub(crate) fn is_ready(
        &mut self,
        now: Instant,
        max_idle: Option<Duration>,
        lag: impl Fn(&TopicPartition) -> Option<u64>,
    ) -> bool {
        let Some(max_idle) = max_idle else { return self.buffered() > 0 };
        let mut waits = false;
        for (partition, queue) in &mut self.queues {
            if !queue.records.is_empty() || lag(partition) != Some(0) {
                waits |= queue.records.is_empty();
                queue.idle_until = None;
            } else {
                waits |= now < *queue.idle_until.get_or_insert(now + max_idle);
            }
        }
        !waits && self.buffered() > 0
    }

    /// The partition whose turn it is, and its first record.
    pub(crate) fn peek(&self) -> Option<(&TopicPartition, &R)> {
        let heads = self.queues.iter().filter_map(|(partition, queue)| {
            let (timestamp, record) = queue.records.front()?;
            Some((*timestamp, partition, record))
        });
        heads.min_by_key(|(timestamp, ..)| *timestamp).map(|(_, partition, record)| (partition, record))
    }

    /// Takes the first record of a partition out, with its timestamp; stream time goes on to that.
    pub(crate) fn take(&mut self, partition: &TopicPartition) -> Option<(i64, R)> {
        let queue = self.queues.get_mut(partition)?;
        let (timestamp, record) = queue.records.pop_front()?;
        queue.time = queue.time.max(timestamp);
        self.stream_time = self.stream_time.max(timestamp);
        Some((timestamp, record))
    }

    /// How many records from the front of a partition may be taken before it is another one's turn, at most `most`.
    pub(crate) fn run_length(&self, partition: &TopicPartition, most: usize) -> usize {
        let others = self.queues.iter().filter(|(other, _)| *other != partition);
        let heads = others.filter_map(|(other, queue)| Some((queue.records.front()?.0, other)));
        let Some(queue) = self.queues.get(partition) else { return 0 };
        match heads.min() {
            None => queue.records.len().min(most),
            Some(rival) => {
                let before = |(timestamp, _): &&(i64, R)| (*timestamp, partition) < rival;
                queue.records.iter().take(most).take_while(before).count()
            }
        }
    }

    /// The largest timestamp that was taken of a partition; -1 if there was none.
    pub(crate) fn partition_time(&self, partition: &TopicPartition) -> i64 {
        self.queues.get(partition).map_or(UNKNOWN, |queue| queue.time)
    }

    /// The largest timestamp that was taken; -1 if there was none.
    pub(crate) fn stream_time(&self) -> i64 {
        self.stream_time
    }
}

/// Before the first record.
const UNKNOWN: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    fn group(records: &[(&str, &[i64])]) -> PartitionGroup<i64> {
        let mut group = PartitionGroup::new(records.iter().map(|(topic, _)| (*topic, 0).into()));
        for (topic, timestamps) in records {
            timestamps.iter().for_each(|time| group.add(&(*topic, 0).into(), *time, *time));
        }
        group
    }

    fn drain(group: &mut PartitionGroup<i64>) -> Vec<String> {
        let mut taken = Vec::new();
        while let Some((partition, _)) = group.peek() {
            let partition = partition.clone();
            let (time, _) = group.take(&partition).unwrap();
            taken.push(format!("{}{time}", partition.topic));
        }
        taken
    }

    #[test]
    fn the_lowest_first_timestamp_comes_first_and_a_log_keeps_its_order() {
        let mut group = group(&[("a", &[5, 1, 9]), ("b", &[2, 6, 7])]);
        assert_eq!(drain(&mut group), ["b2", "a5", "a1", "b6", "b7", "a9"]);
        assert_eq!((group.stream_time(), group.partition_time(&("b", 0).into())), (9, 7));
    }

    #[test]
    fn a_run_ends_where_another_partition_comes_first() {
        let mut two = group(&[("a", &[1, 2, 3, 8]), ("b", &[3, 4])]);
        // Of equal timestamps the first partition is taken.
        assert_eq!(two.run_length(&("a", 0).into(), 100), 3);
        assert_eq!(two.run_length(&("a", 0).into(), 2), 2);
        for _ in 0..3 {
            two.take(&("a", 0).into());
        }
        assert_eq!(two.run_length(&("b", 0).into(), 100), 2);
        assert_eq!(group(&[("a", &[1, 2])]).run_length(&("a", 0).into(), 100), 2);
    }

    #[test]
    fn an_empty_partition_is_waited_for_as_long_as_its_broker_may_have_more() {
        let mut group = group(&[("a", &[1]), ("b", &[])]);
        let (now, idle) = (Instant::now(), Duration::from_millis(10));
        assert!(!group.is_ready(now, Some(Duration::ZERO), |_| None), "the lag is not known yet");
        assert!(!group.is_ready(now, Some(Duration::ZERO), |_| Some(3)), "the broker has more");
        assert!(group.is_ready(now, Some(Duration::ZERO), |_| Some(0)), "the broker has nothing");
        assert!(!group.is_ready(now, Some(idle), |_| Some(3)));
        assert!(!group.is_ready(now, Some(idle), |_| Some(0)), "the wait begins here");
        assert!(!group.is_ready(now + idle / 2, Some(idle), |_| Some(0)));
        assert!(group.is_ready(now + idle, Some(idle), |_| Some(0)));
        assert!(group.is_ready(now, None, |_| None), "who does not wait takes what there is");
    }

    #[test]
    fn nothing_buffered_is_never_ready() {
        let mut group = group(&[("a", &[])]);
        assert!(!group.is_ready(Instant::now(), None, |_| Some(0)));
        assert!(!group.is_ready(Instant::now(), Some(Duration::ZERO), |_| Some(0)));
    }

    #[test]
    fn time_that_was_committed_goes_on() {
        let mut group = group(&[("a", &[3])]);
        group.restore_time(&("a", 0).into(), 100);
        group.take(&("a", 0).into());
        assert_eq!((group.stream_time(), group.partition_time(&("a", 0).into())), (100, 100));
    }
}
