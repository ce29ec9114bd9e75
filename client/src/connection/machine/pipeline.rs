//! Requests on one connection: written in order, answered in order, each with a deadline.
//!
//! Kafka answers the requests of a connection strictly in the order in which they came, so responses are matched
//! against the front of a queue and nothing is looked up. A request that runs out of time takes its connection with it:
//! a late answer could otherwise be taken for that of the next request, and the broker may still act on what it was sent.
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use courant_protocol::api::ApiKey;
use courant_protocol::wire::Frame;

/// The requests of one connection.
///
/// Polling order: [`Self::handle_time`] and [`Self::expired`], then [`Self::gather`] and [`Self::handle_written`] until nothing is left to write
/// (taking [`Self::poll_written`] each time), then [`Self::handle_response`] for every frame that came.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    next_correlation: i32,
    outbox: VecDeque<Outgoing>,
    awaiting: VecDeque<Awaiting>,
    written: VecDeque<i32>,
    muted_until: Option<Instant>,
}

/// What tells a request from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) correlation: i32,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
}

/// A request that has not been written to its end.
#[derive(Debug)]
struct Outgoing {
    frame: Frame,
    /// The segment that is being written, and how much of it has left.
    segment: usize,
    offset: usize,
    tag: Tag,
    answered: bool,
    started: bool,
    deadline: Instant,
}

/// A request that a response is expected for, written or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Awaiting {
    tag: Tag,
    deadline: Instant,
    started: bool,
}

/// A request whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) api: ApiKey,
    /// Whether any byte of it has left, so that the broker may have acted on it.
    pub(crate) written: bool,
}

/// A response that does not belong to the oldest request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: Option<i32>,
    pub(crate) found: i32,
}

impl Outgoing {
    /// What is still to be written, segment by segment.
    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        let segments = self.frame.segments().get(self.segment..).unwrap_or_default().iter().enumerate();
        segments.map(|(index, bytes)| match index {
            0 => bytes.get(self.offset..).unwrap_or_default(),
            _ => &bytes[..],
        })
    }

    /// Takes up to `count` bytes as written and says whether that was the last of them.
    fn advance(&mut self, count: &mut usize) -> bool {
        while let Some(segment) = self.frame.segments().get(self.segment) {
            let left = segment.len().saturating_sub(self.offset);
            if *count < left {
                self.offset += *count;
                *count = 0;
                return false;
            }
            *count -= left;
            self.segment += 1;
            self.offset = 0;
        }
        true
    }
}

impl Pipeline {
    /// The id that the next request carries.
    pub(crate) fn take_correlation(&mut self) -> i32 {
        let correlation = self.next_correlation;
        self.next_correlation = correlation.wrapping_add(1) & i32::MAX;
        correlation
    }

    /// Queues a request; `answered` is false for a produce request with acks=0, which no response follows.
    pub(crate) fn push(&mut self, frame: Frame, tag: Tag, deadline: Instant, answered: bool) {
        if answered {
            self.awaiting.push_back(Awaiting { tag, deadline, started: false });
        }
        let started = false;
        self.outbox.push_back(Outgoing { frame, segment: 0, offset: 0, tag, answered, started, deadline });
    }

    /// Whether there is something to write now; a muted connection finishes the request that it is in (KIP-219).
    pub(crate) fn wants_write(&self, now: Instant) -> bool {
        self.outbox.front().is_some_and(|front| front.started || !self.is_muted(now))
    }

    /// Fills `slices` with what is to be written next and returns how many it filled.
    pub(crate) fn gather<'a>(&'a self, now: Instant, slices: &mut [IoSlice<'a>]) -> usize {
        let whole = if self.is_muted(now) { 1 } else { usize::MAX };
        let mut filled = 0;
        for outgoing in self.outbox.iter().take(whole).filter(|outgoing| whole > 1 || outgoing.started) {
            for rest in outgoing.rest() {
                let Some(slot) = slices.get_mut(filled) else { return filled };
                *slot = IoSlice::new(rest);
                filled += 1;
            }
        }
        filled
    }

