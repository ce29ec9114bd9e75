//! The handle of what calls an application's function for each record.
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use courant_consumer::{Consumer, Event};
use courant_runtime::{Sleep, moment_after};

use crate::engine::{Engine, EngineSettings};
use crate::error::{Error, ErrorKind};
use crate::handler::Handler;
use crate::machine::schedule::Wants;

/// Calls a handler for each record; made by the `for_each_…` functions of [`Handlers`](crate::Handlers), which have the
/// examples.
///
/// All of it happens in the task that awaits [`Runner::run`]; nothing is spawned. So handlers need not be [`Send`], and a
/// handler that blocks its thread blocks them all: what computes for long belongs on a thread of its own.
///
/// Dropping a runner waits for nothing: running calls are dropped, and what is not committed is handled again.
pub struct Runner<H: Handler> {
    consumer: Consumer,
    engine: Engine<H>,
    /// Until when the consumer is not asked, after an error that it may have again at once.
    rest: Option<Sleep>,
    /// Why it does not go on.
    stopped: Option<Error>,
}

/// What a turn brought.
enum Turn {
    /// The consumer had something to say; nothing more if it is closed.
    Event(Option<Event>),
    /// Something is to be asked for now that was not before.
    Worked,
}

impl<H: Handler> Runner<H> {
    pub(crate) fn new(consumer: Consumer, handler: H, settings: EngineSettings) -> Result<Self, Error> {
        let (acks, world) = (consumer.acks()?, consumer.world());
        let mut engine = Engine::new(handler, settings, acks, world);
        engine.assign(consumer.assignment().len());
        Ok(Self { engine, consumer, rest: None, stopped: None })
    }

