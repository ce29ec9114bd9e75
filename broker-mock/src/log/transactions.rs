//! Which transactions of a partition are open and which were aborted (KIP-98), as its batches tell.
use std::collections::BTreeMap;

use courant_protocol::types::{Offset, ProducerId};

/// A transaction that was aborted, as Fetch reports it to readers of committed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: ProducerId,
    pub(crate) first_offset: Offset,
    last_offset: Offset,
}

/// The transactions of one log.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    open: BTreeMap<ProducerId, Offset>,
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    /// A transactional batch was appended at `first_offset`.
    pub(super) fn begin(&mut self, producer_id: ProducerId, first_offset: Offset) {
        self.open.entry(producer_id).or_insert(first_offset);
    }

    /// The marker at `marker` ends the producer's transaction.
    pub(super) fn end(&mut self, producer_id: ProducerId, marker: Offset, committed: bool) {
        let begun = self.open.remove(&producer_id);
        if let (Some(first_offset), false) = (begun, committed) {
            self.aborted.push(AbortedTransaction { producer_id, first_offset, last_offset: marker });
        }
    }

    /// The first offset of an open transaction: no reader of committed records gets further.
    pub(super) fn first_open(&self) -> Option<Offset> {
        self.open.values().min().copied()
    }

    /// Where the producer's open transaction begins.
    pub(super) fn start_of(&self, producer_id: ProducerId) -> Option<Offset> {
        self.open.get(&producer_id).copied()
    }

    /// The aborted transactions that touch the offsets from `from` up to but not including `to`.
    pub(super) fn aborted_between(
        &self,
        from: Offset,
        to: Offset,
    ) -> impl Iterator<Item = AbortedTransaction> {
        self.aborted.iter().copied().filter(move |txn| txn.last_offset >= from && txn.first_offset < to)
    }

    /// Forgets what ended before the log begins.
    pub(super) fn truncate_front(&mut self, start: Offset) {
        self.aborted.retain(|txn| txn.last_offset >= start);
    }

    /// Forgets what began or ended behind the log's end.
    pub(super) fn truncate_back(&mut self, end: Offset) {
        self.aborted.retain(|txn| txn.last_offset < end);
        self.open.retain(|_, first| *first < end);
    }
}
