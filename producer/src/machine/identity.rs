//! Who the producer is to the brokers, and what an answer means for a batch: idempotence as pure functions.
//!
//! A broker keeps, for each partition and producer id, the epoch and the last five batches (KIP-98). From that follow
//! the rules of this file: a batch keeps its sequence through every retry; an outcome that nobody knows is retried as
//! it is; and only a gap that is certain is closed, by an epoch of our own making from which the partition's sequences
//! start at 0 again (KIP-360).
use std::time::Instant;

use courant_client::Error;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{Offset, ProducerEpoch, ProducerId};

/// A producer id with its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
}

/// The producer id's life.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// `enable.idempotence=false`: nobody asks.
    Anonymous,
    /// One is to be asked for, from this time on.
    Wanted { not_before: Instant, attempts: u32 },
    /// The question is on its way.
    Asked { attempts: u32 },
    /// The id to use for partitions that have none yet.
    Known(Producer),
    /// There will be none: everything fails with this.
    Refused(Error),
}

/// The step to the epoch with which a partition's sequences start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bump {
    /// The partition takes this; it is also the newest of the producer.
    To(Producer),
    /// Epochs are used up: a new id must be asked for.
    NewId,
}

/// What a partition that was at `used` takes next, when the producer's newest is `newest`. A bump that another
/// partition has made already serves this one too.
pub(crate) fn bump(used: Option<Producer>, newest: Producer) -> Bump {
    match used {
        Some(used) if used == newest => match newest.epoch.0.checked_add(1) {
            Some(epoch) => Bump::To(Producer { id: newest.id, epoch: ProducerEpoch(epoch) }),
            None => Bump::NewId,
        },
        _ => Bump::To(newest),
    }
}

/// What is known when a broker refuses a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) code: ErrorCode,
    /// The batch carries a sequence.
    pub(crate) stamped: bool,
    /// The batch belongs to a transaction.
    pub(crate) transactional: bool,
    /// Its first sequence follows the last one that was acknowledged.
    pub(crate) is_next: bool,
    /// A batch before it was given up without knowing whether it was written.
    pub(crate) unresolved: bool,
    /// Its sequence is of a younger epoch than the one it was first sent with.
    pub(crate) restamped: bool,
    /// The offset that was acknowledged last in this partition.
    pub(crate) last_acked_offset: Offset,
    /// Where the log starts now, as the broker says.
    pub(crate) log_start_offset: Offset,
    pub(crate) records: u32,
    pub(crate) compressed: bool,
}

/// What to do with a batch that a broker refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in the log after all.
    Written,
    /// Cut it and send the parts.
    Split,
    /// Send it again in a codec that more brokers know.
    Recode,
    /// Send it again as it is. It was not written, unless the refusal names an offset.
    Retry,
    /// Send it again as it is. Whether it was written, nobody knows.
    RetryUnknown,
    /// Send it again under a new epoch, the partition's sequences starting at 0.
    RetryRestarted,
    /// Give it up. It was not written.
    Fail,
    /// Give up everything: the producer may not write here at all.
    FailAll,
}

/// What Kafka's `Sender.completeBatch`, `canRetry` and `TransactionManager.handleFailedBatch` decide between them.
pub(crate) fn judge(facts: &Facts) -> Verdict {
    match facts.code {
        // The broker has forgotten where, but knows that it had this sequence before: an earlier attempt came through.
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Written,
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE if facts.records > 1 => {
            Verdict::Split
        }
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE if facts.compressed => Verdict::Recode,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if facts.stamped => out_of_order(facts),
        ErrorCode::UNKNOWN_PRODUCER_ID if facts.stamped => unknown_producer(facts),
        // Another epoch of ours has reached this partition first; nothing of the older one can be written any more.
        ErrorCode::INVALID_PRODUCER_EPOCH if facts.stamped && !facts.transactional => Verdict::RetryRestarted,
        ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => Verdict::RetryUnknown,
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED if facts.stamped => Verdict::FailAll,
        ErrorCode::PRODUCER_FENCED | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => Verdict::FailAll,
        code if code.is_retriable() => Verdict::Retry,
        _ => Verdict::Fail,
    }
}

/// A gap before this batch. If batches before it are still on their way, theirs is the gap and it closes by itself;
/// if not, sequences were lost and the partition starts anew.
fn out_of_order(facts: &Facts) -> Verdict {
    match facts {
        Facts { unresolved: false, is_next: false, .. } => Verdict::Retry,
        Facts { transactional: true, .. } => Verdict::Fail,
        _ => Verdict::RetryRestarted,
    }
}

