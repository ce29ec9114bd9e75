//! Each check finds what it is for.
use super::*;
use courant_protocol::types::{Offset, TopicPartition};

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// `a` and `b` were sent, acknowledged, logged and delivered.
fn good() -> History {
    let history = History::new();
    for (offset, id) in ["a", "b"].into_iter().enumerate() {
        let offset = i64::try_from(offset).unwrap();
        history.sent("p", id);
        history.acknowledged(id, &partition(), offset);
        history.logged(&partition(), offset, id);
        history.delivered("c", &partition(), offset, id);
    }
    history.committed("c", &partition(), 2);
    history.read_to_the_end("c");
    history
}

fn found(change: impl FnOnce(&History)) -> Vec<String> {
    let history = good();
    change(&history);
    history.check().err().map(|violations| violations.found).unwrap_or_default()
}

#[test]
fn a_good_history_passes() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    assert_eq!(good().acknowledgements(), 2);
}

#[test]
fn what_is_lost_doubled_or_invented_is_found() {
    assert_eq!(
        found(|h| h.acknowledged("x", &partition(), 1)),
        ["lost: `x` was acknowledged at t-0@1, where the log has `b`", "offsets: t-0@1 was `b` and is `x`",]
    );
    let twice = found(|h| {
        h.logged(&partition(), 2, "a");
        h.delivered("c", &partition(), 2, "a");
    });
    assert_eq!(
        twice,
        [
            "doubled: `a` is in the log at t-0@0 and at t-0@2",
            "out of order: p sent `a` before `b`; t-0@2 has it after",
        ]
    );
    let failed = found(|h| {
        h.sent("p", "f");
        h.failed("f", false);
        h.logged(&partition(), 2, "f");
        h.delivered("c", &partition(), 2, "f");
    });
    assert_eq!(failed, ["invented: `f` failed as not written and is in the log at t-0@2"]);
    assert_eq!(
        found(|h| h.delivered("d", &partition(), 7, "a")),
        ["invented: d got `a` at t-0@7, where the log has None"]
    );
}

#[test]
fn a_record_of_unknown_fate_may_be_there_or_not() {
    let unknown = |written: bool| {
        found(|h| {
            h.sent("p", "u");
            h.failed("u", true);
            if written {
                h.logged(&partition(), 2, "u");
                h.delivered("c", &partition(), 2, "u");
            }
        })
    };
    assert_eq!((unknown(true), unknown(false)), (Vec::new(), Vec::new()));
}

#[test]
fn a_gap_in_a_log_and_an_unread_record_are_found() {
    let gap = found(|h| {
        h.sent("p", "z");
        h.logged(&partition(), 3, "z");
    });
    assert_eq!(gap, ["offsets: t-0 goes from 1 to 3", "not read: c never got `z` at t-0@3"]);
}

#[test]
fn a_consumer_that_continues_another_has_read_what_that_one_has() {
    let history = good();
    history.sent("p", "z");
    history.logged(&partition(), 2, "z");
    history.delivered("c", &partition(), 2, "z");
    history.continues("d", "c");
    history.read_to_the_end("d");
    history.read_to_the_end("e");
    let found = history.check().unwrap_err();
    assert!(
        found.found().len() == 3 && found.found().iter().all(|text| text.starts_with("not read: e")),
        "{found}"
    );
}

#[test]
fn steps_back_leaps_and_commits_ahead_of_a_consumer_are_found() {
    let history = History::new();
    for (offset, id) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
        history.sent("p", id);
        history.logged(&partition(), offset, id);
    }
    history.delivered("c", &partition(), 1, "b");
    history.delivered("c", &partition(), 0, "a");
    history.sought("c", &partition(), 1);
    history.delivered("c", &partition(), 1, "b");
    history.sought("c", &partition(), 0);
    history.delivered("c", &partition(), 2, "c");
    history.committed("c", &partition(), 4);
    assert_eq!(
        history.check().unwrap_err().found(),
        [
            "doubled: c got `a` at t-0@0, when 2 was due",
            "skipped: c got `c` at t-0@2, when 0 was due",
            "commits: c committed t-0@4, having got up to 2",
        ]
    );
}

#[test]
fn a_call_that_neither_ends_nor_is_dropped_is_found() {
    let history = History::new();
    history.call("first").ended();
    drop(history.call("second"));
    let open = history.call("third");
    assert_eq!(history.check().unwrap_err().found(), ["never ended: third"]);
    drop(open);
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn an_acknowledgement_without_an_offset_is_looked_for_in_the_whole_log() {
    assert_eq!(found(|h| h.acknowledged("a", &partition(), Offset::NONE)), Vec::<String>::new());
    assert_eq!(
        found(|h| h.acknowledged("x", &partition(), Offset::NONE)),
        ["lost: `x` was acknowledged in t-0, which has it not"]
    );
}

#[test]
fn without_idempotence_a_record_may_be_there_twice_but_not_be_lost() {
    let history = good();
    history.logged(&partition(), 2, "a");
    history.delivered("c", &partition(), 2, "a");
    assert!(history.check().is_err());
    history.check_at_least_once().unwrap();
    history.acknowledged("x", &partition(), 3);
    let violations = history.check_at_least_once().unwrap_err();
    assert_eq!(violations.found, ["lost: `x` was acknowledged at t-0@3, and the log has nothing there"]);
}
