//! What was fetched and not handed out yet, per partition, and whose turn it is.
//!
//! A paused partition keeps its stretches parked: they are neither handed out nor thrown away, unless all room is
//! taken by paused partitions while others starve.
use std::collections::{BTreeMap, VecDeque};

use courant_protocol::types::TopicPartition;

use super::stretch::Stretch;

/// The parked stretches of all partitions.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    parked: BTreeMap<TopicPartition, Parked>,
    /// The partitions that have something to hand out, each once, next one first.
    turns: VecDeque<TopicPartition>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Parked {
    stretches: VecDeque<Stretch>,
    bytes: usize,
    paused: bool,
    /// Whether its first stretch is out, between [`Buffer::take_turn`] and [`Buffer::end_turn`].
    out: bool,
}

impl Parked {
    fn may_have_turn(&self) -> bool {
        !self.paused && !self.out && !self.stretches.is_empty()
    }
}

impl Buffer {
    /// The memory that all stretches hold, decompressed bytes included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory that one partition's stretches hold.
    pub(crate) fn bytes_of(&self, partition: &TopicPartition) -> usize {
        self.parked.get(partition).map_or(0, |parked| parked.bytes)
    }

    /// Whether a partition that is not paused has something to hand out.
    pub(crate) fn has_turn(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Parks a stretch behind those that came before it.
    pub(crate) fn park(&mut self, partition: &TopicPartition, stretch: Stretch) {
        let bytes = stretch.bytes();
        let parked = self.parked.entry(partition.clone()).or_default();
        parked.stretches.push_back(stretch);
        parked.bytes += bytes;
        self.bytes += bytes;
        if parked.may_have_turn() && parked.stretches.len() == 1 {
            self.turns.push_back(partition.clone());
        }
    }

    /// Takes the first stretch of the partition whose turn it is, until [`Buffer::end_turn`].
    pub(crate) fn take_turn(&mut self) -> Option<(TopicPartition, Stretch)> {
        let partition = self.turns.pop_front()?;
        let parked = self.parked.get_mut(&partition)?;
        let stretch = parked.stretches.pop_front()?;
        let bytes = stretch.bytes();
        parked.out = true;
        parked.bytes -= bytes;
        self.bytes -= bytes;
        Some((partition, stretch))
    }

    /// Ends a turn with what it left. A stretch that was begun stays at the front, so that only one batch of all is
    /// open at a time; after a finished one the next partition has its turn.
    pub(crate) fn end_turn(&mut self, partition: &TopicPartition, left: Option<Stretch>) {
        // The partition may have been given up meanwhile.
        let Some(parked) = self.parked.get_mut(partition) else { return };
        parked.out = false;
        let begun = left.is_some();
        if let Some(stretch) = left {
            let bytes = stretch.bytes();
            parked.stretches.push_front(stretch);
            parked.bytes += bytes;
            self.bytes += bytes;
        }
        if !parked.may_have_turn() {
            return;
        }
        if begun {
            self.turns.push_front(partition.clone());
        } else {
            self.turns.push_back(partition.clone());
        }
    }

    /// Pauses or resumes a partition.
    pub(crate) fn pause(&mut self, partition: &TopicPartition, paused: bool) {
        let parked = self.parked.entry(partition.clone()).or_default();
        if parked.paused == paused {
            return;
        }
        parked.paused = paused;
        if paused {
            self.turns.retain(|turn| turn != partition);
        } else if parked.may_have_turn() {
            self.turns.push_back(partition.clone());
        }
    }

    /// Throws away what is parked for a partition, whose pause stays.
    pub(crate) fn discard(&mut self, partition: &TopicPartition) {
        self.turns.retain(|turn| turn != partition);
        if let Some(parked) = self.parked.get_mut(partition) {
            self.bytes -= parked.bytes;
            parked.bytes = 0;
            parked.stretches.clear();
        }
    }

    /// Forgets a partition that is no longer assigned.
    pub(crate) fn remove(&mut self, partition: &TopicPartition) {
        self.discard(partition);
        self.parked.remove(partition);
    }

    /// The paused partitions that hold memory.
    pub(crate) fn parked_and_paused(&self) -> Vec<TopicPartition> {
        let paused = self.parked.iter().filter(|(_, parked)| parked.paused && !parked.stretches.is_empty());
        paused.map(|(partition, _)| partition.clone()).collect()
    }
}
