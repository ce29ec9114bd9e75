//! Byte permits: `buffer.memory` as a counter that is waited for in the order of asking.
//!
//! A permit is taken once per batch, for the room that the batch may fill, and goes back when the batch's outcome is
//! known. Whoever waits is served strictly first come, first served: a small demand never overtakes a large one, so
//! that the large one is not starved (Kafka's `BufferPool`). A waiter that is dropped leaves the queue, and gives back
//! what it was granted in the meantime. Among those who wait may be records that somebody else puts into the room, in
//! their turn (see `line`).
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::line::{Applicant, Front};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// All bytes that batches may hold, and the queue of those who wait for some.
pub(crate) struct Permits {
    total: usize,
    /// How many records wait.
    records: AtomicUsize,
    state: Mutex<State>,
    waits: Mutex<Waits>,
}

/// How those fared who had to wait.
#[derive(Clone, Copy, Default)]
pub(crate) struct Waits {
    pub(crate) total: Duration,
    pub(crate) in_vain: u64,
}

struct State {
    free: usize,
    /// In the order of asking; the first `granted` of them have their bytes and were woken. None of these is a record.
    waiters: VecDeque<Waiter>,
    granted: usize,
    next_ticket: u64,
    /// When the records among them give up, and their tickets, the soonest first.
    expiring: VecDeque<(Instant, u64)>,
    /// Somebody who does not wait was refused, and nobody has hurried since.
    refused: bool,
    /// Who puts waiting records into the room, once there may be space for the one at the front.
    server: Option<Waker>,
    /// Nobody does any more.
    is_closed: bool,
}

struct Waiter {
    ticket: u64,
    bytes: usize,
    who: Who,
}

/// Who waits for bytes.
pub(super) enum Who {
    Task(Waker),
    /// A record, which may fit into a batch that is open; `was_tried` says that it does not.
    Record {
        applicant: Arc<dyn Applicant>,
        deadline: Instant,
        was_tried: bool,
    },
}

