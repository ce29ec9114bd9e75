//! What is outstanding where each record is acknowledged: step by step, and against a book of single records.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use courant_protocol::types::{LeaderEpoch, Offset};
use proptest::prelude::*;

use crate::machine::acks::Outstanding;
use crate::machine::position::{Position, Token};

const T: Token = Token(1);

fn at(offset: i64, epoch: i32) -> Position {
    Position::after(Offset(offset), LeaderEpoch(epoch))
}

fn offsets(range: Range<i64>) -> Range<Offset> {
    Offset(range.start)..Offset(range.end)
}

/// Placed at 10, after a record of epoch 4; 10 to 19 of epoch 5 are handed out.
fn ten() -> Outstanding {
    let mut outstanding = Outstanding::default();
    outstanding.move_to(Some(at(10, 4)));
    outstanding.hand_out(offsets(10..20), LeaderEpoch(5), T);
    outstanding.hand_out_to(at(20, 5));
    outstanding
}

fn ack(outstanding: &mut Outstanding, offset: i64) -> u64 {
    outstanding.acknowledge(offsets(offset..offset + 1), T)
}

#[test]
fn the_first_record_that_is_outstanding_is_what_may_be_committed() {
    let mut outstanding = ten();
    assert_eq!(outstanding.committable(), Some(at(10, 4)));
    assert_eq!((ack(&mut outstanding, 11), ack(&mut outstanding, 13)), (1, 1));
    assert_eq!(outstanding.committable(), Some(at(10, 4)), "10 is not finished");
    assert_eq!(ack(&mut outstanding, 10), 1);
    assert_eq!(outstanding.committable(), Some(at(12, 5)));
    assert_eq!(outstanding.acknowledge(offsets(10..20), T), 7, "three of ten were acknowledged before");
    assert_eq!(outstanding.committable(), Some(at(20, 5)));
}

#[test]
fn gaps_and_markers_hold_nothing_back() {
    let mut outstanding = ten();
    // 20 and 21 were compacted away, 24 is a marker.
    outstanding.hand_out(offsets(22..24), LeaderEpoch(6), T);
    outstanding.hand_out_to(at(25, 6));
    outstanding.acknowledge(offsets(10..20), T);
    assert_eq!(outstanding.committable(), Some(at(22, 5)));
    outstanding.acknowledge(offsets(22..24), T);
    assert_eq!(outstanding.committable(), Some(at(25, 6)));
    outstanding.hand_out_to(at(40, 6));
    assert_eq!(outstanding.committable(), Some(at(40, 6)), "a batch without records goes by");
}

#[test]
fn an_acknowledgement_counts_once_and_only_for_what_was_handed_out_with_it() {
    let mut outstanding = ten();
    assert_eq!((ack(&mut outstanding, 12), ack(&mut outstanding, 12)), (1, 0));
    assert_eq!((ack(&mut outstanding, 9), ack(&mut outstanding, 20)), (0, 0));
    assert_eq!(outstanding.acknowledge(offsets(10..20), Token(2)), 0, "of another assignment");
    outstanding.void(Some(at(10, -1)));
    outstanding.hand_out(offsets(10..20), LeaderEpoch(5), Token(3));
    outstanding.hand_out_to(at(20, 5));
    assert_eq!(outstanding.acknowledge(offsets(10..20), T), 0, "of before the seek");
    assert_eq!(outstanding.committable(), Some(at(10, -1)));
}

#[test]
fn what_the_log_lost_is_void_and_what_it_kept_still_holds_the_commit_back() {
    let mut outstanding = ten();
    outstanding.move_to(Some(at(15, 4)));
    outstanding.hand_out(offsets(15..18), LeaderEpoch(7), Token(2));
    outstanding.hand_out_to(at(18, 7));
    assert_eq!(outstanding.acknowledge(offsets(15..20), T), 0, "15 is another record now");
    assert_eq!(outstanding.acknowledge(offsets(15..18), Token(2)), 3);
    assert_eq!(outstanding.committable(), Some(at(10, 4)), "10 to 14 were handed out, and are unfinished");
    assert_eq!(outstanding.acknowledge(offsets(10..15), T), 5);
    assert_eq!(outstanding.committable(), Some(at(18, 7)));
}

#[test]
fn a_position_that_is_looked_up_is_not_committed_and_nothing_unfinished_is_passed() {
    let mut outstanding = ten();
    outstanding.move_to(None);
    assert_eq!(outstanding.committable(), Some(at(10, 4)));
    outstanding.move_to(Some(at(30, -1)));
    assert_eq!(outstanding.committable(), Some(at(10, 4)));
    outstanding.acknowledge(offsets(10..20), T);
    assert_eq!(outstanding.committable(), Some(at(30, -1)));
    outstanding.move_to(None);
    assert_eq!(outstanding.committable(), None);
}

