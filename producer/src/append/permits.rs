//! Byte permits: `buffer.memory` as a counter that is waited for in the order of asking.
//!
//! A permit is taken once per batch, for the room that the batch may fill, and goes back when the batch's outcome is
//! known. Whoever waits is served strictly first come, first served: a small demand never overtakes a large one, so
//! that the large one is not starved (Kafka's `BufferPool`). A waiter that is dropped leaves the queue, and gives back
//! what it was granted in the meantime. Among those who wait may be records that somebody else puts into the room, in
//! their turn (see `line`).
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
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
}

/// How many records are served before others get the lock again. A batch by defaults takes sixteen of 1 KiB.
const AT_ONCE: usize = 16;

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
    waits: Waits,
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
        /// From when, and until when at the latest.
        waits: Range<Instant>,
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
            waits: Waits::default(),
            refused: false,
            server: None,
            is_closed: false,
        };
        Arc::new(Self { total, records: AtomicUsize::new(0), state: Mutex::new(state) })
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
        self.lock().waits.note(waited, got_it);
    }

    /// How long all have waited, and how many in vain.
    pub(crate) fn waits(&self) -> Waits {
        self.lock().waits
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
        waits: Range<Instant>,
        applicant: Arc<dyn Applicant>,
    ) -> Option<(u64, bool)> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        self.records.fetch_add(1, Ordering::Relaxed);
        let deadline = waits.end;
        let ticket = state.enter(bytes, Who::Record { applicant, waits, was_tried: false });
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

    /// Takes a record out of the queue that has waited for as long as it may.
    pub(super) fn take_expired(&self, now: Instant) -> Option<Arc<dyn Applicant>> {
        if !self.has_line() {
            return None;
        }
        let state = self.lock();
        let (_, ticket) = *state.expiring.front().filter(|(deadline, _)| *deadline <= now)?;
        let Who::Record { applicant, waits, .. } = self.remove(state, ticket)?.who else { return None };
        self.note_wait(now.saturating_duration_since(waits.start), false);
        Some(applicant)
    }

    /// Takes a waiter out of the queue, whom this may make somebody else's turn.
    pub(super) fn leave(&self, ticket: u64) {
        // What was left may be the last of a record, and call a program's own code: not under the lock.
        drop(self.remove(self.lock(), ticket));
    }

    fn remove(&self, mut state: MutexGuard<'_, State>, ticket: u64) -> Option<Waiter> {
        let place = state.place_of(ticket)?;
        let left = state.waiters.remove(place)?;
        if let Who::Record { waits, .. } = &left.who {
            state.expires_not(waits.end, ticket);
            self.records.fetch_sub(1, Ordering::Release);
        }
        if place < state.granted {
            state.granted -= 1;
            state.free += left.bytes;
        }
        // Those behind a large demand that gave up may fit now.
        let woken = state.grant();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        Some(left)
    }

    /// The records at the front, up to [`AT_ONCE`], if the first can be served or was not tried yet; else `cx` is woken once
    /// that is so. They stand where they are.
    pub(super) fn poll_fronts(&self, cx: &mut Context<'_>, fronts: &mut Vec<Front>) -> Poll<()> {
        if !self.has_line() {
            // Who is the first in the line from now on rings the bell.
            return Poll::Pending;
        }
        let mut state = self.lock();
        if state.front_to_serve().is_some() {
            let waiters = state.waiters.range(state.granted..);
            fronts.reserve(AT_ONCE);
            fronts.extend(waiters.map_while(Waiter::as_record).take(AT_ONCE));
            return Poll::Ready(());
        }
        match &mut state.server {
            Some(server) => server.clone_from(cx.waker()),
            None => state.server = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Those before a record have been served; takes bytes for it, or notes that it misses so many.
    pub(super) fn take_for(self: &Arc<Self>, ticket: u64, missing: usize, now: Instant) -> Option<Permit> {
        let mut state = self.lock();
        self.pass(&mut state, ticket, now);
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

    /// Takes the records up to this one out of the queue, as they have been served.
    pub(super) fn leave_up_to(&self, last: u64, now: Instant) {
        let mut state = self.lock();
        self.pass(&mut state, last + 1, now);
        let woken = state.grant();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whoever served them holds them still: none is dropped here for the last time.
    fn pass(&self, state: &mut State, next: u64, now: Instant) {
        let mut passed = 0;
        while let Some(Waiter { ticket, who: Who::Record { waits, .. }, .. }) =
            state.waiters.get(state.granted)
            && *ticket < next
        {
            let (ticket, waits) = (*ticket, waits.clone());
            state.waits.note(now.saturating_duration_since(waits.start), true);
            state.expires_not(waits.end, ticket);
            let granted = state.granted;
            state.waiters.remove(granted);
            passed += 1;
        }
        self.records.fetch_sub(passed, Ordering::Release);
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

impl Waits {
    fn note(&mut self, waited: Duration, got_it: bool) {
        self.total += waited;
        self.in_vain += u64::from(!got_it);
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
mod tests;
