//! The futures of one record: until it is accepted, and until the brokers have it.
//!
//! They are written by hand. The future of an `async fn` holds its argument twice and moves it from one place to the other:
//! a twentieth of an enqueue's instructions. And the future of a send, of which an application keeps a hundred thousand,
//! holds no record at all where the call itself could accept it: a third of the memory, and of what each one moves.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use courant_client::{Error, ErrorKind};
use courant_runtime::BoxFuture;

use crate::append::Claim;
use crate::waiting::{Entered, Entering, WaitingSend};
use crate::{DeliveryFuture, Producer, Record, RecordMetadata, SendError};

/// The future of [`Producer::enqueue`].
#[must_use = "nothing is accepted until it is awaited"]
pub struct EnqueueFuture<'a> {
    producer: &'a Producer,
    state: Enqueueing<'a>,
}

enum Enqueueing<'a> {
    Record(Record),
    /// Something stands in the record's way. Few records meet anything.
    Slow(BoxFuture<'a, Result<DeliveryFuture, SendError>>),
    Over,
}

/// The future of [`Producer::send`].
#[must_use = "what becomes of the record is known when it is awaited; a record that has to wait is sent only then"]
pub struct SendFuture<'a>(Sending<'a>);

enum Sending<'a> {
    /// The record is encoded by now.
    Delivery(DeliveryFuture),
    /// Something stands in the record's way, mostly that space is missing.
    Waiting(WaitingSend<'a>),
    /// Something else does.
    Slow(BoxFuture<'a, Result<RecordMetadata, SendError>>),
    Over,
}

impl<'a> EnqueueFuture<'a> {
    #[inline]
    pub(crate) fn new(producer: &'a Producer, record: Record) -> Self {
        Self { producer, state: Enqueueing::Record(record) }
    }

    #[cold]
    fn enter(&mut self, claim: Claim) {
        if let Enqueueing::Record(record) = std::mem::replace(&mut self.state, Enqueueing::Over) {
            self.state = Enqueueing::Slow(Box::pin(self.producer.enqueue_slowly(record, claim)));
        }
    }
}

impl Future for EnqueueFuture<'_> {
    type Output = Result<DeliveryFuture, SendError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Enqueueing::Record(record) = &this.state {
            let mut claim = Claim::default();
            if let Some(delivery) = this.producer.accept_at_once(record, &mut claim) {
                this.state = Enqueueing::Over;
                return Poll::Ready(Ok(delivery));
            }
            this.enter(claim);
        }
        let Enqueueing::Slow(slow) = &mut this.state else { return Poll::Ready(Err(polled_again())) };
        let result = ready!(slow.as_mut().poll(cx));
        this.state = Enqueueing::Over;
        Poll::Ready(result)
    }
}

impl<'a> SendFuture<'a> {
    #[inline]
    pub(crate) fn new(producer: &'a Producer, record: Record) -> Self {
        let mut claim =
            Claim { may_look_at_clock: Some(courant_runtime::is_inside_runtime), ..Claim::default() };
        if let Some(delivery) = producer.accept_at_once(&record, &mut claim) {
            return Self(Sending::Delivery(delivery));
        }
        claim.may_look_at_clock = None;
        Self::slowly(producer, record, claim)
    }

    #[cold]
    fn slowly(producer: &'a Producer, record: Record, claim: Claim) -> Self {
        let entering = Entering::new(record, claim);
        match (&producer.shared().interceptors, producer.kafka()) {
            (None, Some(_)) => Self(Sending::Waiting(WaitingSend::new(producer, entering))),
            _ => Self(Sending::Slow(Box::pin(producer.send_slowly(Box::new(entering))))),
        }
    }

    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Result<RecordMetadata, SendError>> {
        let Self(state) = self;
        let result = loop {
            *state = match state {
                Sending::Delivery(delivery) => break ready!(Pin::new(delivery).poll(cx)),
                Sending::Waiting(waiting) => match ready!(waiting.poll_entered(cx)) {
                    Entered::Accepted(delivery) => Sending::Delivery(delivery),
                    Entered::Back(entering) => {
                        Sending::Slow(Box::pin(waiting.producer().send_slowly(entering)))
                    }
                    Entered::TimedOut(entering) => break Err(waiting.producer().timed_out(*entering)),
                },
                Sending::Slow(slow) => break ready!(slow.as_mut().poll(cx)),
                Sending::Over => break Err(polled_again()),
            };
        };
        *state = Sending::Over;
        Poll::Ready(result)
    }
}

impl Future for SendFuture<'_> {
    type Output = Result<RecordMetadata, SendError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Self(Sending::Delivery(delivery)) = this else { return this.poll_slowly(cx) };
        let result = ready!(Pin::new(delivery).poll(cx));
        this.0 = Sending::Over;
        Poll::Ready(result)
    }
}

#[cold]
fn polled_again() -> SendError {
    let error = Error::new(ErrorKind::InvalidInput, "the future was polled again after it had its result");
    SendError { error, record: None }
}

impl fmt::Debug for EnqueueFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for SendFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_hardly_larger_than_what_it_waits_with() {
        let words = |count: usize| count * size_of::<usize>();
        assert!(size_of::<EnqueueFuture<'_>>() <= size_of::<Record>() + words(2));
        assert!(size_of::<SendFuture<'_>>() <= size_of::<DeliveryFuture>() + words(1));
        assert!(size_of::<DeliveryFuture>() <= words(5));
    }
}
