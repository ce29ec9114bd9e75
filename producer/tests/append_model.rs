//! The append room under a model checker: the very files of `src/append`, with shuttle's locks in place of std's.
//!
//! Each model is run under a thousand random schedules, and as many with few, ill-placed preemptions. A schedule that
//! fails is printed, and `shuttle::replay` repeats it.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::panic)]

#[path = "../src/append/mod.rs"]
mod append;
#[path = "../src/partitioner/mod.rs"]
mod partitioner;

/// What the room takes for locks.
mod sync {
    // Nobody waits for one: it is set or it is not. What is done before and after is done under shuttle's locks.
    pub(crate) use std::sync::OnceLock;

    pub(crate) use shuttle::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError, RwLock};
}

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use append::{
    Applicant, Claim, ClosedBatch, Delivered, Destination, Gate, Moment, Outcome, Payload, Permit, Place,
    Room, RoomOptions, Slot,
};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{Batches, ReadOptions, Stamp};
use courant_protocol::types::{NodeId, Offset, PartitionId, TopicId, TopicName, UnixMillis};
use shuttle::future::block_on;
use shuttle::sync::Mutex;
use shuttle::thread;

fn main() {
    let models: [(&str, fn()); 7] = [
        ("every_record_is_taken_once_and_in_order", every_record_is_taken_once_and_in_order),
        ("a_flush_waits_for_what_was_before_it", a_flush_waits_for_what_was_before_it),
        ("nothing_is_appended_behind_a_closed_gate", nothing_is_appended_behind_a_closed_gate),
        (
            "waiters_for_bytes_are_all_served_and_nothing_leaks",
            waiters_for_bytes_are_all_served_and_nothing_leaks,
        ),
        ("a_delivery_is_always_woken", a_delivery_is_always_woken),
        ("a_record_in_line_is_served_once_space_is_free", a_record_in_line_is_served_once_space_is_free),
        (
            "a_driver_that_would_come_later_is_woken_by_a_full_batch",
            a_driver_that_would_come_later_is_woken_by_a_full_batch,
        ),
    ];
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, model) in models {
        if only.as_ref().is_none_or(|only| name.contains(only.as_str())) {
            shuttle::check_random(model, SCHEDULES);
            shuttle::check_pct(model, SCHEDULES, 3);
            println!("model {name} ... ok");
        }
    }
}

const SCHEDULES: usize = 1000;

fn room(batch_size_bytes: usize, buffer_memory_bytes: usize) -> Arc<Room> {
    let options = RoomOptions { batch_size_bytes, buffer_memory_bytes, ..RoomOptions::small() };
    let room = Room::new(options);
    let led = partitioner::Standing { leader: Some(NodeId(0)), ..partitioner::Standing::default() };
    room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![led; 2]);
    room
}

