//! Records whose topic is not known: they wait here until it is, and then in the line.
use std::collections::BTreeMap;
use std::sync::Arc;

use courant_protocol::types::TopicName;

use super::line::Applicant;
use super::room::Room;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// What waits for each topic, in the order in which it came.
#[derive(Default)]
pub(crate) struct Arrivals {
    count: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<TopicName, BTreeMap<u64, Arc<dyn Applicant>>>,
    next_ticket: u64,
    /// Nobody lets them in any more.
    is_closed: bool,
}

/// A place among them; dropping it leaves them.
pub(crate) struct Arrival {
    arrivals: Arc<Arrivals>,
    topic: TopicName,
    ticket: u64,
}

impl Arrivals {
    /// Whether anything waits.
    #[inline(always)]
    pub(crate) fn are_any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Whether anything waits for the topic; who comes now has to wait behind it.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.lock().waiting.contains_key(topic)
    }

    /// Puts a record behind those that wait for its topic; `None` if nobody lets them in any more.
    pub(crate) fn enter(
        self: &Arc<Self>,
        topic: TopicName,
        applicant: Arc<dyn Applicant>,
    ) -> Option<Arrival> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.entry(topic.clone()).or_default().insert(ticket, applicant);
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(Arrival { arrivals: Arc::clone(self), topic, ticket })
    }

    /// Nobody lets anything in from now on but what waits for these topics.
    fn close(&self) -> Vec<TopicName> {
        let mut state = self.lock();
        state.is_closed = true;
        state.waiting.keys().cloned().collect()
    }

    fn first(&self, topic: &str) -> Option<(u64, Arc<dyn Applicant>)> {
        if !self.are_any() {
            return None;
        }
        let state = self.lock();
        let (ticket, applicant) = state.waiting.get(topic)?.first_key_value()?;
        Some((*ticket, Arc::clone(applicant)))
    }

    fn leave(&self, topic: &str, ticket: u64) {
        let mut state = self.lock();
        let Some(waiting) = state.waiting.get_mut(topic) else { return };
        let left = waiting.remove(&ticket);
        if waiting.is_empty() {
            state.waiting.remove(topic);
        }
        self.count.fetch_sub(usize::from(left.is_some()), Ordering::Release);
        drop(state);
        // What has left may be the last of a record, and call a program's own code.
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.arrivals.leave(&self.topic, self.ticket);
    }
}

impl Room {
    /// Lets those into the line whose topic is known now.
    pub(crate) fn let_in(&self, topic: &str) {
        let mut is_anybody_in = false;
        while let Some((ticket, applicant)) = self.arrivals.first(topic) {
            applicant.join_line(self);
            self.arrivals.leave(topic, ticket);
            is_anybody_in = true;
        }
        if is_anybody_in {
            self.supplies.bell.ring();
        }
    }

    /// Lets everybody in, and nobody else comes: the producer was closed, and the line will tell them.
    pub(crate) fn let_all_in(&self) {
        for topic in self.arrivals.close() {
            self.let_in(&topic);
        }
    }
}
