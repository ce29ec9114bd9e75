//! What a partition remembers of each idempotent producer (KIP-98): its epoch and its last five batches.
use std::collections::{BTreeMap, VecDeque};

use courant_protocol::error_code::ErrorCode;
use courant_protocol::record::BatchHeader;
use courant_protocol::record::control::ControlRecord;
use courant_protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, UnixMillis};

/// How many batches are remembered: as many as a producer may have in flight.
const REMEMBERED_BATCHES: usize = 5;

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new and in sequence.
    Append,
    /// It lies in the log already; the answer repeats where.
    Duplicate {
        /// Where it lies.
        base_offset: Offset,
        /// Its own largest timestamp, which is the append time under LogAppendTime.
        timestamp: UnixMillis,
    },
    /// It is refused.
    Refuse(ErrorCode),
}

/// A producer as DescribeProducers shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenProducer {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) last_sequence: Sequence,
    pub(crate) last_timestamp: UnixMillis,
    /// The epoch of the coordinator that wrote its last marker, -1 without one.
    pub(crate) coordinator_epoch: i32,
}

/// All producers of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProducerStates {
    producers: BTreeMap<ProducerId, ProducerState>,
}

#[derive(Clone, Debug)]
struct ProducerState {
    epoch: ProducerEpoch,
    batches: VecDeque<Remembered>,
    last_timestamp: UnixMillis,
    coordinator_epoch: i32,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    first: Sequence,
    last: Sequence,
    base_offset: Offset,
    last_offset: Offset,
    timestamp: UnixMillis,
}

impl ProducerStates {
    /// Judges a batch, in the order of Kafka's `ProducerAppendInfo`: duplicates first, then epoch, then sequence.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        let Some(state) = self.producers.get(&header.producer_id) else {
            // A producer that nobody remembers may begin anywhere: its state may have expired.
            return Verdict::Append;
        };
        if let Some(copy) = state.find(header) {
            return Verdict::Duplicate { base_offset: copy.base_offset, timestamp: copy.timestamp };
        }
        if header.producer_epoch < state.epoch {
            return Verdict::Refuse(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let expected = state.next_sequence(header.producer_epoch);
        if header.base_sequence == expected {
            Verdict::Append
        } else {
            Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
    }

    /// The sequence that the next batch of a producer has to begin with.
    pub(crate) fn next_sequence(&self, id: ProducerId, epoch: ProducerEpoch) -> Sequence {
        self.producers.get(&id).map_or(Sequence(0), |state| state.next_sequence(epoch))
    }

    /// The epoch in which a producer wrote last.
    pub(crate) fn epoch_of(&self, id: ProducerId) -> Option<ProducerEpoch> {
        self.producers.get(&id).map(|state| state.epoch)
    }

    /// Remembers a batch that was appended at `header.base_offset`, and what it says if it ends a transaction.
    pub(crate) fn remember(&mut self, header: &BatchHeader, marker: Option<ControlRecord>) {
        let state = self.producers.entry(header.producer_id).or_insert_with(|| ProducerState {
            epoch: header.producer_epoch,
            batches: VecDeque::with_capacity(REMEMBERED_BATCHES),
            last_timestamp: UnixMillis::NONE,
            coordinator_epoch: -1,
        });
        if header.producer_epoch > state.epoch {
            state.epoch = header.producer_epoch;
            state.batches.clear();
        }
        state.last_timestamp = header.max_timestamp;
        if let Some(
            ControlRecord::Commit { coordinator_epoch } | ControlRecord::Abort { coordinator_epoch },
        ) = marker
        {
            state.coordinator_epoch = coordinator_epoch;
        }
        if !header.base_sequence.is_some() {
            return;
        }
        if state.batches.len() == REMEMBERED_BATCHES {
            state.batches.pop_front();
        }
        state.batches.push_back(Remembered {
            first: header.base_sequence,
            last: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            timestamp: header.max_timestamp,
        });
    }

    /// Everybody who is remembered.
    pub(crate) fn all(&self) -> impl Iterator<Item = SeenProducer> {
        self.producers.iter().map(|(id, state)| {
            let last = state.batches.back();
            SeenProducer {
                id: *id,
                epoch: state.epoch,
                last_sequence: last.map_or(Sequence::NONE, |last| last.last),
                last_timestamp: state.last_timestamp,
                coordinator_epoch: state.coordinator_epoch,
            }
        })
    }

    /// Whether a batch is the last that its producer wrote.
    pub(crate) fn is_last(&self, header: &BatchHeader) -> bool {
        let last = self.producers.get(&header.producer_id).and_then(|state| state.batches.back());
        last.is_some_and(|last| last.last_offset == header.last_offset)
    }

    /// Forgets batches from `end` on: the log was cut there.
    pub(crate) fn truncate_back(&mut self, end: Offset) {
        for state in self.producers.values_mut() {
            state.batches.retain(|batch| batch.last_offset < end);
        }
        self.producers.retain(|_, state| !state.batches.is_empty());
    }

    /// Takes newer knowledge of those whom it speaks of.
    pub(crate) fn replace_with(&mut self, newer: Self) {
        self.producers.extend(newer.producers);
    }

    /// Forgets everybody, as a broker does whose state expired.
    pub(crate) fn clear(&mut self) {
        self.producers.clear();
    }
}

impl ProducerState {
    fn next_sequence(&self, epoch: ProducerEpoch) -> Sequence {
        match self.batches.back() {
            Some(last) if epoch == self.epoch => last.last.plus(1),
            // A newer epoch begins anew, and so does one in which only a marker was written.
            _ => Sequence(0),
        }
    }

    fn find(&self, header: &BatchHeader) -> Option<&Remembered> {
        let last = header.last_sequence();
        let same = |batch: &&Remembered| batch.first == header.base_sequence && batch.last == last;
        self.batches.iter().find(same).filter(|_| header.producer_epoch == self.epoch)
    }
}
