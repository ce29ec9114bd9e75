//! What every error code means for a batch under every set of facts: one table, and each row of it with its reason.
//!
//! The rows are read in order, the first that fits counts. They follow Kafka's `Sender.completeBatch` and `canRetry`,
//! `TransactionManager.canRetry`, `handleFailedBatch` and `maybeTransitionToErrorState`; where they do not, the reason says
//! so.
use super::*;
use crate::machine::identity::{Facts, Verdict, judge};

struct Row {
    fits: fn(&Facts) -> bool,
    verdict: Verdict,
    reason: &'static str,
}

const GAP: ErrorCode = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
const FORGOTTEN: ErrorCode = ErrorCode::UNKNOWN_PRODUCER_ID;

// tidy: one table
const ROWS: &[Row] = &[
    Row {
        fits: |f| f.code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
        verdict: Verdict::Written,
        reason: "the broker has had this sequence before, and has forgotten where; only an earlier attempt can be it",
    },
    Row {
        fits: |f| f.code == ErrorCode::MESSAGE_TOO_LARGE && f.records > 1,
        verdict: Verdict::Split,
        reason: "parts of it may be small enough (KIP-126)",
    },
    Row {
        fits: |f| f.code == ErrorCode::RECORD_LIST_TOO_LARGE && f.records > 1,
        verdict: Verdict::Split,
        reason: "unlike Java, which fails it: a broker says this of a batch larger than a segment, and parts fit into one",
    },
    Row {
        fits: |f| f.code == ErrorCode::UNSUPPORTED_COMPRESSION_TYPE && f.compressed,
        verdict: Verdict::Recode,
        reason: "another codec, or none, is known to the broker; Java fails the batch, and every one after it",
    },
    Row {
        fits: |f| f.code == GAP && f.stamped && !f.unresolved && !f.is_next,
        verdict: Verdict::Retry,
        reason: "a batch before it failed first; that one's retry closes the gap",
    },
    Row {
        fits: |f| f.code == GAP && f.stamped && f.transactional,
        verdict: Verdict::Fail,
        reason: "records of the transaction are lost, so it has to be aborted",
    },
    Row {
        fits: |f| f.code == GAP && f.stamped,
        verdict: Verdict::RetryRestarted,
        reason: "what was before it is acknowledged, or given up: the gap is real, and only another epoch closes it (KIP-360). \
                 Java retries one that was restamped as it is; the broker would give the same answer for ever",
    },
    Row {
        fits: |f| f.code == FORGOTTEN && f.stamped && !f.log_start_offset.is_some(),
        verdict: Verdict::Retry,
        reason: "the partition is moving, so that nobody knows yet whether its head was deleted",
    },
    Row {
        fits: |f| f.code == FORGOTTEN && f.stamped && f.restamped,
        verdict: Verdict::Retry,
        reason: "it starts at 0 already; this answer was for the time before",
    },
    Row {
        fits: |f| {
            let head_is_kept = f.last_acked_offset >= f.log_start_offset;
            f.code == FORGOTTEN && f.stamped && f.transactional && head_is_kept
        },
        verdict: Verdict::Fail,
        reason: "the log has what was acknowledged and still forgot the producer: the transaction has to be aborted",
    },
    Row {
        fits: |f| f.code == FORGOTTEN && f.stamped,
        verdict: Verdict::RetryRestarted,
        reason: "retention deleted all that the producer wrote, and with it the memory of its sequences",
    },
    Row {
        fits: |f| f.code == ErrorCode::INVALID_PRODUCER_EPOCH && f.stamped && !f.transactional,
        verdict: Verdict::RetryRestarted,
        reason: "an epoch of our own making was there before it. Java fails the batch and bumps the epoch, which loses it",
    },
    Row {
        fits: |f| {
            f.code == ErrorCode::REQUEST_TIMED_OUT || f.code == ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        },
        verdict: Verdict::RetryUnknown,
        reason: "the leader wrote it and too few replicas have said that they have: it may stay, or be truncated",
    },
    Row {
        fits: |f| f.code == ErrorCode::CLUSTER_AUTHORIZATION_FAILED && f.stamped,
        verdict: Verdict::FailAll,
        reason: "the producer may not write idempotently anywhere",
    },
    Row {
        fits: |f| f.code == ErrorCode::PRODUCER_FENCED,
        verdict: Verdict::FailAll,
        reason: "another producer has taken this one's place",
    },
    Row {
        fits: |f| f.code == ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        verdict: Verdict::FailAll,
        reason: "the producer may not use its transactional id anywhere",
    },
    Row {
        fits: |f| f.code.is_retriable(),
        verdict: Verdict::Retry,
        reason: "Kafka's table calls it retriable: it passes, and nothing was written unless the refusal names an offset",
    },
    Row {
        fits: |_| true,
        verdict: Verdict::Fail,
        reason: "nothing that would change makes the broker take it",
    },
];

/// Every code under every combination of facts.
fn every_case() -> impl Iterator<Item = Facts> {
    let flag = |bits: u32, nth: u32| bits >> nth & 1 == 1;
    let either = |flag: bool, yes: i64, no: i64| Offset(if flag { yes } else { no });
    ErrorCode::ALL.iter().filter(|code| code.is_err()).flat_map(move |code| {
        (0..1 << 9).map(move |bits| Facts {
            code: *code,
            stamped: flag(bits, 0),
            transactional: flag(bits, 1),
            is_next: flag(bits, 2),
            unresolved: flag(bits, 3),
            restamped: flag(bits, 4),
            last_acked_offset: either(flag(bits, 5), 9, 20),
            log_start_offset: either(flag(bits, 6), 10, -1),
            records: if flag(bits, 7) { 1 } else { 3 },
            compressed: flag(bits, 8),
        })
    })
}

#[test]
fn every_code_under_every_set_of_facts_has_its_row() {
    let mut used = vec![0; ROWS.len()];
    for facts in every_case() {
        let nth = ROWS.iter().position(|row| (row.fits)(&facts)).unwrap();
        used[nth] += 1;
        let row = &ROWS[nth];
        assert_eq!(judge(&facts), row.verdict, "{facts:?}: {}", row.reason);
    }
    for (row, used) in ROWS.iter().zip(used) {
        assert!(used > 0, "no case is left for this row: {}", row.reason);
    }
}

/// What idempotence rests on, as properties of the table rather than rows of it.
#[test]
fn no_verdict_lets_a_sequence_be_used_twice() {
    for facts in every_case() {
        let verdict = judge(&facts);
        if verdict == Verdict::RetryRestarted {
            let about_sequences = matches!(facts.code, GAP | FORGOTTEN | ErrorCode::INVALID_PRODUCER_EPOCH);
            assert!(about_sequences, "only an answer about sequences ends an epoch: {facts:?}");
            assert!(facts.stamped, "without a sequence there is none to start anew: {facts:?}");
            assert!(facts.code != GAP || !facts.transactional, "a transaction has one epoch: {facts:?}");
        }
        let written = facts.code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER;
        assert_eq!(verdict == Verdict::Written, written, "a refusal is no success: {facts:?}");
    }
}
