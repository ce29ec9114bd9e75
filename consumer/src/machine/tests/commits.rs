//! What is committed, and when: finished means handed out before the current poll.
use courant_protocol::types::{LeaderEpoch, Offset};

use super::batches::Spec;
use super::world::{ID, World, a, ms, records};
use crate::machine::position::Position;
use crate::machine::subscription::Answer;
use crate::offsets::OffsetAndMetadata;

fn two_polls() -> World {
    let mut world = World::reading(1, |settings| settings.auto_commit = Some(ms(5000)));
    world.max_poll_records = 4;
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(10).epoch(3).bytes())]);
    world
}

/// A stream has given out offsets 0 and 1 of the four that it took.
fn half_streamed() -> World {
    let mut world = two_polls();
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    let origin = world.reading.subscription.state(&a(0)).unwrap().origin;
    world.reading.note_streamed(&a(0), origin, Position::after(Offset(2), LeaderEpoch(3)));
    world
}

fn finished(world: &World) -> Option<i64> {
    world.reading.subscription.finished().get(&a(0)).map(|offset| offset.offset.0)
}

#[test]
fn the_batch_in_hand_is_not_committed_in_the_background() {
    let mut world = two_polls();
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    world.now += ms(5000);
    world.reading.poll_auto_commit(world.now);
    assert_eq!(finished(&world), None);
    assert_eq!(world.reading.commits.poll_request(world.now), None);

    assert_eq!(world.poll_offsets(), [4, 5, 6, 7]);
    world.now += ms(5000);
    world.reading.poll_auto_commit(world.now);
    let request = world.reading.commits.poll_request(world.now).unwrap();
    assert_eq!(request.offsets.get(&a(0)), Some(&OffsetAndMetadata::after(Offset(4), LeaderEpoch(3))));
}

#[test]
fn a_commit_by_hand_takes_the_batch_in_hand_with_its_epoch() {
    let mut world = two_polls();
    world.poll().unwrap();
    let offsets = world.reading.committable();
    assert_eq!(offsets.get(&a(0)), Some(&OffsetAndMetadata::after(Offset(4), LeaderEpoch(3))));
}

#[test]
fn auto_commit_does_not_go_back_behind_a_commit_by_hand() {
    let mut world = two_polls();
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    world.reading.begin_poll();
    assert_eq!(world.poll_offsets(), [4, 5, 6, 7]);
    world.reading.finish_committed();
    let by_hand = world.reading.committable();
    assert_eq!(finished(&world), Some(8), "what is committed is finished");
    assert_eq!(by_hand[&a(0)].offset, Offset(8));
}

#[test]
fn a_batch_that_was_gone_through_and_dropped_is_finished() {
    let mut world = two_polls();
    let poll = world.reading.begin_poll();
    let mut turn = world.reading.take_turn().unwrap();
    turn.position.offset = Offset(4);
    assert!(world.reading.end_turn(turn, &[], 0, None));
    world.reading.finish_poll(poll + 1);
    assert_eq!(finished(&world), None, "that was another poll");
    world.reading.finish_poll(poll);
    assert_eq!(finished(&world), Some(4));
}

/// The broker's log was led anew in epoch 4, and holds of epoch 3 what lies before `end`.
fn led_anew(world: &mut World, end: i64) {
    world.metadata(ID, &[(1, 4)]);
    world.answer_all(|_| Answer::EpochEnd(Some((LeaderEpoch(3), Offset(end)))));
}

#[test]
fn what_was_handed_out_before_a_new_leader_is_finished_all_the_same() {
    let mut world = two_polls();
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    assert_eq!(world.poll_offsets(), [4, 5, 6, 7]);
    led_anew(&mut world, 10);
    world.reading.finish_committed();
    assert_eq!(finished(&world), Some(8), "auto-commit does not go back behind a commit by hand");

    let mut world = two_polls();
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    led_anew(&mut world, 10);
    world.reading.begin_poll();
    assert_eq!(finished(&world), Some(4));
}

#[test]
fn what_was_handed_out_and_is_no_longer_in_the_log_is_not_finished() {
    let mut world = two_polls();
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    assert_eq!(world.poll_offsets(), [4, 5, 6, 7]);
    led_anew(&mut world, 6);
    world.reading.begin_poll();
    assert_eq!(finished(&world), Some(6), "other records stand there now");
    assert_eq!(world.fetched_offsets(), [(0, 6)]);
}

#[test]
fn what_a_stream_holds_back_stays_so_under_a_new_leader() {
    for (end, stands_at) in [(10, 2), (1, 1)] {
        let mut world = half_streamed();
        led_anew(&mut world, end);
        assert_eq!(world.position(0), Some(stands_at));
        assert_eq!(world.reading.committable()[&a(0)].offset, Offset(stands_at));
        world.reading.give_back();
        assert_eq!(world.fetched_offsets(), [(0, stands_at)]);
        world.reading.begin_poll();
        assert_eq!(finished(&world), Some(stands_at));
    }
}

#[test]
fn what_a_stream_gives_back_while_the_new_leader_is_asked_is_confirmed_too() {
    let mut world = half_streamed();
    world.metadata(ID, &[(1, 4)]);
    world.reading.give_back();
    assert_eq!(world.fetch(), None);
    world.answer_all(|_| Answer::EpochEnd(Some((LeaderEpoch(3), Offset(10)))));
    assert_eq!(world.fetched_offsets(), [(0, 2)]);
}

#[test]
fn what_a_stream_holds_back_is_neither_its_position_nor_committed_and_is_given_back() {
    let mut world = half_streamed();
    assert_eq!(world.position(0), Some(2));
    assert_eq!(world.reading.committable()[&a(0)].offset, Offset(2));
    world.reading.give_back();
    assert_eq!(world.fetched_offsets(), [(0, 2)]);
    world.reading.begin_poll();
    assert_eq!(finished(&world), Some(2));
}

#[test]
fn closing_commits_what_is_finished_and_nothing_twice() {
    let mut world = two_polls();
    world.poll().unwrap();
    world.poll().unwrap();
    world.reading.close(world.now + ms(1000), true);
    let request = world.reading.commits.poll_request(world.now).unwrap();
    assert_eq!(request.offsets[&a(0)].offset, Offset(4));
    assert!(world.reading.close_result().is_none());
    let codes = request
        .offsets
        .into_keys()
        .map(|partition| (partition, courant_protocol::error_code::ErrorCode::NONE));
    world.reading.commits.handle_answer(world.now, Ok(codes.collect()), 0.5);
    assert!(world.reading.commits.is_idle());
    world.reading.finish_close();
    assert!(world.reading.close_result().unwrap().is_ok());
}