impl Permits {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let state = State {
            free: total,
            waiters: VecDeque::new(),
            granted: 0,
            next_ticket: 0,
            expiring: VecDeque::new(),
            refused: false,
            server: None,
            is_closed: false,
        };
        Arc::new(Self {
            total,
            records: AtomicUsize::new(0),
            state: Mutex::new(state),
            waits: Mutex::default(),
        })
    }

    /// What there is when nothing is taken.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// How many wait without having been granted.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.lock();
        state.waiters.len() - state.granted
    }

    /// What is free now.
    pub(crate) fn free(&self) -> usize {
        self.lock().free
    }

    /// Somebody has waited for so long, and got it or not.
    pub(crate) fn note_wait(&self, waited: Duration, got_it: bool) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.total += waited;
        waits.in_vain += u64::from(!got_it);
    }

    /// How long all have waited, and how many in vain.
    pub(crate) fn waits(&self) -> Waits {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody who does not wait found too little free.
    pub(crate) fn note_refused(&self) {
        self.lock().refused = true;
    }

    /// Whether somebody waits without having been granted, or was refused since the last call: batches must not linger
    /// then.
    pub(crate) fn take_pressure(&self) -> bool {
        let mut state = self.lock();
        let refused = std::mem::take(&mut state.refused);
        refused || state.waiters.len() > state.granted
    }

    /// Takes `bytes` if they are free and nobody asked before.
    pub(crate) fn try_acquire(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let mut state = self.lock();
        if !state.waiters.is_empty() || state.free < bytes {
            return None;
        }
        state.free -= bytes;
        Some(Permit { permits: Arc::clone(self), bytes })
    }

    /// Waits for `bytes`, behind everybody who asked before. More than [`Permits::total`] would wait for ever.
    pub(crate) fn acquire(self: &Arc<Self>, bytes: usize) -> Acquire {
        Acquire { permits: Arc::clone(self), bytes, ticket: None }
    }

    /// Whether a record waits; who comes now has to wait behind it, even where its batch has room left.
    #[inline(always)]
    pub(crate) fn has_line(&self) -> bool {
        self.records.load(Ordering::Acquire) > 0
    }

    /// Puts a record at the end of the queue and says whether it is the first to give up, of which the driver has to know;
    /// `None` if nobody serves it any more.
    pub(super) fn enter(
        &self,
        bytes: usize,
        deadline: Instant,
        applicant: Arc<dyn Applicant>,
    ) -> Option<(u64, bool)> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        self.records.fetch_add(1, Ordering::Relaxed);
        let ticket = state.enter(bytes, Who::Record { applicant, deadline, was_tried: false });
        let is_soonest = state.expires(deadline, ticket) == 0;
        Some((ticket, is_soonest))
    }

    /// When the first record gives up.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        match self.has_line() {
            true => self.lock().expiring.front().map(|(deadline, _)| *deadline),
            false => None,
        }
    }

    /// A record that has waited for as long as it may.
    pub(super) fn poll_expired(&self, now: Instant) -> Option<Front> {
        if !self.has_line() {
            return None;
        }
        let state = self.lock();
        let (_, ticket) = *state.expiring.front().filter(|(deadline, _)| *deadline <= now)?;
        state.waiters.get(state.place_of(ticket)?)?.as_record()
    }

    /// Takes a waiter out of the queue, whom this may make somebody else's turn.
    pub(super) fn leave(&self, ticket: u64) {
        let mut state = self.lock();
        let Some(place) = state.place_of(ticket) else { return };
        let left = state.waiters.remove(place);
        if let Some(Waiter { who: Who::Record { deadline, .. }, .. }) = &left {
            state.expires_not(*deadline, ticket);
            self.records.fetch_sub(1, Ordering::Release);
        }
        if place < state.granted {
            state.granted -= 1;
            state.free += left.as_ref().map_or(0, |waiter| waiter.bytes);
        }
        // Those behind a large demand that gave up may fit now.
        let woken = state.grant();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        // What was left may be the last of a record, and call a program's own code.
        drop(left);
    }

    /// The record at the front, if it can be served or was not tried yet; else `cx` is woken once that is so.
    pub(super) fn poll_front(&self, cx: &mut Context<'_>) -> Poll<Front> {
        if !self.has_line() {
            // Who is the first in the line from now on rings the bell.
            return Poll::Pending;
        }
        let mut state = self.lock();
        if let Some(front) = state.front_to_serve().and_then(Waiter::as_record) {
            return Poll::Ready(front);
        }
        match &mut state.server {
            Some(server) => server.clone_from(cx.waker()),
            None => state.server = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes bytes for the record at the front, or notes that it misses so many.
    pub(super) fn take_for(self: &Arc<Self>, ticket: u64, missing: usize) -> Option<Permit> {
        let mut state = self.lock();
        let (granted, free) = (state.granted, state.free);
        let front = state.waiters.get_mut(granted).filter(|front| front.ticket == ticket)?;
        if free < missing {
            front.bytes = missing;
            if let Who::Record { was_tried, .. } = &mut front.who {
                *was_tried = true;
            }
            return None;
        }
        state.free -= missing;
        drop(state);
        Some(Permit { permits: Arc::clone(self), bytes: missing })
    }

    /// Nobody puts waiting records into the room from now on; these are left. Tasks that wait are woken, to look for
    /// themselves.
    pub(super) fn close_line(&self) -> Vec<Front> {
        let mut state = self.lock();
        state.is_closed = true;
        let records = state.waiters.iter().filter_map(Waiter::as_record).collect();
        let tasks: Vec<Waker> = state.waiters.iter().filter_map(Waiter::as_task).cloned().collect();
        drop(state);
        tasks.into_iter().for_each(Waker::wake);
        records
    }

    fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.free += bytes;
        let woken = state.grant();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, bytes: usize, who: Who) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiters.push_back(Waiter { ticket, bytes, who });
        ticket
    }

    /// Notes when a record gives up, and says how many do before. Who has waited elsewhere does sooner than others that stand
    /// before it.
    fn expires(&mut self, deadline: Instant, ticket: u64) -> usize {
        let place = match self.expiring.back() {
            Some((last, _)) if *last > deadline => self.expiring.partition_point(|(at, _)| *at <= deadline),
            _ => self.expiring.len(),
        };
        self.expiring.insert(place, (deadline, ticket));
        place
    }

    /// Forgets when a record gives up. Mostly it is the first.
    fn expires_not(&mut self, deadline: Instant, ticket: u64) {
        if self.expiring.front().is_some_and(|(_, first)| *first == ticket) {
            self.expiring.pop_front();
        } else if let Ok(place) = self.expiring.binary_search(&(deadline, ticket)) {
            self.expiring.remove(place);
        }
    }

    /// Hands free bytes to those who have waited longest, and says whom to wake once the lock is gone.
    fn grant(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some(Waiter { bytes, who: Who::Task(waker), .. }) = self.waiters.get(self.granted)
            && *bytes <= self.free
        {
            self.free -= bytes;
            woken.push(waker.clone());
            self.granted += 1;
        }
        if self.front_to_serve().is_some() {
            woken.extend(self.server.take());
        }
        woken
    }

    /// The record at the front, unless it is known to miss bytes.
    fn front_to_serve(&self) -> Option<&Waiter> {
        self.waiters.get(self.granted).filter(|front| match front.who {
            Who::Record { was_tried, .. } => !was_tried || front.bytes <= self.free,
            Who::Task(_) => false,
        })
    }

    /// Tickets only grow and the queue keeps their order, so that a waiter finds itself by bisection. Most are the next.
    fn place_of(&self, ticket: u64) -> Option<usize> {
        if self.waiters.get(self.granted).is_some_and(|next| next.ticket == ticket) {
            return Some(self.granted);
        }
        self.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}