/// Appends one record, waiting for bytes if it must; `None` once the gate is closed.
fn append(room: &Arc<Room>, value: &str) -> Option<(Arc<append::Completion>, u32)> {
    let payload = Payload { key: None, value: Some(value.as_bytes()), headers: &[], timestamp: None };
    let to = Destination { topic: "t", partition: Some(PartitionId(0)) };
    let mut claim = Claim::default();
    loop {
        match room.append(to, &payload, &mut claim) {
            Ok(appended) => return Some((appended.completion, appended.index)),
            Err(append::Refusal::NeedsBytes(bytes)) => {
                room.supplies.bell.ring();
                claim.permit = Some(block_on(room.supplies.permits.acquire(bytes)));
            }
            Err(append::Refusal::Closed) => return None,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The driver: hears the bell, takes what there is, and completes it at once, until `done` says so and all is quiet.
fn drive(room: &Arc<Room>, done: impl Fn() -> bool) -> Vec<String> {
    let mut values = Vec::new();
    let mut slots: Vec<Arc<Slot>> = Vec::new();
    loop {
        // Read first: what was appended before it was set has rung the bell before it is heard below.
        let ending = done();
        let mut heard = Vec::new();
        let rung = room.supplies.bell.hear(&mut heard);
        slots.append(&mut heard);
        let mut taken = Vec::new();
        for slot in slots.drain(..) {
            let _still_open = slot.visit(&mut taken);
            slot.take_all(&mut taken);
        }
        taken.into_iter().for_each(|batch| complete(batch, &mut values));
        if ending && !rung {
            return values;
        }
        thread::yield_now();
    }
}

fn complete(batch: ClosedBatch, values: &mut Vec<String>) {
    let mut scratch = CompressionScratch::new();
    let first = values.len() as i64;
    let ClosedBatch { writer, completion, hold, .. } = batch;
    let sealed = writer.seal(Codec::None, None, &mut scratch).unwrap();
    let bytes = sealed.to_bytes(&Stamp::default());
    let read = Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap();
    for record in &read.records(&mut scratch).unwrap() {
        values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
    }
    completion.complete(Outcome::Written { base_offset: Offset(first), log_append_time: None });
    drop(hold);
}

/// Two tasks append three records each, in batches of about two; the driver takes them.
fn every_record_is_taken_once_and_in_order() {
    let room = room(90, 10_000);
    let left = Arc::new(Mutex::new(2));
    let tasks: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|task| {
            let (room, left) = (Arc::clone(&room), Arc::clone(&left));
            thread::spawn(move || {
                let handles: Vec<_> = (0..3).map(|n| append(&room, &format!("{task}{n}")).unwrap()).collect();
                *left.lock().unwrap() -= 1;
                handles
            })
        })
        .collect();
    let values = drive(&room, || *left.lock().unwrap() == 0);
    let handles: Vec<_> = tasks.into_iter().map(|task| task.join().unwrap()).collect();
    for (task, handles) in ["a", "b"].into_iter().zip(handles) {
        let own: Vec<_> = values.iter().filter(|value| value.starts_with(task)).cloned().collect();
        assert_eq!(own, [format!("{task}0"), format!("{task}1"), format!("{task}2")]);
        for (n, (completion, index)) in handles.into_iter().enumerate() {
            let Some(Delivered::At { offset, .. }) = completion.now(index) else { panic!("not delivered") };
            assert_eq!(
                values[offset.0 as usize],
                format!("{task}{n}"),
                "a delivery tells its own record's offset"
            );
        }
    }
    assert!(!room.supplies.permits.take_pressure());
    assert!(room.supplies.permits.try_acquire(10_000).is_some(), "every byte came back");
}

/// A record, a flush, a record behind it: when the flush ends, the first is delivered.
fn a_flush_waits_for_what_was_before_it() {
    let room = room(1000, 10_000);
    let done = Arc::new(Mutex::new(false));
    let flushing = {
        let (room, done) = (Arc::clone(&room), Arc::clone(&done));
        thread::spawn(move || {
            let (before, index) = append(&room, "before").unwrap();
            let flush = room.flush();
            append(&room, "after").unwrap();
            block_on(flush);
            assert!(before.now(index).is_some(), "the flush ended before its record was delivered");
            *done.lock().unwrap() = true;
        })
    };
    let other = {
        let room = Arc::clone(&room);
        thread::spawn(move || append(&room, "other").unwrap())
    };
    let values = drive(&room, || *done.lock().unwrap());
    flushing.join().unwrap();
    other.join().unwrap();
    assert!(values.contains(&"before".to_owned()));
}

/// Once the gate was closed and the driver has swept, nothing is left behind.
fn nothing_is_appended_behind_a_closed_gate() {
    let room = room(60, 10_000);
    let closed = Arc::new(Mutex::new(false));
    let task = {
        let room = Arc::clone(&room);
        thread::spawn(move || (0..3).map_while(|n| append(&room, &n.to_string())).collect::<Vec<_>>())
    };
    let closing = {
        let (room, closed) = (Arc::clone(&room), Arc::clone(&closed));
        thread::spawn(move || {
            room.set_gate(Gate::Closed);
            *closed.lock().unwrap() = true;
        })
    };
    let values = drive(&room, || *closed.lock().unwrap());
    closing.join().unwrap();
    let accepted = task.join().unwrap();
    assert_eq!(values.len(), accepted.len(), "accepted and never taken");
    assert!(accepted.iter().all(|(completion, index)| completion.now(*index).is_some()));
}

/// Room for one batch: two tasks wait for it in turn, and a third gives up waiting at some point.
fn waiters_for_bytes_are_all_served_and_nothing_leaks() {
    let room = room(0, 100);
    let left = Arc::new(Mutex::new(3));
    let tasks: Vec<_> = (0..3)
        .map(|task| {
            let (room, left) = (Arc::clone(&room), Arc::clone(&left));
            thread::spawn(move || {
                if task == 2 {
                    let mut acquire = Box::pin(room.supplies.permits.acquire(100));
                    let first = acquire.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    thread::yield_now();
                    drop(first);
                    drop(acquire);
                } else {
                    append(&room, "x").unwrap();
                    append(&room, "y").unwrap();
                }
                *left.lock().unwrap() -= 1;
            })
        })
        .collect();
    let values = drive(&room, || *left.lock().unwrap() == 0);
    tasks.into_iter().for_each(|task| task.join().unwrap());
    assert_eq!(values.len(), 4);
    assert!(room.supplies.permits.try_acquire(100).is_some(), "every byte came back");
}

/// Whoever waits for a delivery is woken, whenever the batch completes.
fn a_delivery_is_always_woken() {
    let room = room(1000, 10_000);
    let done = Arc::new(Mutex::new(false));
    let waiting = {
        let (room, done) = (Arc::clone(&room), Arc::clone(&done));
        thread::spawn(move || {
            let (completion, index) = append(&room, "a").unwrap();
            let mut waiter = append::Waiter::default();
            block_on(std::future::poll_fn(|cx| completion.poll_record(cx, index, &mut waiter)));
            *done.lock().unwrap() = true;
        })
    };
    drive(&room, || *done.lock().unwrap());
    waiting.join().unwrap();
}

/// A record in the line, and what it became of.
struct Asks {
    value: &'static str,
    times_taken: Mutex<usize>,
}

impl Asks {
    fn new(value: &'static str) -> Arc<Self> {
        Arc::new(Self { value, times_taken: Mutex::new(0) })
    }

    fn stand_in_line(self: &Arc<Self>, room: &Room) -> Place {
        let (permits, now) = (&room.supplies.permits, Instant::now());
        let place =
            Place::take(permits, 100, now..now + PATIENCE, Arc::clone(self) as Arc<dyn Applicant>).unwrap();
        if place.has_to_ring {
            room.supplies.bell.ring();
        }
        place
    }
}

impl Applicant for Asks {
    fn apply(&self, room: &Room, permit: Option<Permit>) -> Result<(), usize> {
        let payload =
            Payload { key: None, value: Some(self.value.as_bytes()), headers: &[], timestamp: None };
        let to = Destination { topic: "t", partition: Some(PartitionId(0)) };
        let mut claim = Claim { permit, ..Claim::default() };
        match room.append_in_turn(to, &payload, &mut claim) {
            Ok(_) => *self.times_taken.lock().unwrap() += 1,
            Err(append::Refusal::NeedsBytes(missing)) => return Err(missing),
            Err(other) => panic!("{other:?}"),
        }
        Ok(())
    }

    fn expire(&self) {}

    fn join_line(self: Arc<Self>, _room: &Room) {}
}

/// All space is taken. One task frees it, one waits in line, another leaves the line at some point, and one waits on its
/// own behind them: the driver, asleep in between, serves whoever is left.
fn a_record_in_line_is_served_once_space_is_free() {
    let room = room(0, 100);
    let held = room.supplies.permits.try_acquire(100).unwrap();
    let freeing = thread::spawn(move || drop(held));
    let (stays, leaves) = (Asks::new("stays"), Asks::new("leaves"));
    let leaving = {
        let (room, leaves) = (Arc::clone(&room), Arc::clone(&leaves));
        thread::spawn(move || {
            let place = leaves.stand_in_line(&room);
            thread::yield_now();
            drop(place);
        })
    };
    let _place = stays.stand_in_line(&room);
    let behind = {
        let room = Arc::clone(&room);
        thread::spawn(move || drop(append(&room, "behind").unwrap()))
    };
    let mut values = Vec::new();
    block_on(std::future::poll_fn(|cx| {
        loop {
            let mut heard = Vec::new();
            let rung = room.supplies.bell.hear(&mut heard);
            let mut taken = Vec::new();
            for slot in heard {
                slot.take_all(&mut taken);
                let _nothing_open = slot.visit(&mut taken);
            }
            taken.into_iter().for_each(|batch| complete(batch, &mut values));
            let served = room.serve_line(cx, Instant::now(), 10);
            let all =
                values.iter().any(|value| value == "stays") && values.iter().any(|value| value == "behind");
            match (all, rung || served) {
                (true, _) => return Poll::Ready(()),
                (false, true) => {}
                (false, false) if room.supplies.bell.sleep(cx, None).is_ready() => {}
                (false, false) => return Poll::Pending,
            }
        }
    }));
    [freeing, leaving, behind].into_iter().for_each(|task| task.join().unwrap());
    assert_eq!(*stays.times_taken.lock().unwrap(), 1);
    assert!(*leaves.times_taken.lock().unwrap() <= 1);
    assert!(!room.supplies.permits.has_line());
}

/// Two tasks fill a batch that nobody was woken for when it was opened, since the driver comes back in time by itself. This
/// one never does: it has to be woken once the batch is full.
fn a_driver_that_would_come_later_is_woken_by_a_full_batch() {
    let options = RoomOptions { batch_size_bytes: 90, patience: PATIENCE, ..RoomOptions::small() };
    let until = (options.clock)().now + PATIENCE;
    let room = Room::new(options);
    let led = partitioner::Standing { leader: Some(NodeId(0)), ..partitioner::Standing::default() };
    room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![led]);
    let tasks = ["a", "b"].map(|task| {
        let room = Arc::clone(&room);
        thread::spawn(move || drop(append(&room, &task.repeat(20)).unwrap()))
    });
    let mut values = Vec::new();
    block_on(std::future::poll_fn(|cx| {
        loop {
            let mut heard = Vec::new();
            let is_news = room.supplies.bell.hear(&mut heard);
            let mut taken = Vec::new();
            for slot in heard {
                let _still_open = slot.visit(&mut taken);
            }
            taken.into_iter().for_each(|batch| complete(batch, &mut values));
            if !values.is_empty() {
                return Poll::Ready(());
            }
            if !is_news && room.supplies.bell.sleep(cx, Some(until)).is_pending() {
                return Poll::Pending;
            }
        }
    }));
    tasks.into_iter().for_each(|task| task.join().unwrap());
}

const PATIENCE: Duration = Duration::from_millis(5);