    /// `count` bytes of what [`Self::gather`] gave have been written.
    pub(crate) fn handle_written(&mut self, mut count: usize) {
        while count > 0 {
            let Some(front) = self.outbox.front_mut() else { return };
            if !front.started {
                front.started = true;
                let correlation = front.tag.correlation;
                // Requests are started in order, so the first one that has not been started is this one, if it is
                // answered at all.
                if let Some(awaiting) =
                    self.awaiting.iter_mut().rev().find(|a| a.tag.correlation == correlation)
                {
                    awaiting.started = true;
                }
            }
            if !front.advance(&mut count) {
                return;
            }
            if !front.answered {
                self.written.push_back(front.tag.correlation);
            }
            self.outbox.pop_front();
        }
    }

    /// The next request without a response that has left completely.
    pub(crate) fn poll_written(&mut self) -> Option<i32> {
        self.written.pop_front()
    }

    /// A response came; it must be the answer to the oldest request.
    pub(crate) fn handle_response(&mut self, correlation: i32) -> Result<Tag, Mismatch> {
        match self.awaiting.front() {
            Some(front) if front.tag.correlation == correlation && front.started => {
                let tag = front.tag;
                self.awaiting.pop_front();
                Ok(tag)
            }
            front => Err(Mismatch { expected: front.map(|front| front.tag.correlation), found: correlation }),
        }
    }

    /// A request whose deadline has passed.
    pub(crate) fn expired(&self, now: Instant) -> Option<Expired> {
        let awaiting = self.awaiting.iter().find(|a| a.deadline <= now);
        let unanswered = || self.outbox.iter().find(|o| !o.answered && o.deadline <= now);
        match awaiting {
            Some(request) => Some(Expired { api: request.tag.api, written: request.started }),
            None => unanswered().map(|request| Expired { api: request.tag.api, written: request.started }),
        }
    }

    /// The earliest moment at which something happens without the peer: a deadline, or the end of a throttle.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let awaiting = self.awaiting.iter().map(|a| a.deadline);
        let unanswered = self.outbox.iter().filter(|o| !o.answered).map(|o| o.deadline);
        let unmuted = self.muted_until.filter(|_| !self.outbox.is_empty());
        awaiting.chain(unanswered).chain(unmuted).min()
    }

    /// The broker asks for silence on this connection (KIP-219); an earlier request for longer silence stands.
    pub(crate) fn note_throttle(&mut self, now: Instant, duration: Duration) {
        let until = now + duration;
        if !duration.is_zero() && self.muted_until.is_none_or(|before| before < until) {
            self.muted_until = Some(until);
        }
    }

    /// Until when the connection is silent, if it is; the past is forgotten by [`Self::handle_time`].
    pub(crate) fn muted_until(&self) -> Option<Instant> {
        self.muted_until
    }

    /// Time has passed: a throttle may be over.
    pub(crate) fn handle_time(&mut self, now: Instant) {
        self.muted_until = self.muted_until.filter(|until| *until > now);
    }

    /// How many requests wait for an answer or for being written.
    pub(crate) fn in_flight(&self) -> usize {
        self.awaiting.len() + self.outbox.iter().filter(|o| !o.answered).count()
    }

    /// Whether any byte of this request has left.
    pub(crate) fn was_written(&self, correlation: i32) -> bool {
        self.awaiting.iter().any(|a| a.tag.correlation == correlation && a.started)
            || self.outbox.iter().any(|o| o.tag.correlation == correlation && o.started)
    }

    /// Whether any request that has left is still without an answer.
    pub(crate) fn has_unanswered(&self) -> bool {
        self.awaiting.iter().any(|a| a.started) || self.outbox.iter().any(|o| o.started)
    }

    fn is_muted(&self, now: Instant) -> bool {
        self.muted_until.is_some_and(|until| until > now)
    }
}