    /// Reads and handles records until something stops it. To end it in order, drop the future and call [`Runner::close`]; the
    /// crate's first example does.
    ///
    /// It has to be awaited all the time: calls make progress in it, and between two turns of it lie at most
    /// `max.poll.interval.ms`, or the group goes on without this member. How long a single call takes does not matter.
    ///
    /// # Errors
    /// [`ErrorKind::Handler`], [`ErrorKind::Panicked`] and [`ErrorKind::Undecodable`] name a record that failed for good where
    /// nothing says what else to do about it, [`ErrorKind::DeadLetter`] one whose dead letter was not written. The record is
    /// not finished, nothing of its partition is committed past it, and each further call returns the same error.
    /// [`ErrorKind::Consumer`] brings what [`Consumer::poll`] would; where it concerns one partition alone, the next call goes
    /// on with the others, and with that one too after [`Runner::pass_over`].
    ///
    /// # Cancel safety
    /// Nothing is lost: calls that run stand still, and the next `run`, or `close`, goes on with them.
    pub async fn run(&mut self) -> Result<(), Error> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        loop {
            let turn = self.turn().await;
            if !self.take(turn)? {
                return Ok(());
            }
        }
    }

    /// The next thing that happens.
    async fn turn(&mut self) -> Result<Turn, Error> {
        let Self { consumer, engine, rest, .. } = self;
        while let Some((partition, held)) = engine.next_hold() {
            // One that went meanwhile is held by nobody.
            consumer.hold(&partition, held).ok();
        }
        let wants = engine.wants();
        if let Some(until) = rest {
            let worked = poll_fn(|cx| match engine.poll(cx, wants) {
                Poll::Pending => Pin::new(&mut *until).poll(cx).map(Ok),
                ended => ended,
            });
            let worked = worked.await;
            *rest = None;
            return worked.map(|()| Turn::Worked);
        }
        match wants {
            Wants::Records => beside(consumer.next_event(), engine, wants).await,
            Wants::Changes => beside(consumer.next_change(), engine, wants).await,
            Wants::Retained => {
                let next = async { Ok(consumer.next_retained().await?.map(Event::Batch)) };
                beside(next, engine, wants).await
            }
            Wants::Nothing => poll_fn(|cx| engine.poll(cx, wants)).await.map(|()| Turn::Worked),
        }
    }

    /// Does what a turn asks for; false at the end.
    fn take(&mut self, turn: Result<Turn, Error>) -> Result<bool, Error> {
        let turn = turn.inspect_err(|error| {
            if error.is_fatal() {
                self.stopped.get_or_insert(error.clone());
            } else if self.engine.in_flight() > 0 {
                self.rest = Some(self.consumer.world().sleep(REST));
            }
        })?;
        match turn {
            Turn::Event(Some(Event::Batch(batch))) => self.engine.take_in(&batch),
            Turn::Event(Some(Event::Revoked(partitions))) => self.engine.revoke(&partitions),
            Turn::Event(Some(Event::Lost(partitions))) => self.engine.lose(&partitions),
            Turn::Event(Some(Event::Assigned(_))) => self.engine.assign(self.consumer.assignment().len()),
            Turn::Event(Some(_)) | Turn::Worked => {}
            Turn::Event(None) => return Ok(false),
        }
        Ok(true)
    }

    /// Ends it in order: no call is begun any more, those that run may return, what is finished is committed, the group is
    /// left. Takes at most `timeout`, of which calls have three quarters.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] names a record whose handler had not returned in time; its call was dropped. A record that fails
    /// for good meanwhile is told as by [`Runner::run`]. Else what [`Consumer::close`] says. It is closed nevertheless.
    ///
    /// # Cancel safety
    /// It can be called again, and goes on. When the runner is dropped instead, the group is left in the background, and what
    /// was not committed is handled again.
    pub async fn close(&mut self, timeout: Duration) -> Result<(), Error> {
        let world = self.consumer.world();
        let deadline = moment_after(world.now(), timeout);
        self.engine.close();
        let failed = self.drain(timeout - timeout / 4).await;
        let left = self.engine.abandon();
        let closed = self.consumer.close(deadline.saturating_duration_since(world.now())).await;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some((partition, offset)) = left.first().filter(|_| self.stopped.is_none()) {
            let what = format!("{} handlers had not returned in time, the first of them here", left.len());
            let error = Error::new(ErrorKind::Timeout, what).at(partition, *offset);
            return Err(error.hinting("give close() more time"));
        }
        Ok(closed?)
    }

    /// Lets running calls return, until `patience` is over; the first thing that went wrong meanwhile.
    async fn drain(&mut self, patience: Duration) -> Option<Error> {
        let mut failed = None;
        let mut late = self.consumer.world().sleep(patience);
        while self.engine.running() > 0 {
            let turned = {
                let mut turn = pin!(self.turn());
                poll_fn(|cx| match Pin::new(&mut late).poll(cx) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => turn.as_mut().poll(cx).map(Some),
                })
                .await
            };
            match turned.map(|turn| self.take(turn)) {
                Some(Ok(true)) => {}
                Some(Err(error)) => failed = failed.or(Some(error)),
                Some(Ok(false)) | None => break,
            }
        }
        failed
    }

    /// Goes on behind what stopped a partition, where an error of [`Runner::run`] names a batch that cannot be read or a log
    /// that was truncated. Records before it that are not finished are not passed by any commit.
    ///
    /// # Errors
    /// As [`Consumer::pass_over`]; [`ErrorKind::InvalidUse`] for an error that is not the consumer's.
    pub fn pass_over(&self, error: &Error) -> Result<(), Error> {
        match error.consumer() {
            Some(error) => Ok(self.consumer.pass_over(error)?),
            None => {
                let what = "only what the consumer cannot read can be passed over";
                Err(Error::new(ErrorKind::InvalidUse, what).because(error.clone()).hinting(
                    "skip_failed() and dead_letters() say what becomes of records whose handlers fail",
                ))
            }
        }
    }

    /// The consumer underneath, to look at positions and lag, or to seek.
    ///
    /// A seek makes whatever was handed out of the partition before count for nothing, finished or not.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// How many records were taken in and are not finished.
    pub fn in_flight(&self) -> usize {
        self.engine.in_flight()
    }
}

/// Works while the consumer is asked for its next word; whichever has something first.
async fn beside<H: Handler>(
    next: impl Future<Output = Result<Option<Event>, courant_consumer::Error>>,
    engine: &mut Engine<H>,
    wants: Wants,
) -> Result<Turn, Error> {
    let mut next = pin!(next);
    poll_fn(|cx| {
        if let Poll::Ready(event) = next.as_mut().poll(cx) {
            return Poll::Ready(event.map(Turn::Event).map_err(Error::from));
        }
        engine.poll(cx, wants).map_ok(|()| Turn::Worked)
    })
    .await
}

/// How long running calls have the thread to themselves after an error of the consumer: one whose partitions have all
/// failed says so each time it is asked, and would leave them no time at all.
const REST: Duration = Duration::from_millis(10);

impl<H: Handler> fmt::Debug for Runner<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("consumer", &self.consumer)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
