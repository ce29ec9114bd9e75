//! One partition's batches: a queue in order, what is on its way, and the sequences that the broker expects.
use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use courant_client::Error;
use courant_protocol::types::{
    LeaderEpoch, NodeId, Offset, PartitionId, Sequence, TopicId, TopicName, UnixMillis,
};
use courant_protocol::wire::Str;

use super::batch::{Batch, Order, SequenceStamp};
use super::identity::{Bump, Identity, Producer, bump};

/// A partition of one incarnation of a topic, and its number among all that this producer writes to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) number: usize,
    pub(crate) topic: TopicName,
    pub(crate) topic_id: TopicId,
    pub(crate) partition: PartitionId,
}

/// Whether the sequences that went out are without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// They are.
    Sound,
    /// A batch was given up without knowing whether it was written. Only what carries a sequence already is sent.
    Unresolved,
    /// There is a gap right before the batch of this order, or in its place. What stands before it keeps its sequence
    /// and goes out as ever: it may be written already. Once nothing is on its way and the gap is next, the sequences
    /// start anew under another epoch.
    Broken(Order),
}

pub(super) struct Partition {
    pub(super) place: Place,
    /// The topic's name as messages have it.
    pub(super) topic: Str,
    pub(super) leader: Option<NodeId>,
    pub(super) leader_epoch: LeaderEpoch,
    /// In order; those that were sent before, and so carry a sequence, stand in front.
    pub(super) queue: VecDeque<Batch>,
    /// What is on its way.
    pub(super) in_flight: BTreeSet<Order>,
    next_order: u64,
    producer: Option<Producer>,
    next_sequence: Sequence,
    last_acked: Option<Sequence>,
    pub(super) last_acked_offset: Offset,
    pub(super) continuity: Continuity,
    /// The gap is behind a batch of unknown fate, which an ended connection may still carry to the broker: then the gap
    /// closes, and what was sent after it over the same connection is written too.
    pub(super) gap_may_close: bool,
    /// Batches that went out before the sequences started anew, and may be written for that reason.
    pub(super) abandoned: Vec<Batch>,
    /// Why the last attempt did not succeed.
    pub(super) trouble: Option<Error>,
    /// The front of the queue backs off until then.
    pub(super) retry_at: Option<Instant>,
    /// The leader that acknowledged last. Until one has, a single batch is on its way: a broker without memory of the
    /// producer takes any sequence, so that a second batch could overtake a first one that failed.
    confirmed_on: Option<NodeId>,
}

impl Partition {
    pub(super) fn new(place: Place) -> Self {
        Self {
            topic: Str::from(&place.topic),
            place,
            leader: None,
            leader_epoch: LeaderEpoch::NONE,
            queue: VecDeque::new(),
            in_flight: BTreeSet::new(),
            next_order: 0,
            producer: None,
            next_sequence: Sequence(0),
            last_acked: None,
            last_acked_offset: Offset::NONE,
            continuity: Continuity::Sound,
            gap_may_close: false,
            abandoned: Vec::new(),
            trouble: None,
            retry_at: None,
            confirmed_on: None,
        }
    }

    /// Queues a batch that is new.
    pub(super) fn push(&mut self, mut batch: Batch) {
        batch.order = Order(self.next_order, 0);
        self.next_order += 1;
        if self.queue.capacity() == 0 {
            self.queue.reserve_exact(1);
        }
        self.queue.push_back(batch);
    }

    /// Queues a batch again, or a part of one, where its sequence belongs: several may come back in any order.
    pub(super) fn reinsert(&mut self, mut batch: Batch) {
        batch.set_waiting(true);
        let place = self.queue.partition_point(|queued| queued.order < batch.order);
        self.queue.insert(place, batch);
    }

    /// Whether the front of the queue may go out now; `max_in_flight` counts batches of this partition.
    pub(super) fn is_ready(&self, now: Instant, identity: &Identity, max_in_flight: usize) -> bool {
        let Some(front) = self.queue.front() else { return false };
        if self.retry_at.is_some_and(|at| at > now) || self.in_flight.len() >= max_in_flight {
            return false;
        }
        match identity {
            Identity::Anonymous => true,
            // What goes out again waits for everything before it: the broker takes it in no other order.
            _ if front.stamp.is_some() && !self.is_behind_gap(front) => {
                self.in_flight.first().is_none_or(|oldest| *oldest > front.order)
            }
            identity => self.takes_new(identity),
        }
    }

    /// Whether a batch that has no sequence yet may go out, as far as sequences are concerned.
    pub(super) fn takes_new(&self, identity: &Identity) -> bool {
        let known = matches!(identity, Identity::Known(_));
        match self.continuity {
            _ if matches!(identity, Identity::Anonymous) => true,
            Continuity::Sound if self.confirmed_on.is_some() && self.confirmed_on == self.leader => true,
            Continuity::Sound => self.in_flight.is_empty() && (known || self.producer.is_some()),
            Continuity::Unresolved => false,
            Continuity::Broken(_) => self.in_flight.is_empty() && known,
        }
    }

    /// Whether its queue does not go on without a producer id from the brokers.
    pub(super) fn needs_identity(&self) -> bool {
        self.producer.is_none() || matches!(self.continuity, Continuity::Broken(_))
    }

    fn is_behind_gap(&self, batch: &Batch) -> bool {
        matches!(self.continuity, Continuity::Broken(gap) if gap <= batch.order)
    }

    /// There is a gap before this batch, or in its place; of several, the first one counts.
    pub(super) fn note_gap(&mut self, at: Order) {
        self.continuity = match self.continuity {
            Continuity::Broken(known) => Continuity::Broken(known.min(at)),
            Continuity::Sound | Continuity::Unresolved => Continuity::Broken(at),
        };
    }

