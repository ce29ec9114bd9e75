//! Which batches `read_committed` leaves out (KIP-98): those of aborted transactions, by the list that each fetch answer brings.
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use courant_protocol::types::{Offset, ProducerId};

/// Whether records of open and aborted transactions are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// Everything up to the high watermark is handed out, whatever becomes of its transaction.
    #[default]
    ReadUncommitted,
    /// Only records up to the last stable offset whose transaction was committed (or that never had one).
    ReadCommitted,
}

impl IsolationLevel {
    /// The number in requests.
    pub(crate) const fn id(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// What of a batch matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchOrigin {
    pub(crate) last_offset: Offset,
    pub(crate) producer_id: ProducerId,
    pub(crate) transactional: bool,
    /// Whether it is the marker that ends an aborted transaction.
    pub(crate) abort_marker: bool,
}

/// The aborted transactions of one fetched stretch of a log, consumed as its batches pass in order.
#[derive(Debug, Default)]
pub(crate) struct AbortedTransactions {
    /// Those that begin further on, lowest first offset on top. Kafka sends them sorted, Redpanda may not.
    ahead: BinaryHeap<Reverse<(Offset, ProducerId)>>,
    /// The producers inside an aborted transaction at this point.
    open: BTreeSet<ProducerId>,
}

impl AbortedTransactions {
    /// Takes the list of a fetch answer: (producer, first offset).
    pub(crate) fn new(list: impl IntoIterator<Item = (ProducerId, Offset)>) -> Self {
        let ahead = list.into_iter().map(|(producer, first)| Reverse((first, producer))).collect();
        Self { ahead, open: BTreeSet::new() }
    }

    /// Whether the next batch of the log is left out.
    ///
    /// One producer may have aborted and committed transactions in the same stretch: the abort marker, not the list,
    /// says where an aborted one ends, and a commit marker changes nothing.
    pub(crate) fn leaves_out(&mut self, batch: BatchOrigin) -> bool {
        while let Some(&Reverse((first, producer))) = self.ahead.peek() {
            if first > batch.last_offset {
                break;
            }
            self.ahead.pop();
            self.open.insert(producer);
        }
        if batch.abort_marker {
            self.open.remove(&batch.producer_id);
            return false;
        }
        batch.transactional && self.open.contains(&batch.producer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(last_offset: i64, producer: i64) -> BatchOrigin {
        BatchOrigin {
            last_offset: Offset(last_offset),
            producer_id: ProducerId(producer),
            transactional: true,
            abort_marker: false,
        }
    }

    fn abort(offset: i64, producer: i64) -> BatchOrigin {
        BatchOrigin { abort_marker: true, ..data(offset, producer) }
    }

    #[test]
    fn interleaved_transactions_of_an_unsorted_list_are_told_apart() {
        let list = [(ProducerId(2), Offset(30)), (ProducerId(1), Offset(10)), (ProducerId(1), Offset(40))];
        let mut aborted = AbortedTransactions::new(list);
        let seen = [
            data(9, 1),  // a committed transaction of 1, before the aborted one
            data(11, 1), // aborted
            data(12, 2), // 2 is not aborted yet
            abort(13, 1),
            data(20, 1), // committed: between two aborted ones
            data(31, 2), // aborted
            data(41, 1), // aborted again
            abort(50, 2),
            data(51, 2), // the next transaction of 2
        ]
        .map(|batch| aborted.leaves_out(batch));
        assert_eq!(seen, [false, true, false, false, false, true, true, false, false]);
    }

    #[test]
    fn a_batch_outside_transactions_stays_although_its_producer_aborted() {
        let mut aborted = AbortedTransactions::new([(ProducerId(1), Offset(0))]);
        assert!(!aborted.leaves_out(BatchOrigin { transactional: false, ..data(5, 1) }));
        assert!(aborted.leaves_out(data(6, 1)));
    }
}
