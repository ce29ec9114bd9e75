//! Sequences: assigned once, kept through retries, re-sorted, restarted under a new epoch, wrapped.
use courant_protocol::types::Sequence;

use super::*;

const LOST_LEADER: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;
const GAP: ErrorCode = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;

/// Five batches of ten records on their way; sequence 0 was acknowledged before.
fn five_in_flight() -> (Scene, Vec<Outgoing>) {
    let mut scene = Scene::confirmed(settings(), 1);
    let requests = (0..5)
        .map(|_| {
            scene.push(0, 10);
            scene.request().unwrap()
        })
        .collect();
    (scene, requests)
}

#[test]
fn a_retried_batch_keeps_its_sequence_and_goes_before_later_ones() {
    let (mut scene, requests) = five_in_flight();
    let first: Vec<_> = requests.iter().map(|request| stamps(request)[&0]).collect();
    assert_eq!(first, [(0, 1), (0, 11), (0, 21), (0, 31), (0, 41)]);
    scene.answer(&requests[0], |_| ok(1));
    scene.answer(&requests[1], |_| refused(LOST_LEADER));
    for request in &requests[2..] {
        scene.answer(request, |_| refused(GAP));
    }
    scene.push(0, 10);
    let mut again = Vec::new();
    for n in 0..5 {
        scene.wait(SECOND);
        let request = scene.request().unwrap();
        assert!(n > 2 || scene.request().is_none(), "what is retried goes out one at a time");
        again.push(stamps(&request)[&0]);
        scene.answer(&request, |_| ok(11 + 10 * n));
    }
    assert_eq!(again, [(0, 11), (0, 21), (0, 31), (0, 41), (0, 51)]);
    assert!((0..6).all(|nth| scene.is_delivered(nth)));
}

#[test]
fn batches_that_come_back_in_any_order_are_sorted_by_sequence() {
    let (mut scene, requests) = five_in_flight();
    for nth in [3, 1, 4, 0, 2] {
        scene.answer(&requests[nth], |_| refused(LOST_LEADER));
        scene.wait(SECOND / 50);
    }
    let mut again = Vec::new();
    for n in 0..5 {
        scene.wait(SECOND);
        let request = scene.request().unwrap();
        again.push(stamps(&request)[&0].1);
        scene.answer(&request, |_| ok(1 + 10 * n));
    }
    assert_eq!(again, [1, 11, 21, 31, 41]);
}

#[test]
fn a_sequence_that_the_broker_had_before_counts_as_written() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let request = scene.request().unwrap();
    scene.lose(&request);
    scene.wait(SECOND);
    let request = scene.request().unwrap();
    scene.answer(&request, |_| refused(ErrorCode::DUPLICATE_SEQUENCE_NUMBER));
    assert_eq!(offset(scene.outcome(0)), Offset::NONE);
    scene.push(0, 10);
    assert_eq!(stamps(&scene.request().unwrap())[&0], (0, 11));
}

#[test]
fn a_batch_given_up_while_its_fate_is_unknown_moves_the_partition_to_a_new_epoch() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let request = scene.request().unwrap();
    scene.wait(100 * SECOND);
    scene.lose(&request);
    scene.push(0, 5);
    scene.wait(20 * SECOND);
    let error = scene.failure(0);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.possibly_written());
    let request = scene.request().unwrap();
    assert_eq!(
        stamps(&request)[&0],
        (1, 0),
        "whether 1 to 10 are used up is unknown, so they are not used again"
    );
    scene.answer(&request, |_| ok(11));
    assert!(scene.is_delivered(1));
}

#[test]
fn a_batch_that_times_out_on_its_way_is_unknown_until_its_answer_comes() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.wait(100 * SECOND);
    scene.push(0, 10);
    let late = scene.request().unwrap();
    scene.wait(120 * SECOND);
    assert!(scene.failure(0).possibly_written());
    scene.answer(&late, |_| ok(1));
    scene.push(0, 5);
    assert_eq!(stamps(&scene.request().unwrap())[&0], (0, 11), "the answer told that there is no gap");
}

