//! Which transactions of a partition are open, which have ended and how (KIP-98), as its batches tell.
//!
//! What Kafka keeps in `ProducerStateManager` (open, and ended but not yet replicated) and in the `TransactionIndex` of
//! each segment (aborted).
use std::collections::BTreeMap;

use courant_protocol::types::{Offset, ProducerId};

/// A transaction that was aborted, as Fetch reports it to readers of committed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: ProducerId,
    pub(crate) first_offset: Offset,
}

/// A transaction whose marker lies in the log.
#[derive(Clone, Copy, Debug)]
struct Ended {
    producer_id: ProducerId,
    first_offset: Offset,
    marker: Offset,
    committed: bool,
    /// The first offset that was still open when the marker came: whatever begins later lies behind it.
    last_stable_offset: Offset,
}

/// The transactions of one log.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    open: BTreeMap<ProducerId, Offset>,
    /// In the order of their markers.
    ended: Vec<Ended>,
}

impl Transactions {
    /// A transactional batch was appended at `first_offset`.
    pub(super) fn begin(&mut self, producer_id: ProducerId, first_offset: Offset) {
        self.open.entry(producer_id).or_insert(first_offset);
    }

    /// The marker at `marker` ends the producer's transaction; without one it means nothing.
    pub(super) fn end(&mut self, producer_id: ProducerId, marker: Offset, committed: bool) {
        let Some(first_offset) = self.open.remove(&producer_id) else { return };
        let still_open = self.open.values().min().copied();
        let last_stable_offset = still_open.unwrap_or(Offset(marker.0 + 1));
        self.ended.push(Ended { producer_id, first_offset, marker, committed, last_stable_offset });
    }

    /// The first offset of a transaction that is open, or whose marker is not below the high watermark: no reader of
    /// committed records gets further.
    pub(super) fn first_unstable(&self, high_watermark: Offset) -> Option<Offset> {
        let unreplicated = self.ended.iter().rev().take_while(|txn| txn.marker >= high_watermark);
        self.open.values().copied().chain(unreplicated.map(|txn| txn.first_offset)).min()
    }

    /// Where the producer's open transaction begins.
    pub(super) fn start_of(&self, producer_id: ProducerId) -> Option<Offset> {
        self.open.get(&producer_id).copied()
    }

    /// The aborted transactions that touch the offsets from `from` up to but not including `to`, in the order of their
    /// markers, as a replica knows them whose log ends at `log_end` (Kafka's `collectAbortedTxns`).
    pub(super) fn aborted_between(
        &self,
        from: Offset,
        to: Offset,
        log_end: Offset,
    ) -> impl Iterator<Item = AbortedTransaction> {
        let begun = self.ended.partition_point(|txn| txn.marker < from);
        let after = self.ended.get(begun..).unwrap_or_default().iter();
        let mut complete = false;
        after
            .take_while(move |txn| txn.marker < log_end)
            .filter(|txn| !txn.committed)
            .take_while(move |txn| !std::mem::replace(&mut complete, txn.last_stable_offset >= to))
            .filter(move |txn| txn.first_offset < to)
            .map(|txn| AbortedTransaction { producer_id: txn.producer_id, first_offset: txn.first_offset })
    }

    /// Forgets what ended before the log begins. What is open stays so, though its first records are gone.
    pub(super) fn truncate_front(&mut self, start: Offset) {
        self.ended.retain(|txn| txn.marker >= start);
    }

    /// The log now ends at `end`: what began behind it never was, and what ended behind it is open again.
    pub(super) fn truncate_back(&mut self, end: Offset) {
        self.open.retain(|_, first| *first < end);
        while let Some(txn) = self.ended.pop_if(|txn| txn.marker >= end) {
            if txn.first_offset < end {
                self.open.insert(txn.producer_id, txn.first_offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProducerId = ProducerId(1);
    const B: ProducerId = ProducerId(2);

    /// A from 0 to its abort at 6, B from 2 to its abort at 4, A again from 8, committed at 9.
    fn interleaved() -> Transactions {
        let mut transactions = Transactions::default();
        transactions.begin(A, Offset(0));
        transactions.begin(B, Offset(2));
        transactions.end(B, Offset(4), false);
        transactions.end(A, Offset(6), false);
        transactions.begin(A, Offset(8));
        transactions.end(A, Offset(9), true);
        transactions
    }

    fn aborted(transactions: &Transactions, from: i64, to: i64, log_end: i64) -> Vec<(i64, i64)> {
        let between = transactions.aborted_between(Offset(from), Offset(to), Offset(log_end));
        between.map(|txn| (txn.producer_id.0, txn.first_offset.0)).collect()
    }

    #[test]
    fn aborted_ones_are_told_in_the_order_of_their_markers_and_within_the_range_only() {
        let transactions = interleaved();
        assert_eq!(aborted(&transactions, 0, 10, 10), [(2, 2), (1, 0)]);
        assert_eq!(aborted(&transactions, 0, 2, 10), [(1, 0)]);
        assert_eq!(aborted(&transactions, 5, 10, 10), [(1, 0)]);
        assert_eq!(aborted(&transactions, 7, 10, 10), []);
        assert_eq!(aborted(&transactions, 0, 10, 5), [(2, 2)], "a follower that has not got A's marker");
    }

    #[test]
    fn a_transaction_is_unstable_until_its_marker_is_replicated() {
        let mut transactions = interleaved();
        let unstable = |high_watermark| transactions.first_unstable(Offset(high_watermark));
        assert_eq!(unstable(10), None);
        assert_eq!(unstable(9), Some(Offset(8)));
        assert_eq!(unstable(6), Some(Offset(0)));
        transactions.begin(B, Offset(10));
        assert_eq!(transactions.first_unstable(Offset(11)), Some(Offset(10)));
    }

    #[test]
    fn a_log_that_loses_a_marker_has_the_transaction_open_again() {
        let mut transactions = interleaved();
        transactions.truncate_back(Offset(6));
        assert_eq!((transactions.start_of(A), transactions.start_of(B)), (Some(Offset(0)), None));
        assert_eq!(aborted(&transactions, 0, 6, 6), [(2, 2)]);
        transactions.truncate_back(Offset(2));
        assert_eq!((transactions.start_of(A), transactions.start_of(B)), (Some(Offset(0)), None));
    }

    #[test]
    fn what_ended_before_the_log_begins_is_forgotten() {
        let mut transactions = interleaved();
        transactions.truncate_front(Offset(5));
        assert_eq!(aborted(&transactions, 0, 10, 10), [(1, 0)]);
    }
}