impl Waiter {
    fn as_task(&self) -> Option<&Waker> {
        match &self.who {
            Who::Task(waker) => Some(waker),
            Who::Record { .. } => None,
        }
    }

    fn as_record(&self) -> Option<Front> {
        match &self.who {
            Who::Task(_) => None,
            Who::Record { applicant, .. } => {
                Some(Front { ticket: self.ticket, applicant: Arc::clone(applicant) })
            }
        }
    }
}

/// Bytes that were taken; they go back when this is dropped.
pub(crate) struct Permit {
    permits: Arc<Permits>,
    bytes: usize,
}

impl Permit {
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes up to `bytes` out of this permit into one of its own, for a part of a batch that was split.
    pub(crate) fn split_off(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { permits: Arc::clone(&self.permits), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.permits.release(self.bytes);
        }
    }
}

/// The wait for a permit. Dropping it gives up the place in the queue, and whatever had been granted.
pub(crate) struct Acquire {
    permits: Arc<Permits>,
    bytes: usize,
    ticket: Option<u64>,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let permits = Arc::clone(&self.permits);
        let bytes = self.bytes;
        let mut state = permits.lock();
        let place = self.ticket.and_then(|ticket| state.place_of(ticket));
        match place {
            None if state.waiters.is_empty() && state.free >= bytes => state.free -= bytes,
            None => {
                self.ticket = Some(state.enter(bytes, Who::Task(cx.waker().clone())));
                return Poll::Pending;
            }
            Some(place) if place < state.granted => {
                state.waiters.remove(place);
                state.granted -= 1;
                self.ticket = None;
            }
            Some(place) => {
                if let Some(Waiter { who: Who::Task(waker), .. }) = state.waiters.get_mut(place) {
                    waker.clone_from(cx.waker());
                }
                return Poll::Pending;
            }
        }
        drop(state);
        Poll::Ready(Permit { permits, bytes })
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.permits.leave(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

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
        fn apply(&self, _: &Room, _: Instant, _: Option<Permit>) -> Result<(), usize> {
            Err(10)
        }

        fn expire(&self, _: &Room, _: Instant) {}

        fn join_line(self: Arc<Self>, _: &Room) {}
    }

    #[test]
    fn a_record_at_the_front_is_tried_once_and_again_when_its_bytes_are_free() {
        let permits = Permits::new(100);
        let held = permits.try_acquire(95).unwrap();
        let count = Arc::<Count>::default();
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        assert!(permits.poll_front(&mut cx).is_pending());
        let (ticket, is_soonest) = permits.enter(0, Instant::now(), Arc::new(Unplaced)).unwrap();
        assert!(is_soonest);
        let mut behind = permits.acquire(5);
        assert!(poll(&mut behind).is_pending(), "it does not overtake the record");
        assert!(permits.poll_front(&mut cx).is_ready(), "it may need no bytes");
        assert!(permits.take_for(ticket, 10).is_none());
        assert!(permits.poll_front(&mut cx).is_pending());
        drop(held);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(permits.poll_front(&mut cx).is_ready());
        let taken = permits.take_for(ticket, 10).unwrap();
        permits.leave(ticket);
        assert!(poll(&mut behind).is_ready());
        assert!(!permits.has_line());
        drop(taken);
        assert_eq!(permits.free(), 100);
    }

    #[test]
    fn the_driver_hears_of_a_record_where_none_waits_and_of_one_that_gives_up_sooner() {
        let permits = Permits::new(100);
        let now = Instant::now();
        let enter = |until| permits.enter(0, until, Arc::new(Unplaced)).unwrap();
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
        let tickets = [5, 6, 4, 6, 9].map(|until| permits.enter(0, at(until), Arc::new(Unplaced)).unwrap().0);
        permits.leave(tickets[1]);
        let mut given_up = Vec::new();
        for second in 0..10 {
            while let Some(Front { ticket, .. }) = permits.poll_expired(at(second)) {
                permits.leave(ticket);
                given_up.push((second, ticket));
            }
        }
        assert_eq!(given_up, [(4, tickets[2]), (5, tickets[0]), (6, tickets[3]), (9, tickets[4])]);
        assert_eq!(permits.next_expiry(), None);
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
}