    /// Takes the front of the queue and stamps it; `None` if that needs another producer id first.
    pub(super) fn take(&mut self, identity: &mut Identity, now: Instant) -> Option<Batch> {
        let at_gap = self.queue.front().is_some_and(|front| self.is_behind_gap(front));
        if at_gap && !self.restart(identity, now) {
            return None;
        }
        let mut batch = self.queue.pop_front()?;
        if batch.stamp.is_none() && !matches!(identity, Identity::Anonymous) {
            let Some(producer) = self.producer.or(identity.known()) else {
                self.queue.push_front(batch);
                return None;
            };
            self.producer = Some(producer);
            batch.stamp = Some(SequenceStamp { producer, base_sequence: self.next_sequence });
            self.next_sequence = self.next_sequence.plus(batch.count());
        }
        self.retry_at = None;
        batch.set_waiting(false);
        batch.attempts += 1;
        self.in_flight.insert(batch.order);
        Some(batch)
    }

    /// Starts the sequences anew under the next epoch. Nothing is on its way, so no answer can refer to the old ones.
    fn restart(&mut self, identity: &mut Identity, now: Instant) -> bool {
        let Some(newest) = identity.known() else { return false };
        match bump(self.producer, newest) {
            Bump::To(producer) => {
                *identity = Identity::Known(producer);
                self.producer = Some(producer);
            }
            Bump::NewId => {
                *identity = Identity::Wanted { not_before: now, attempts: 0 };
                self.producer = None;
            }
        }
        self.next_sequence = Sequence(0);
        self.last_acked = None;
        self.confirmed_on = None;
        self.continuity = Continuity::Sound;
        if std::mem::take(&mut self.gap_may_close) {
            let queued = std::mem::take(&mut self.queue).into_iter();
            let (doubtful, sure): (Vec<_>, Vec<_>) =
                queued.partition(|batch| batch.stamp.is_some() && batch.possibly_written);
            self.abandoned.extend(doubtful);
            self.queue.extend(sure);
        }
        for batch in &mut self.queue {
            batch.restamped |= batch.stamp.take().is_some();
            // The gap is before it, so the broker cannot have taken it.
            batch.possibly_written = false;
        }
        self.producer.is_some()
    }

    /// Whether the batch's sequence is the one that the broker expects.
    pub(super) fn is_next(&self, batch: &Batch) -> bool {
        let expected = self.last_acked.map_or(Sequence(0), |last| last.plus(1));
        batch.stamp.is_some_and(|stamp| stamp.base_sequence == expected)
    }

    /// The broker has the batch.
    pub(super) fn acknowledge(
        &mut self,
        batch: &mut Batch,
        node: NodeId,
        base_offset: Offset,
        log_append_time: Option<UnixMillis>,
    ) {
        self.confirmed_on = Some(node);
        self.trouble = None;
        if batch.stamp.map(|stamp| stamp.producer) == self.producer
            && let Some(last) = batch.last_sequence()
            && self.last_acked.is_none_or(|acked| follows(last, acked))
        {
            self.last_acked = Some(last);
        }
        if base_offset.is_some() {
            let last = Offset(base_offset.0 + i64::from(batch.count()) - 1);
            self.last_acked_offset = self.last_acked_offset.max(last);
        }
        batch.deliver(base_offset, log_append_time);
    }

    /// A batch was given up although it carries a sequence.
    pub(super) fn note_given_up(&mut self, batch: &Batch) {
        match (batch.stamp, batch.possibly_written, self.continuity) {
            (Some(_), true, Continuity::Sound) => self.continuity = Continuity::Unresolved,
            (None, ..) | (Some(_), true, _) => {}
            (Some(_), false, _) => self.note_gap(batch.order),
        }
    }

    /// Once all that carries a sequence has its outcome, the last acknowledged sequence tells whether one is missing.
    pub(super) fn resolve(&mut self) {
        let undecided = !self.in_flight.is_empty() || self.queue.front().is_some_and(|b| b.stamp.is_some());
        if self.continuity == Continuity::Unresolved && !undecided {
            let expected = self.last_acked.map_or(Sequence(0), |last| last.plus(1));
            let sound = expected == self.next_sequence;
            self.continuity = if sound { Continuity::Sound } else { Continuity::Broken(Order::default()) };
        }
    }

    /// Whether sequences of it went out under this epoch.
    pub(super) fn has_used(&self, producer: Producer) -> bool {
        self.producer == Some(producer)
    }

    /// Nothing of it is anywhere, perhaps for long: it keeps no more memory than it needs, as there may be thousands.
    pub(super) fn rest(&mut self) {
        self.retry_at = None;
        self.queue = VecDeque::new();
        self.in_flight = BTreeSet::new();
    }

    /// Whether nothing of it is anywhere.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// For tests of what takes two thousand million records to come about.
    #[cfg(test)]
    pub(super) fn start_at(&mut self, producer: Producer, next: Sequence) {
        self.producer = Some(producer);
        self.next_sequence = next;
        self.last_acked = Some(Sequence(next.0 - 1));
    }
}

/// Whether `later` comes after `earlier`, on the circle of sequences.
fn follows(later: Sequence, earlier: Sequence) -> bool {
    let distance = later.0.wrapping_sub(earlier.0) & i32::MAX;
    distance > 0 && distance < i32::MAX / 2
}

impl Identity {
    pub(super) fn known(&self) -> Option<Producer> {
        match self {
            Self::Known(producer) => Some(*producer),
            _ => None,
        }
    }
}
