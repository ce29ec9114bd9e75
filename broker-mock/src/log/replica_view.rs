//! A log as one of its replicas has it: a follower may lag behind the leader, in what it has and in what it shows.
use courant_protocol::types::{LeaderEpoch, Offset};

use super::partition_log::{Isolation, PartitionLog, Slice};
use super::transactions::AbortedTransaction;

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaEnds {
    /// The offset behind its last record.
    pub(crate) log_end: Offset,
    /// Where its readers stop.
    pub(crate) high_watermark: Offset,
}

/// The log as a replica shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplicaView<'l> {
    log: &'l PartitionLog,
    ends: ReplicaEnds,
}

impl<'l> ReplicaView<'l> {
    pub(crate) fn new(log: &'l PartitionLog, ends: ReplicaEnds) -> Self {
        Self { log, ends }
    }

    pub(crate) fn log_start(&self) -> Offset {
        self.log.log_start()
    }

    pub(crate) fn log_end(&self) -> Offset {
        self.ends.log_end
    }

    pub(crate) fn high_watermark(&self) -> Offset {
        self.ends.high_watermark
    }

    pub(crate) fn last_stable_offset(&self) -> Offset {
        self.log.stable_below(self.ends.high_watermark)
    }

    /// Where readers stop.
    pub(crate) fn readable_end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark(),
            Isolation::ReadCommitted => self.last_stable_offset(),
        }
    }

    /// See [`PartitionLog::read`].
    pub(crate) fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Slice {
        self.log.read(offset, max_bytes, at_least_one, self.readable_end(isolation))
    }

    /// See [`PartitionLog::readable_bytes`].
    pub(crate) fn readable_bytes(&self, offset: Offset, enough: usize, isolation: Isolation) -> usize {
        self.log.readable_bytes(offset, enough, self.readable_end(isolation))
    }

    /// Where `requested` ended in this replica's log: see `EpochCache::end_offset_for`.
    pub(crate) fn end_offset_for(&self, requested: LeaderEpoch) -> (LeaderEpoch, Offset) {
        if self.ends.log_end == self.log.log_end() {
            return self.log.epochs().end_offset_for(requested, self.ends.log_end);
        }
        // A follower hears of an epoch by its first batch.
        let mut epochs = self.log.epochs().clone();
        epochs.truncate_back(self.ends.log_end);
        epochs.end_offset_for(requested, self.ends.log_end)
    }

    /// The aborted transactions that a reader of `len` bytes from `offset` is told of.
    pub(crate) fn aborted_in(&self, offset: Offset, len: usize) -> Vec<AbortedTransaction> {
        let to = self.log.index_bound(offset, len).unwrap_or(self.ends.log_end);
        self.log.aborted_between(offset, to, self.ends.log_end).collect()
    }
}
