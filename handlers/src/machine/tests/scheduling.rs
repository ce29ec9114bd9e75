//! Order, limits, retries, rebalances and slow handlers, one step at a time.
use std::time::{Duration, Instant};

use courant_client::retry::Backoff;
use courant_protocol::types::{Offset, TopicPartition};

use crate::machine::lanes::RecordId;
use crate::machine::policy::{LastResort, RetryRules, Rules};
use crate::machine::schedule::{After, Arrived, Outcome, Schedule, Wants};

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Outcome = Outcome::Failed { retriable: true };
const BROKEN: Outcome = Outcome::Failed { retriable: false };

pub(super) fn rules() -> Rules {
    Rules {
        concurrency: 4,
        max_records: 100,
        max_bytes: 1_000,
        retry: RetryRules {
            attempts: 3,
            backoff: Backoff { jitter: 0.0, ..Backoff::new(SECOND, 60 * SECOND) },
        },
        last_resort: LastResort::Stop,
        drain_timeout: 10 * SECOND,
        slow_after: 60 * SECOND,
    }
}

/// A schedule whose records are their own `partition@offset`s, and a clock.
struct World {
    now: Instant,
    schedule: Schedule<(i32, i64)>,
}

impl World {
    fn new(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = rules();
        change(&mut rules);
        Self { now: Instant::now(), schedule: Schedule::new(rules) }
    }

    fn arrive(&mut self, partition: i32, offset: i64, lane: Option<u64>) {
        self.schedule.handle_record(Arrived {
            record: (partition, offset),
            partition: a(partition),
            offset: Offset(offset),
            lane,
            bytes: 10,
        });
    }

    /// Whatever may start now.
    fn start(&mut self) -> Vec<RecordId> {
        std::iter::from_fn(|| self.schedule.poll_start(self.now)).collect()
    }

    fn places(&self, ids: &[RecordId]) -> Vec<(i32, i64)> {
        ids.iter().map(|id| *self.schedule.record(*id).unwrap()).collect()
    }

    fn end(&mut self, id: RecordId, outcome: Outcome) -> After<(i32, i64)> {
        self.schedule.handle_outcome(self.now, id, outcome, 0.5)
    }
}

fn a(partition: i32) -> TopicPartition {
    TopicPartition::new("a", partition)
}

#[test]
fn one_record_of_a_lane_at_a_time_and_no_more_than_the_concurrency() {
    let mut world = World::new(|_| {});
    for offset in 0..6 {
        world.arrive(0, offset, Some(offset as u64 % 2));
    }
    (6..10).for_each(|offset| world.arrive(0, offset, None));
    let first = world.start();
    assert_eq!(world.places(&first), [(0, 0), (0, 1), (0, 6), (0, 7)]);
    assert_eq!(world.end(first[1], Outcome::Done), After::Acknowledge((0, 1)));
    let next = world.start();
    assert_eq!(world.places(&next), [(0, 8)], "whoever was ready first");
    assert_eq!(world.end(first[0], Outcome::Done), After::Acknowledge((0, 0)));
    let next = world.start();
    assert_eq!(world.places(&next), [(0, 9)]);
    world.end(next[0], Outcome::Done);
    let next = world.start();
    assert_eq!(world.places(&next), [(0, 3)], "of the lane of 1");
}

#[test]
fn keys_of_two_partitions_do_not_wait_for_each_other() {
    let mut world = World::new(|_| {});
    world.arrive(0, 0, Some(7));
    world.arrive(1, 0, Some(7));
    world.arrive(0, 1, Some(7));
    let started = world.start();
    assert_eq!(world.places(&started), [(0, 0), (1, 0)]);
}

#[test]
fn a_record_that_is_tried_again_keeps_its_place_and_holds_up_nobody_elses() {
    let mut world = World::new(|rules| rules.concurrency = 1);
    world.arrive(0, 0, Some(1));
    world.arrive(0, 1, Some(1));
    world.arrive(0, 2, Some(2));
    let started = world.start();
    assert_eq!(world.end(started[0], FAILED), After::Retry);
    let other = world.start();
    assert_eq!(world.places(&other), [(0, 2)], "1 has to wait for 0");
    world.end(other[0], Outcome::Done);
    assert_eq!(world.start(), []);
    assert_eq!(world.schedule.next_deadline(), Some(world.now + SECOND));
    world.now += SECOND;
    let again = world.start();
    assert_eq!(world.places(&again), [(0, 0)]);
    assert_eq!(world.schedule.attempts(again[0]), 2);
    // It doubles.
    assert_eq!(world.end(again[0], FAILED), After::Retry);
    assert_eq!(world.schedule.next_deadline(), Some(world.now + 2 * SECOND));
    world.now += 2 * SECOND;
    let again = world.start();
    assert_eq!(world.end(again[0], FAILED), After::Stop, "three attempts");
    assert_eq!(world.start(), [], "1 stays where it is");
    assert_eq!(world.schedule.in_flight(), 2);
}