#[test]
fn what_follows_an_unknown_batch_finds_out_whether_there_is_a_gap() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let first = scene.request().unwrap();
    scene.wait(60 * SECOND);
    scene.push(0, 10);
    let second = scene.request().unwrap();
    scene.lose(&first);
    scene.answer(&second, |_| refused(GAP));
    scene.wait(60 * SECOND);
    assert!(scene.failure(0).possibly_written());
    scene.push(0, 10);
    let again = scene.request().unwrap();
    assert_eq!(stamps(&again)[&0], (0, 11));
    assert!(scene.request().is_none(), "nothing new goes out before that is known");
    scene.answer(&again, |_| refused(GAP));
    let restarted = scene.request().unwrap();
    assert_eq!(stamps(&restarted)[&0], (1, 0));
    scene.answer(&restarted, |_| ok(1));
    assert_eq!(stamps(&scene.request().unwrap())[&0], (1, 10));
}

/// Both batches may still travel on the ended connection, and be written one after the other once the first arrives.
#[test]
fn what_may_still_arrive_behind_an_unknown_batch_is_not_sent_again_under_a_new_epoch() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let first = scene.request().unwrap();
    scene.wait(60 * SECOND);
    scene.push(0, 10);
    let second = scene.request().unwrap();
    scene.lose(&first);
    scene.lose(&second);
    scene.wait(60 * SECOND);
    assert!(scene.failure(0).possibly_written());
    scene.push(0, 5);
    let again = scene.request().unwrap();
    assert_eq!(stamps(&again)[&0], (0, 11));
    scene.answer(&again, |_| refused(GAP));
    let next = scene.request().unwrap();
    assert_eq!(stamps(&next)[&0], (1, 0));
    scene.answer(&next, |_| ok(21));
    assert!(scene.is_delivered(2), "what was never sent goes first under the new epoch");
    let error = scene.failure(1);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.possibly_written(), "{error}");
}

#[test]
fn a_new_epoch_leaves_healthy_partitions_alone() {
    let mut scene = Scene::confirmed(settings(), 2);
    scene.push(0, 10);
    let gap = scene.request().unwrap();
    scene.push(1, 10);
    let healthy = scene.request().unwrap();
    scene.answer(&gap, |_| refused(GAP));
    let restarted = scene.request().unwrap();
    assert_eq!(stamps(&restarted)[&0], (1, 0));
    scene.answer(&restarted, |_| ok(1));
    scene.push(1, 10);
    let next = scene.request().unwrap();
    assert_eq!(stamps(&next)[&1], (0, 11), "its batch on the way is of epoch 0, and so is the next");
    scene.answer(&healthy, |_| ok(1));
    scene.answer(&next, |_| ok(11));
    assert!((0..3).all(|nth| scene.is_delivered(nth)));
}

#[test]
fn nothing_is_restamped_while_an_answer_is_awaited() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let first = scene.request().unwrap();
    scene.push(0, 10);
    let second = scene.request().unwrap();
    scene.answer(&first, |_| refused(GAP));
    assert!(scene.request().is_none());
    scene.answer(&second, |_| refused(GAP));
    scene.wait(SECOND);
    let restarted = scene.request().unwrap();
    assert_eq!(stamps(&restarted)[&0], (1, 0));
    scene.answer(&restarted, |_| ok(1));
    assert_eq!(stamps(&scene.request().unwrap())[&0], (1, 10));
}

#[test]
fn after_the_largest_sequence_comes_zero() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.sender.partition_mut(0).start_at(producer(0), Sequence(i32::MAX - 4));
    for base_offset in [100, 110, 120] {
        scene.push(0, 10);
        let request = scene.request().unwrap();
        let expected = (i32::MAX - 4).wrapping_add(base_offset as i32 - 100) & i32::MAX;
        assert_eq!(stamps(&request)[&0], (0, expected));
        scene.answer(&request, |_| ok(base_offset));
    }
    scene.push(0, 10);
    let request = scene.request().unwrap();
    scene.answer(&request, |_| refused(GAP));
    assert_eq!(stamps(&scene.request().unwrap())[&0], (1, 0), "25 follows 24: it was the next one");
}