#[test]
fn a_position_that_nobody_touched_is_left_to_explicit_commits() {
    let mut outstanding = Outstanding::default();
    outstanding.move_to(Some(at(10, 4)));
    assert_eq!((outstanding.finished(), outstanding.committable()), (None, Some(at(10, 4))));
    outstanding.void(Some(at(3, -1)));
    assert_eq!(outstanding.finished(), Some(at(3, -1)), "the application has sought it");
}

#[test]
fn acknowledged_in_order_a_long_stretch_is_one_run() {
    let mut outstanding = Outstanding::default();
    outstanding.move_to(Some(at(0, 0)));
    for offset in 0..10_000 {
        outstanding.hand_out(offsets(offset..offset + 1), LeaderEpoch((offset / 1000) as i32), T);
        outstanding.hand_out_to(at(offset + 1, 0));
        if offset >= 100 {
            ack(&mut outstanding, offset - 100);
        }
        let (runs, epochs) = outstanding.size();
        assert!(runs <= 1 && epochs <= 3, "{runs} runs and {epochs} epochs at {offset}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// So many records, after a gap of so many offsets, of the next epoch or the same.
    HandOut(i64, i64, bool),
    /// One of the records that were handed out, counted from the oldest.
    Ack(usize),
    Truncate(i64),
    Seek(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..6_i64, 0..3_i64, any::<bool>()).prop_map(|(count, gap, next)| Step::HandOut(count, gap, next)),
        8 => (0..64_usize).prop_map(Step::Ack),
        1 => (1..8_i64).prop_map(Step::Truncate),
        1 => (0..50_i64).prop_map(Step::Seek),
    ]
}

/// The same, record by record.
#[derive(Default)]
struct Model {
    /// Every record of the log as it was last handed out, with its epoch.
    epochs: BTreeMap<i64, i32>,
    unfinished: BTreeSet<(i64, Token)>,
    /// Every receipt ever given.
    receipts: Vec<(i64, Token)>,
    position: i64,
}

proptest! {
    #[test]
    fn it_commits_what_a_record_by_record_book_would(steps in prop::collection::vec(step(), 1..120)) {
        let mut outstanding = Outstanding::default();
        outstanding.void(Some(at(0, -1)));
        let mut model = Model::default();
        let (mut token, mut epoch) = (Token(1), 1);
        for step in steps {
            match step {
                Step::HandOut(count, gap, next) => {
                    epoch += i32::from(next);
                    let start = model.position + gap;
                    outstanding.hand_out(offsets(start..start + count), LeaderEpoch(epoch), token);
                    outstanding.hand_out_to(at(start + count, epoch));
                    for offset in start..start + count {
                        model.epochs.insert(offset, epoch);
                        model.unfinished.insert((offset, token));
                        model.receipts.push((offset, token));
                    }
                    model.position = start + count;
                }
                Step::Ack(which) if which < model.receipts.len() => {
                    let (offset, token) = model.receipts[which];
                    let counted = outstanding.acknowledge(offsets(offset..offset + 1), token);
                    prop_assert_eq!(counted, u64::from(model.unfinished.remove(&(offset, token))));
                }
                Step::Ack(_) => {}
                Step::Truncate(records) => {
                    model.position = (model.position - records).max(0);
                    token = Token(token.0 + 1);
                    model.epochs.retain(|offset, _| *offset < model.position);
                    let before = model.epochs.values().next_back().copied().unwrap_or(-1);
                    outstanding.move_to(Some(at(model.position, before)));
                    model.unfinished.retain(|(offset, _)| *offset < model.position);
                }
                Step::Seek(to) => {
                    token = Token(token.0 + 1);
                    outstanding.void(Some(at(to, -1)));
                    model.epochs.clear();
                    model.unfinished.clear();
                    model.position = to;
                }
            }
            let first = model.unfinished.first().map(|(offset, _)| *offset);
            let found = outstanding.committable().unwrap();
            prop_assert_eq!(found.offset, Offset(first.unwrap_or(model.position)));
            if let Some(first) = first {
                let before = model.epochs.range(..first).next_back().map_or(-1, |(_, epoch)| *epoch);
                prop_assert_eq!(found.offset_epoch, LeaderEpoch(before));
            }
            prop_assert!(outstanding.size().0 <= model.unfinished.len());
        }
    }
}