/// The broker has no memory of this producer: its records were all deleted by retention, or it lost its state.
fn unknown_producer(facts: &Facts) -> Verdict {
    match facts {
        Facts { log_start_offset: Offset::NONE, .. } | Facts { restamped: true, .. } => Verdict::Retry,
        Facts { transactional: true, .. } if facts.last_acked_offset >= facts.log_start_offset => {
            Verdict::Fail
        }
        _ => Verdict::RetryRestarted,
    }
}

/// Whether a broker refuses the batch for what it is, so that no attempt with the same bytes can have been written.
pub(crate) fn refuses_the_bytes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::INVALID_RECORD
            | ErrorCode::INVALID_TIMESTAMP
            | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts {
        code: ErrorCode::NONE,
        stamped: true,
        transactional: false,
        is_next: false,
        unresolved: false,
        restamped: false,
        last_acked_offset: Offset(9),
        log_start_offset: Offset(0),
        records: 3,
        compressed: false,
    };

    fn verdict(code: ErrorCode, change: impl FnOnce(&mut Facts)) -> Verdict {
        let mut facts = Facts { code, ..FACTS };
        change(&mut facts);
        judge(&facts)
    }

    #[test]
    fn a_duplicate_is_a_success() {
        assert_eq!(verdict(ErrorCode::DUPLICATE_SEQUENCE_NUMBER, |_| {}), Verdict::Written);
    }

    #[test]
    fn a_gap_closes_by_itself_or_by_a_new_epoch() {
        let code = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
        assert_eq!(verdict(code, |_| {}), Verdict::Retry);
        assert_eq!(verdict(code, |facts| facts.is_next = true), Verdict::RetryRestarted);
        assert_eq!(verdict(code, |facts| facts.unresolved = true), Verdict::RetryRestarted);
        let in_transaction = |facts: &mut Facts| (facts.is_next, facts.transactional) = (true, true);
        assert_eq!(verdict(code, in_transaction), Verdict::Fail);
        assert_eq!(verdict(code, |facts| facts.stamped = false), Verdict::Fail);
    }

    #[test]
    fn a_forgotten_producer_starts_anew_unless_it_did_already() {
        let code = ErrorCode::UNKNOWN_PRODUCER_ID;
        assert_eq!(verdict(code, |_| {}), Verdict::RetryRestarted);
        assert_eq!(verdict(code, |facts| facts.restamped = true), Verdict::Retry);
        assert_eq!(verdict(code, |facts| facts.log_start_offset = Offset::NONE), Verdict::Retry);
        assert_eq!(verdict(code, |facts| facts.transactional = true), Verdict::Fail);
        let deleted = |facts: &mut Facts| (facts.transactional, facts.log_start_offset) = (true, Offset(10));
        assert_eq!(verdict(code, deleted), Verdict::RetryRestarted);
    }

    #[test]
    fn an_outcome_that_nobody_knows_is_retried_as_unknown() {
        assert_eq!(verdict(ErrorCode::REQUEST_TIMED_OUT, |_| {}), Verdict::RetryUnknown);
        assert_eq!(verdict(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, |_| {}), Verdict::RetryUnknown);
        assert_eq!(verdict(ErrorCode::NOT_LEADER_OR_FOLLOWER, |_| {}), Verdict::Retry);
    }

    #[test]
    fn a_batch_that_is_too_large_is_split_while_it_can_be() {
        assert_eq!(verdict(ErrorCode::MESSAGE_TOO_LARGE, |_| {}), Verdict::Split);
        assert_eq!(verdict(ErrorCode::MESSAGE_TOO_LARGE, |facts| facts.records = 1), Verdict::Fail);
    }

    #[test]
    fn epochs_are_used_up_at_the_largest() {
        let at = |epoch| Producer { id: ProducerId(7), epoch: ProducerEpoch(epoch) };
        assert_eq!(bump(Some(at(3)), at(3)), Bump::To(at(4)));
        assert_eq!(bump(Some(at(3)), at(5)), Bump::To(at(5)));
        assert_eq!(bump(None, at(5)), Bump::To(at(5)));
        assert_eq!(bump(Some(at(i16::MAX)), at(i16::MAX)), Bump::NewId);
    }
}