#[test]
fn what_no_attempt_can_help_goes_where_such_records_go_at_once() {
    for (last_resort, expected) in [
        (LastResort::Stop, After::Stop),
        (LastResort::Skip, After::Skip((0, 0))),
        (LastResort::DeadLetter, After::DeadLetter),
    ] {
        let mut world = World::new(|rules| rules.last_resort = last_resort);
        world.arrive(0, 0, Some(1));
        world.arrive(0, 1, Some(1));
        let started = world.start();
        assert_eq!(world.end(started[0], BROKEN), expected);
        assert_eq!(world.start().len(), usize::from(last_resort == LastResort::Skip));
    }
}

#[test]
fn a_record_is_done_when_its_dead_letter_is_and_not_before() {
    let mut world = World::new(|rules| rules.last_resort = LastResort::DeadLetter);
    world.arrive(0, 0, Some(1));
    world.arrive(0, 1, Some(1));
    let first = world.start();
    assert_eq!(world.end(first[0], BROKEN), After::DeadLetter);
    assert_eq!((world.start(), world.schedule.in_flight()), (vec![], 2));
    assert_eq!(world.end(first[0], Outcome::Done), After::Acknowledge((0, 0)));
    let second = world.start();
    assert_eq!(world.places(&second), [(0, 1)]);
    assert_eq!(world.end(second[0], BROKEN), After::DeadLetter);
    assert_eq!(world.end(second[0], Outcome::LetterFailed), After::Stop);
    assert_eq!(world.schedule.in_flight(), 1);
}

#[test]
fn a_full_runner_asks_for_changes_alone() {
    let mut world = World::new(|rules| rules.max_records = 3);
    (0..3).for_each(|offset| world.arrive(0, offset, Some(0)));
    assert_eq!(world.schedule.wants(), Wants::Changes);
    let started = world.start();
    world.end(started[0], Outcome::Done);
    assert_eq!(world.schedule.wants(), Wants::Records);

    let mut world = World::new(|rules| rules.max_bytes = 20);
    (0..2).for_each(|offset| world.arrive(0, offset, Some(0)));
    assert_eq!(world.schedule.wants(), Wants::Changes);
}

#[test]
fn a_partition_is_held_back_when_it_has_its_share_and_until_half_of_it_is_done() {
    let mut world = World::new(|rules| rules.max_records = 12);
    world.schedule.handle_assignment(3);
    (0..3).for_each(|offset| world.arrive(0, offset, Some(0)));
    assert_eq!(world.schedule.poll_hold(), None);
    (3..6).for_each(|offset| world.arrive(0, offset, Some(0)));
    assert_eq!((world.schedule.poll_hold(), world.schedule.poll_hold()), (Some((a(0), true)), None));
    for left in (2..6).rev() {
        let started = world.start();
        world.end(started[0], Outcome::Done);
        let released = (left == 2).then(|| (a(0), false));
        assert_eq!(world.schedule.poll_hold(), released, "{left} left");
    }
    // One that goes is the consumer's matter.
    (6..12).for_each(|offset| world.arrive(0, offset, Some(0)));
    assert_eq!(world.schedule.poll_hold(), Some((a(0), true)));
    world.schedule.handle_lost(&[a(0)]);
    assert_eq!(world.schedule.poll_hold(), None);
}

