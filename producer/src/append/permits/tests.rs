//! Who is served in which order, who is woken, and who gives up when.

use super::super::room::Room;
use super::*;

fn poll(acquire: &mut Acquire) -> Poll<Permit> {
    Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_small_demand_does_not_overtake_a_large_one() {
    let permits = Permits::new(100);
    let held = permits.try_acquire(60).unwrap();
    let mut large = permits.acquire(80);
    let mut small = permits.acquire(10);
    assert!(poll(&mut large).is_pending());
    assert!(poll(&mut small).is_pending());
    assert!(permits.try_acquire(10).is_none());
    assert!(permits.take_pressure());
    drop(held);
    let Poll::Ready(large) = poll(&mut large) else { panic!("the first in the queue was granted") };
    assert_eq!(large.bytes(), 80);
    assert!(poll(&mut small).is_ready());
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_is_freed_wakes_those_that_it_serves_and_nobody_else() {
    let permits = Permits::new(100);
    let held: Vec<Permit> = (0..10).map(|_| permits.try_acquire(10).unwrap()).collect();
    let counts: Vec<Arc<Count>> = (0..20).map(|_| Arc::default()).collect();
    let mut waiting: Vec<Acquire> = (0..20).map(|_| permits.acquire(10)).collect();
    for (acquire, count) in waiting.iter_mut().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        assert!(Pin::new(acquire).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    for (nth, permit) in held.into_iter().enumerate() {
        drop(permit);
        let woken: Vec<usize> = counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect();
        let expected: Vec<usize> = (0..20).map(|waiter| usize::from(waiter <= nth)).collect();
        assert_eq!(woken, expected, "after {} were freed", nth + 1);
    }
    let polled: Vec<Poll<Permit>> = waiting.iter_mut().map(poll).collect();
    let ready: Vec<bool> = polled.iter().map(Poll::is_ready).collect();
    assert_eq!(ready, (0..20).map(|waiter| waiter < 10).collect::<Vec<_>>());
}

/// A record that nobody puts anywhere.
struct Unplaced;

impl Applicant for Unplaced {
    fn apply(&self, _: &Room, _: Option<Permit>) -> Result<(), usize> {
        Err(10)
    }

    fn expire(&self) {}

    fn join_line(self: Arc<Self>, _: &Room) {}
}

#[test]
fn a_record_at_the_front_is_tried_once_and_again_when_its_bytes_are_free() {
    let (permits, now) = (Permits::new(100), Instant::now());
    let held = permits.try_acquire(95).unwrap();
    let count = Arc::<Count>::default();
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    assert!(permits.poll_fronts(&mut cx, &mut Vec::new()).is_pending());
    let (ticket, is_soonest) = permits.enter(0, now..now, Arc::new(Unplaced)).unwrap();
    assert!(is_soonest);
    let mut behind = permits.acquire(5);
    assert!(poll(&mut behind).is_pending(), "it does not overtake the record");
    assert!(permits.poll_fronts(&mut cx, &mut Vec::new()).is_ready(), "it may need no bytes");
    assert!(permits.take_for(ticket, 10, now).is_none());
    assert!(permits.poll_fronts(&mut cx, &mut Vec::new()).is_pending());
    drop(held);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(permits.poll_fronts(&mut cx, &mut Vec::new()).is_ready());
    let taken = permits.take_for(ticket, 10, now).unwrap();
    permits.leave_up_to(ticket, now);
    assert!(poll(&mut behind).is_ready());
    assert!(!permits.has_line());
    drop(taken);
    assert_eq!(permits.free(), 100);
}

#[test]
fn the_driver_hears_of_a_record_where_none_waits_and_of_one_that_gives_up_sooner() {
    let permits = Permits::new(100);
    let now = Instant::now();
    let enter = |until| permits.enter(0, now..until, Arc::new(Unplaced)).unwrap();
    let (front, is_soonest) = enter(now);
    let (behind, is_sooner) = enter(now);
    assert!(is_soonest && !is_sooner);
    permits.leave(front);
    assert!(!enter(now).1, "one is left");
    permits.leave(behind);
    permits.leave(behind + 1);
    assert!(enter(now + Duration::from_secs(1)).1, "nobody is left, and the driver may be asleep");
    assert!(enter(now).1, "the driver would sleep for longer than this may wait");
}

#[test]
fn records_give_up_in_the_order_of_their_deadlines() {
    let permits = Permits::new(100);
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(permits.next_expiry(), None);
    let tickets =
        [5, 6, 4, 6, 9].map(|until| permits.enter(0, now..at(until), Arc::new(Unplaced)).unwrap().0);
    permits.leave(tickets[1]);
    let mut left = Vec::new();
    for second in 0..10 {
        while permits.take_expired(at(second)).is_some() {
            let standing = permits.lock().waiters.iter().map(|waiter| waiter.ticket).collect::<Vec<_>>();
            left.push((second, standing));
        }
    }
    let [a, _, _, c, d] = tickets;
    assert_eq!(left, [(4, vec![a, c, d]), (5, vec![c, d]), (6, vec![d]), (9, vec![])]);
    assert_eq!(permits.next_expiry(), None);
    let Waits { total, in_vain } = permits.waits();
    assert_eq!((total.as_secs(), in_vain), (4 + 5 + 6 + 9, 4));
}

#[test]
fn who_was_refused_presses_once() {
    let permits = Permits::new(100);
    assert!(!permits.take_pressure());
    permits.note_refused();
    assert!(permits.take_pressure());
    assert!(!permits.take_pressure());
}

#[test]
fn a_dropped_waiter_gives_back_its_place_and_its_grant() {
    let permits = Permits::new(100);
    let held = permits.try_acquire(100).unwrap();
    let mut granted = permits.acquire(50);
    let mut blocking = permits.acquire(90);
    let mut last = permits.acquire(20);
    assert!(poll(&mut granted).is_pending());
    assert!(poll(&mut blocking).is_pending());
    assert!(poll(&mut last).is_pending());
    drop(held);
    drop(blocking);
    let Poll::Ready(permit) = poll(&mut last) else { panic!("nobody is in front of it any more") };
    drop(granted);
    drop(permit);
    assert_eq!(permits.free(), 100);
}

#[test]
fn a_split_permit_returns_each_part_once() {
    let permits = Permits::new(100);
    let mut whole = permits.try_acquire(70).unwrap();
    let part = whole.split_off(30);
    assert_eq!((whole.bytes(), part.bytes()), (40, 30));
    drop(whole);
    assert_eq!(permits.free(), 70);
    drop(part);
    assert_eq!(permits.free(), 100);
}