#[test]
fn when_epochs_are_used_up_a_new_producer_id_is_asked_for() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 1);
    let request = scene.request().unwrap();
    scene.answer(&request, |_| ok(1));
    let mut sender = Sender::new(settings(), scene.now, Rng::new(1, "test"));
    sender.handle_place(place(0));
    sender.handle_leader(0, Some(NODE), LeaderEpoch(0));
    assert!(sender.poll_identity(scene.now));
    sender.handle_identity(scene.now, Ok(producer(i16::MAX)));
    scene.sender = sender;
    scene.push(0, 3);
    let request = scene.request().unwrap();
    assert_eq!(stamps(&request)[&0], (i16::MAX, 0));
    scene.answer(&request, |_| refused(GAP));
    assert!(scene.request().is_none());
    assert!(scene.sender.poll_identity(scene.now));
    let fresh = Producer { id: ProducerId(8), epoch: ProducerEpoch(0) };
    scene.sender.handle_identity(scene.now, Ok(fresh));
    let request = scene.request().unwrap();
    assert_eq!(stamps(&request)[&0], (0, 0));
    let header = BatchHeader::parse(&only_records(&request).into_bytes()).unwrap();
    assert_eq!(header.producer_id, ProducerId(8));
}

#[test]
fn a_leader_that_has_acknowledged_nothing_gets_one_batch_at_a_time() {
    let mut scene = Scene::new(settings(), 1);
    scene.push(0, 1);
    scene.push(0, 1);
    let first = scene.request().unwrap();
    assert!(scene.request().is_none());
    scene.answer(&first, |_| ok(0));
    assert!(scene.request().is_some());
}

#[test]
fn a_refused_batch_leaves_a_gap_that_a_new_epoch_closes() {
    let (mut scene, requests) = five_in_flight();
    scene.answer(&requests[0], |_| refused(ErrorCode::INVALID_RECORD));
    for request in &requests[1..] {
        scene.answer(request, |_| refused(GAP));
    }
    assert!(!scene.failure(0).possibly_written());
    scene.wait(SECOND);
    let mut seen = Vec::new();
    while let Some(request) = scene.request() {
        seen.push(stamps(&request)[&0]);
        scene.answer(&request, |_| ok(1));
    }
    assert_eq!(seen, [(1, 0), (1, 10), (1, 20), (1, 30)]);
}

#[test]
fn a_partition_that_was_forgotten_comes_back_under_a_younger_epoch() {
    let mut scene = Scene::confirmed(settings(), 3);
    for number in [0, 1] {
        scene.sender.forget_partition(scene.now, number);
        assert!(scene.sender.place(number).is_none());
    }
    for number in [3, 4] {
        scene.sender.handle_place(place(number));
        scene.sender.handle_leader(number, Some(NODE), LeaderEpoch(0));
        scene.push(number, 10);
    }
    scene.push(2, 10);
    let request = scene.request().unwrap();
    let expected = [(2, (0, 1)), (3, (1, 0)), (4, (1, 0))];
    assert_eq!(
        stamps(&request),
        BTreeMap::from(expected),
        "one epoch serves both, and those that stayed keep theirs"
    );
    scene.sender.forget_partition(scene.now, 3);
    assert!(scene.sender.place(3).is_some(), "a batch of it is on its way");
}

