//! The connection of a broker that everything without a driver of its own shares, behind a task.
//!
//! ```text
//! call() ─ encode ─► bounded channel ─► task ─► Link ─► socket
//! call() ◄─ decode ◄──── oneshot ◄───── task ◄──┘
//! ```
//! A caller that gives up leaves its request in the pipeline: the answer is awaited and thrown away, so that the requests
//! behind it are neither lost nor answered with the wrong response.
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_protocol::api::{ApiKey, Request};
use courant_protocol::frame::{decode_response, encode_request};
use courant_protocol::wire::Frame;
use courant_runtime::World;
use courant_runtime::watch;
use tokio::sync::{mpsc, oneshot};

use super::link::{Correlation, Link, LinkEvent};
use super::machine::{Tag, decode_error, encode_error};
use super::race::until;
use super::versions::BrokerVersions;
use crate::error::{Error, ErrorKind};

/// The callers' side of a shared connection.
#[derive(Debug)]
pub(crate) struct SharedConnection {
    versions: BrokerVersions,
    broker: Arc<str>,
    client_id: Option<String>,
    next_correlation: AtomicI32,
    commands: mpsc::Sender<Command>,
}

/// A request on its way to the task.
#[derive(Debug)]
pub(crate) struct Command {
    frame: Frame,
    tag: Tag,
    timeout: Duration,
    reply: oneshot::Sender<Result<Bytes, Unanswered>>,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: Error,
    /// The connection ended before the request was touched, so that it may go to a new one at once.
    pub(crate) untouched: bool,
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self { error, untouched: false }
    }
}

impl SharedConnection {
    /// Both sides of a ready connection: the callers' and the task's.
    pub(crate) fn over(mut link: Link, client_id: Option<String>) -> Result<(Arc<Self>, SharedTask), Error> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let connection = Self {
            versions: link.versions()?.clone(),
            broker: Arc::from(link.address().to_string()),
            client_id,
            next_correlation: AtomicI32::new(link.take_correlation()),
            commands,
        };
        let task = SharedTask { link, queue, waiting: BTreeMap::new(), draining: false };
        Ok((Arc::new(connection), task))
    }

    pub(crate) fn versions(&self) -> &BrokerVersions {
        &self.versions
    }

    /// Whether the task has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Sends a request and waits for its answer until `deadline`; the connection gives the broker `timeout`.
    pub(crate) async fn call<R: Request>(
        &self,
        world: &World,
        request: &R,
        version: i16,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<R::Response, Unanswered> {
        let correlation = self.next_correlation.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame = encode_request(request, version, correlation, self.client_id.as_deref());
        let frame = frame.map_err(|failure| encode_error(R::KEY, failure).at_broker(&self.broker))?;
        let permit = match until(world, deadline, self.commands.reserve()).await {
            Some(Ok(permit)) => permit,
            Some(Err(_)) => return Err(self.ended()),
            None => return Err(self.late(R::KEY, false).into()),
        };
        let (reply, answer) = oneshot::channel();
        permit.send(Command { frame, tag: Tag { correlation, api: R::KEY, version }, timeout, reply });
        let body = match until(world, deadline, answer).await {
            Some(Ok(answer)) => answer?,
            // The task was stopped from outside, together with what it knew.
            Some(Err(_)) => return Err(self.lost().into()),
            None => return Err(self.late(R::KEY, true).into()),
        };
        let decoded = decode_response::<R>(body, version);
        let (_, response) =
            decoded.map_err(|failure| decode_error(R::KEY, version, failure).at_broker(&self.broker))?;
        Ok(response)
    }

    fn ended(&self) -> Unanswered {
        let error = Error::new(ErrorKind::Transport, "the connection ended before the request was sent");
        Unanswered { error: error.at_broker(&self.broker), untouched: true }
    }

    fn lost(&self) -> Error {
        let error = Error::new(ErrorKind::Transport, "the connection ended before the answer came");
        error.at_broker(&self.broker).maybe_written(true)
    }

    fn late(&self, api: ApiKey, possibly_written: bool) -> Error {
        Error::new(ErrorKind::Timeout, format!("no answer to {api} within the time given for the call"))
            .at_broker(&self.broker)
            .maybe_written(possibly_written)
    }
}

/// The task's side of a shared connection.
#[derive(Debug)]
pub(crate) struct SharedTask {
    link: Link,
    queue: mpsc::Receiver<Command>,
    waiting: BTreeMap<i32, oneshot::Sender<Result<Bytes, Unanswered>>>,
    draining: bool,
}

/// How far the closing of a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In use.
    Open,
    /// What was sent is still answered; nothing new is taken.
    Draining,
    /// Everything ends now.
    Closed,
}