#[test]
fn revoked_partitions_are_waited_for_and_the_others_go_on() {
    let mut world = World::new(|_| {});
    for offset in 0..3 {
        world.arrive(0, offset, Some(1));
        world.arrive(1, offset, Some(1));
    }
    let started = world.start();
    assert_eq!(world.places(&started), [(0, 0), (1, 0)]);
    world.schedule.handle_revoked(world.now, &[a(0)]);
    assert_eq!(world.schedule.poll_drained(world.now), None);
    assert_eq!(world.schedule.wants(), Wants::Retained);
    assert_eq!(world.schedule.in_flight(), 4, "what waited of it is dropped");
    world.end(started[1], Outcome::Done);
    let next = world.start();
    assert_eq!(world.places(&next), [(1, 1)]);
    assert_eq!(world.end(started[0], Outcome::Done), After::Acknowledge((0, 0)), "it is still its own");
    assert_eq!(world.start(), [], "nothing new of it");
    assert_eq!(world.schedule.poll_drained(world.now), Some(vec![]));
    assert_eq!(world.schedule.wants(), Wants::Records);
}

#[test]
fn who_does_not_return_in_time_is_cancelled_and_what_fails_meanwhile_is_left_to_the_next() {
    let mut world = World::new(|_| {});
    world.arrive(0, 0, Some(1));
    world.arrive(0, 1, Some(2));
    world.arrive(0, 2, Some(3));
    let started = world.start();
    assert_eq!(world.end(started[2], FAILED), After::Retry);
    world.schedule.handle_revoked(world.now, &[a(0)]);
    assert_eq!(world.schedule.in_flight(), 2, "nor is anything tried again");
    assert_eq!(world.end(started[1], BROKEN), After::Drop);
    assert_eq!(world.schedule.next_deadline(), Some(world.now + 10 * SECOND));
    world.now += 10 * SECOND;
    assert_eq!(world.schedule.poll_drained(world.now), Some(vec![started[0]]));
    assert_eq!((world.schedule.in_flight(), world.schedule.running()), (0, 0));
    assert_eq!(world.end(started[0], Outcome::Done), After::Drop);
}

#[test]
fn lost_partitions_end_at_once_and_come_back_as_new_ones() {
    let mut world = World::new(|_| {});
    world.arrive(0, 0, Some(1));
    world.arrive(0, 1, Some(1));
    world.arrive(1, 0, Some(1));
    let started = world.start();
    assert_eq!(world.schedule.handle_lost(&[a(0)]), [started[0]]);
    assert_eq!(world.schedule.in_flight(), 1);
    world.arrive(0, 0, Some(1));
    let again = world.start();
    assert_eq!(world.places(&again), [(0, 0)], "it does not wait for its own ghost");
}

#[test]
fn a_handler_that_does_not_return_is_named_and_again_after_twice_the_time() {
    let mut world = World::new(|rules| rules.concurrency = 20);
    (0..12).for_each(|offset| world.arrive(0, offset, None));
    let started = world.start();
    for id in &started[2..] {
        world.end(*id, Outcome::Done);
    }
    let start = world.now;
    let mut named = Vec::new();
    for _ in 0..600 {
        world.now += SECOND;
        for slow in world.schedule.poll_slow(world.now) {
            assert_eq!((slow.partition, slow.others), (a(0), 0));
            named.push((slow.offset.0, (world.now - start).as_secs()));
        }
    }
    assert_eq!(named, [(0, 60), (1, 60), (0, 120), (1, 120), (0, 240), (1, 240), (0, 480), (1, 480)]);
}

#[test]
fn of_many_slow_handlers_a_few_are_named_and_the_others_counted() {
    let mut world = World::new(|rules| rules.concurrency = 20);
    (0..20).for_each(|offset| world.arrive(0, offset, None));
    world.start();
    world.now += 60 * SECOND;
    let slow = world.schedule.poll_slow(world.now);
    assert_eq!((slow.len(), slow.last().unwrap().others), (8, 12));
    assert_eq!(world.schedule.poll_slow(world.now), []);
}

#[test]
fn who_closes_starts_nothing_and_tries_nothing_again() {
    let mut world = World::new(|rules| rules.concurrency = 3);
    (0..6).for_each(|offset| world.arrive(0, offset, None));
    let started = world.start();
    assert_eq!(world.end(started[0], FAILED), After::Retry);
    world.schedule.close();
    assert_eq!((world.schedule.in_flight(), world.start()), (2, vec![]));
    assert_eq!(world.end(started[1], FAILED), After::Drop);
    assert!(!world.schedule.is_closed());
    assert_eq!(world.end(started[2], Outcome::Done), After::Acknowledge((0, 2)));
    assert!(world.schedule.is_closed());
    assert_eq!(world.schedule.abandon(), []);
}