#[test]
fn what_stands_before_a_gap_keeps_its_sequence() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 1);
    scene.push(0, 1);
    scene.push(0, 1);
    let (first, second, third) =
        (scene.request().unwrap(), scene.request().unwrap(), scene.request().unwrap());
    // The broker has the first one, but too few replicas do; the second one is too large for it.
    scene.answer(&first, |_| refused(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    scene.answer(&second, |_| refused(ErrorCode::MESSAGE_TOO_LARGE));
    scene.answer(&third, |_| refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    scene.wait(SECOND);
    let again = scene.request().unwrap();
    assert_eq!(stamps(&again)[&0], (0, 1), "under another epoch it would be written twice");
    assert!(scene.request().is_none(), "what is behind the gap waits for it");
    scene.answer(&again, |_| ok(1));
    let behind = scene.request().unwrap();
    assert_eq!(stamps(&behind)[&0], (1, 0));
    scene.answer(&behind, |_| ok(2));
    assert!(scene.is_delivered(0) && scene.is_delivered(2));
    assert!(!scene.failure(1).possibly_written());
}

#[test]
fn a_refusal_says_nothing_of_an_earlier_attempt_unless_the_bytes_are_refused() {
    for (code, possibly_written) in
        [(ErrorCode::TOPIC_AUTHORIZATION_FAILED, true), (ErrorCode::MESSAGE_TOO_LARGE, false)]
    {
        let mut scene = Scene::confirmed(settings(), 1);
        scene.push(0, 1);
        let request = scene.request().unwrap();
        scene.lose(&request);
        scene.wait(SECOND);
        let again = scene.request().unwrap();
        scene.answer(&again, |_| refused(code));
        assert_eq!(scene.failure(0).possibly_written(), possibly_written, "{code}");
    }
}

/// A refusal by a leader that had appended the batch, and was none any more before its replicas had it.
fn appended_and_lost(base_offset: i64) -> PartitionProduceResponse {
    PartitionProduceResponse { base_offset, ..refused(LOST_LEADER) }
}

#[test]
fn a_refusal_that_names_an_offset_leaves_the_batch_possibly_written() {
    for (answer, possibly_written) in [(appended_and_lost(1), true), (refused(LOST_LEADER), false)] {
        let mut scene = Scene::confirmed(SenderSettings { retries: 0, ..settings() }, 1);
        scene.push(0, 10);
        let request = scene.request().unwrap();
        scene.answer(&request, |_| answer.clone());
        assert_eq!(scene.failure(0).possibly_written(), possibly_written);
        let Some(Delivered::Failed { undelivered, .. }) = scene.outcome(0) else { panic!("it has failed") };
        assert_eq!(undelivered.is_none(), possibly_written, "it goes back only if it is in no log");
    }
}

#[test]
fn what_a_lost_leader_had_appended_behind_such_a_batch_is_not_sent_again_under_a_new_epoch() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let first = scene.request().unwrap();
    scene.wait(60 * SECOND);
    scene.push(0, 10);
    let second = scene.request().unwrap();
    scene.answer(&first, |_| appended_and_lost(1));
    scene.answer(&second, |_| appended_and_lost(11));
    scene.wait(60 * SECOND);
    assert!(scene.failure(0).possibly_written());
    let again = scene.request().unwrap();
    assert_eq!(stamps(&again)[&0], (0, 11), "it keeps its sequence: both may be written");
    scene.push(0, 5);
    scene.answer(&again, |_| refused(GAP));
    let next = scene.request().unwrap();
    assert_eq!(stamps(&next)[&0], (1, 0));
    scene.answer(&next, |_| ok(21));
    assert!(scene.is_delivered(2), "what was never sent goes first under the new epoch");
    assert!(scene.failure(1).possibly_written());
}

#[test]
fn a_batch_that_is_too_large_and_was_given_up_on_its_way_leaves_a_gap_that_a_new_epoch_closes() {
    let mut scene = Scene::confirmed(settings(), 1);
    scene.push(0, 10);
    let late = scene.request().unwrap();
    scene.wait(60 * SECOND);
    scene.push(0, 5);
    let behind = scene.request().unwrap();
    scene.wait(60 * SECOND);
    assert!(scene.failure(0).possibly_written());
    scene.answer(&behind, |_| refused(GAP));
    scene.answer(&late, |_| refused(ErrorCode::MESSAGE_TOO_LARGE));
    scene.wait(SECOND);
    let restarted = scene.request().unwrap();
    assert_eq!(stamps(&restarted)[&0], (1, 0), "the broker would wait for 1 to 10 for ever");
    scene.answer(&restarted, |_| ok(1));
    assert!(scene.is_delivered(1));
}