impl SharedTask {
    /// Runs until the connection ends, or until the client closes and what was sent has been answered.
    pub(crate) async fn run(mut self, world: &World, mut phase: watch::Receiver<Phase>) {
        let mut timer = world.sleep_until(world.now());
        loop {
            let event = {
                let draining = self.draining;
                let next = if draining { Phase::Closed } else { Phase::Draining };
                // A phase whose sender is gone is a client that was dropped.
                let mut moved = pin!(async {
                    let moved = phase.wait_for(|phase| *phase == next || *phase == Phase::Closed).await;
                    moved.map_or(Phase::Closed, |phase| *phase)
                });
                let (link, queue, waiting) = (&mut self.link, &mut self.queue, &mut self.waiting);
                poll_fn(|cx| match moved.as_mut().poll(cx) {
                    Poll::Ready(phase) => Poll::Ready(Turn::Phase(phase)),
                    Poll::Pending => poll_turn(cx, world, link, queue, waiting, &mut timer, draining),
                })
                .await
            };
            match event {
                Turn::Phase(Phase::Open) => {}
                Turn::Phase(Phase::Draining) | Turn::Abandoned => {
                    self.draining = true;
                    self.queue.close();
                }
                Turn::Phase(Phase::Closed) => {
                    return self.end(&Error::new(ErrorKind::Closed, "the client was closed"));
                }
                Turn::Drained => return,
                Turn::Ended(error) => return self.end(&error),
            }
        }
    }

    /// Fails what waits for an answer with the connection's error, and what was never sent as untouched.
    fn end(mut self, error: &Error) {
        for (correlation, reply) in std::mem::take(&mut self.waiting) {
            let written = self.link.was_written(Correlation(correlation));
            let error = error.clone().maybe_written(written);
            // A caller that has gone does not mind.
            let _gone = reply.send(Err(Unanswered { untouched: !written, error }));
        }
        self.queue.close();
        while let Ok(command) = self.queue.try_recv() {
            let error = error.clone().maybe_written(false);
            let _gone = command.reply.send(Err(Unanswered { error, untouched: true }));
        }
    }
}

/// What ended a stretch of the task's work.
enum Turn {
    Phase(Phase),
    /// Nobody can send any more.
    Abandoned,
    /// Everything sent has been answered, and nothing more comes.
    Drained,
    Ended(Error),
}

fn poll_turn(
    cx: &mut Context<'_>,
    world: &World,
    link: &mut Link,
    queue: &mut mpsc::Receiver<Command>,
    waiting: &mut BTreeMap<i32, oneshot::Sender<Result<Bytes, Unanswered>>>,
    timer: &mut courant_runtime::Sleep,
    draining: bool,
) -> Poll<Turn> {
    for _ in 0..EVENTS_PER_TURN {
        let now = world.now();
        let mut progress = false;
        // Throttled requests stay in the channel, where their callers can still take them back by leaving.
        while link.throttled_until().is_none_or(|until| until <= now) && waiting.len() < MAX_IN_FLIGHT {
            match queue.poll_recv(cx) {
                Poll::Ready(Some(command)) if command.reply.is_closed() => progress = true,
                Poll::Ready(Some(command)) => {
                    let Command { frame, tag, timeout, reply } = command;
                    link.send_frame(now, frame, tag, now + timeout);
                    waiting.insert(tag.correlation, reply);
                    progress = true;
                }
                Poll::Ready(None) if waiting.is_empty() => return Poll::Ready(Turn::Drained),
                Poll::Ready(None) if !draining => return Poll::Ready(Turn::Abandoned),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        match link.poll_event(cx, now) {
            Poll::Ready(LinkEvent::Response { correlation, body }) => {
                if let Some(reply) = waiting.remove(&correlation.0) {
                    let _gone = reply.send(Ok(body));
                }
                progress = true;
            }
            Poll::Ready(LinkEvent::Written { .. }) => progress = true,
            Poll::Ready(LinkEvent::Closed(error)) => return Poll::Ready(Turn::Ended(error)),
            Poll::Pending => {}
        }
        if progress {
            continue;
        }
        let due = [link.next_deadline(), link.throttled_until()].into_iter().flatten().min();
        let Some(deadline) = due else { return Poll::Pending };
        timer.reset(deadline);
        if Pin::new(&mut *timer).poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Requests that wait for the task.
const QUEUE: usize = 32;
/// Requests that wait for the broker.
const MAX_IN_FLIGHT: usize = 64;
/// Events handled before the task lets others run.
const EVENTS_PER_TURN: usize = 64;
