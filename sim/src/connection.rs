//! A connection through a link: a task that carries bytes both ways, late, in pieces, and not always to the end.
use crate::host::Group;
use crate::lane::{Direction, Lane, Load};
use crate::state::{LinkEntry, State};
use bytes::{Buf, Bytes, BytesMut};
use courant_protocol::api::ApiKey;
use courant_runtime::{Clock, Duplex, Rng, duplex};
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Who is connected.
pub(crate) struct Ends {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) peer: String,
}

/// Puts a link in front of `broker` and gives the host's end of it.
pub(crate) fn start(
    state: &Arc<State>,
    group: &Group,
    ends: Ends,
    broker: Box<dyn Duplex>,
    rng: Rng,
) -> Box<dyn Duplex> {
    let (client, far) = duplex::pair(SOCKET_BYTES);
    let entry = Arc::new(LinkEntry::new(&ends.host, &ends.peer, client.breaker()));
    state.register(Arc::clone(&entry));
    group.register(Arc::clone(&entry));
    state.event(format_args!("{} open", ends.name));
    let mut carrier = Carrier {
        state: Arc::clone(state),
        entry,
        ends,
        client: Box::new(far),
        broker,
        requests: Lane::new(Direction::Request),
        responses: Lane::new(Direction::Response),
        client_ended: false,
        broker_ended: false,
        rng,
        timer: None,
    };
    let _detached = state.network.spawn("link", async move {
        let why = poll_fn(|cx| carrier.poll(cx)).await;
        carrier.close(why);
    });
    Box::new(client)
}

struct Carrier {
    state: Arc<State>,
    entry: Arc<LinkEntry>,
    ends: Ends,
    client: Box<dyn Duplex>,
    broker: Box<dyn Duplex>,
    requests: Lane,
    responses: Lane,
    client_ended: bool,
    broker_ended: bool,
    rng: Rng,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// Both sides said so.
    Ended,
    /// The link broke it.
    Cut,
    /// One side broke it, or does not listen any more.
    Gone,
}

impl Carrier {
    /// Carries until nothing moves: arrivals first, then what the two sides have to send.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            if self.entry.is_cut(cx) {
                return Poll::Ready(Closed::Cut);
            }
            let mut moved = false;
            for direction in [Direction::Request, Direction::Response] {
                match self.deliver(cx, direction) {
                    Ok(any) => moved |= any,
                    Err(closed) => return Poll::Ready(closed),
                }
            }
            for direction in [Direction::Request, Direction::Response] {
                match self.take_in(cx, direction) {
                    Ok(any) => moved |= any,
                    Err(closed) => return Poll::Ready(closed),
                }
            }
            // The ends themselves are under way until both lanes are empty.
            if self.client_ended && self.broker_ended && self.requests.is_empty() && self.responses.is_empty()
            {
                return Poll::Ready(Closed::Ended);
            }
            if !moved && !self.arm(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Hands over what has arrived on one lane; a blocked lane keeps it, as TCP would send it again and again.
    fn deliver(&mut self, cx: &mut Context<'_>, direction: Direction) -> Result<bool, Closed> {
        let now = self.state.clock.now();
        let (from, to) = self.way(direction);
        if self.state.is_blocked(from, to) {
            return Ok(false);
        }
        let (lane, receiver) = match direction {
            Direction::Request => (&mut self.requests, &mut self.broker),
            Direction::Response => (&mut self.responses, &mut self.client),
        };
        let mut moved = false;
        while let Some(load) = lane.arrived(now) {
            match load {
                Load::Break => return Err(Closed::Cut),
                Load::End => {
                    let _ = receiver.poll_shutdown(cx);
                }
                Load::Bytes(mut bytes) => match receiver.poll_write_vectored(cx, &[IoSlice::new(&bytes)]) {
                    Poll::Pending => {
                        lane.give_back(now, bytes);
                        return Ok(moved);
                    }
                    Poll::Ready(Err(_)) => return Err(Closed::Gone),
                    Poll::Ready(Ok(written)) => {
                        bytes.advance(written.min(bytes.len()));
                        if !bytes.is_empty() {
                            lane.give_back(now, bytes);
                        }
                        let _ = receiver.poll_flush(cx);
                    }
                },
            }
            moved = true;
        }
        Ok(moved)
    }

    /// Takes what one side sends, unless too much of it is under way.
    fn take_in(&mut self, cx: &mut Context<'_>, direction: Direction) -> Result<bool, Closed> {
        let faults = self.state.link_faults(&self.ends.host, &self.ends.peer);
        let (lane, sender, ended) = match direction {
            Direction::Request => (&mut self.requests, &mut self.client, &mut self.client_ended),
            Direction::Response => (&mut self.responses, &mut self.broker, &mut self.broker_ended),
        };
        if *ended || lane.is_full() {
            return Ok(false);
        }
        let mut read = BytesMut::new();
        match sender.poll_read(cx, &mut read) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(_)) => Err(Closed::Gone),
            Poll::Ready(Ok(0)) => {
                *ended = true;
                lane.end(self.state.clock.now() + faults.delay(&mut self.rng));
                Ok(true)
            }
            Poll::Ready(Ok(_)) => {
                let started = lane.send(self.state.clock.now(), &mut read, &faults, &mut self.rng);
                for (total, bytes) in started {
                    self.state.event(format_args!(
                        "{} {}",
                        self.ends.name,
                        describe(direction, total, &bytes)
                    ));
                }
                Ok(true)
            }
        }
    }

    /// Sets the timer to the next arrival; true if that is now.
    fn arm(&mut self, cx: &mut Context<'_>) -> bool {
        let open = |direction| {
            let (from, to) = self.way(direction);
            !self.state.is_blocked(from, to)
        };
        let requests = self.requests.next_arrival().filter(|_| open(Direction::Request));
        let responses = self.responses.next_arrival().filter(|_| open(Direction::Response));
        let now = self.state.clock.now();
        // What has arrived and still waits does so for its receiver, who will wake this task.
        let Some(next) = [requests, responses].into_iter().flatten().filter(|at| *at > now).min() else {
            return false;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next.into())));
        if timer.deadline() != next.into() {
            timer.as_mut().reset(next.into());
        }
        timer.as_mut().poll(cx).is_ready()
    }

    fn way(&self, direction: Direction) -> (&str, &str) {
        match direction {
            Direction::Request => (&self.ends.host, &self.ends.peer),
            Direction::Response => (&self.ends.peer, &self.ends.host),
        }
    }

    fn close(self, why: Closed) {
        self.state.event(format_args!("{} {why:?}", self.ends.name));
        self.state.forget(&self.entry);
        if why != Closed::Ended {
            self.entry.cut();
        }
    }
}

/// A frame in the trace: what a request asks for and its correlation id, as far as they came with its first bytes.
fn describe(direction: Direction, total: u64, bytes: &Bytes) -> String {
    let mut head = bytes.clone();
    head.advance(head.len().min(4));
    match direction {
        Direction::Request if head.len() >= 8 => {
            let (key, version, id) = (head.get_i16(), head.get_i16(), head.get_i32());
            let name =
                ApiKey::try_from(key).map_or_else(|_| format!("api {key}"), |key| key.name().to_owned());
            format!("→ {name} v{version} id {id}, {total} bytes")
        }
        Direction::Request => format!("→ {total} bytes"),
        Direction::Response if head.len() >= 4 => format!("← id {}, {total} bytes", head.get_i32()),
        Direction::Response => format!("← {total} bytes"),
    }
}

/// The buffer of a socket.
const SOCKET_BYTES: usize = 64 * 1024;
