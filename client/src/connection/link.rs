//! A connection that belongs to a driver: polled, with no task behind it.
//!
//! ```text
//! driver ─ send ─► machine/pipeline ─ vectored write of the frame's segments ─► socket
//! driver ◄─ poll_event ─ body: a slice of the read buffer ◄─ machine/inbound ◄─ socket
//! ```
//! Per request: one frame, whose record segments are referred to and never copied. Per response: no allocation beyond the
//! buffer that it was read into. The time is handed in, so that a turn of the driver reads the clock once.
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_protocol::api::Request;
use courant_protocol::types::NodeId;
use courant_protocol::wire::Frame;
use courant_runtime::{Address, Duplex};

use super::machine::{ClosedBy, Connection, ConnectionOptions, Inbound, Tag};
use super::versions::BrokerVersions;
use crate::error::{Error, ErrorKind};
use crate::metrics::Traffic;

/// The id that ties a response to its request on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Correlation(pub i32);

/// What [`Link::poll_event`] tells its driver.
#[derive(Debug)]
pub enum LinkEvent {
    /// A response; read it with `courant_protocol::frame::decode_response`.
    Response {
        /// The request that it answers.
        correlation: Correlation,
        /// The response without its size, header included.
        body: Bytes,
    },
    /// A request sent with [`Link::send_no_response`] has been written.
    Written {
        /// The request.
        correlation: Correlation,
    },
    /// The connection has ended; every request without an answer failed with this error.
    Closed(Error),
}

/// A ready connection to a broker: negotiated, authenticated, and owned by whoever polls it.
pub struct Link {
    node: Option<NodeId>,
    address: Address,
    socket: Option<Box<dyn Duplex>>,
    machine: Connection,
    inbound: Inbound,
    unflushed: bool,
    closed: Option<ClosedBy>,
    feedback: Option<Feedback>,
    _guard: ConnectionGuard,
}

/// What a stretch of work on the socket came to.
enum Turn {
    /// Negotiation and authentication are over.
    Ready,
    Event(LinkEvent),
}

/// Told once, when a connection that was ready has failed.
pub(crate) type Feedback = Box<dyn FnOnce(Instant, &Error) + Send>;

impl Link {
    /// A connection whose socket was just opened; it is ready after [`Self::poll_ready`].
    pub(crate) fn open(
        now: Instant,
        setup_deadline: Instant,
        peer: (Option<NodeId>, Address),
        socket: Box<dyn Duplex>,
        options: Arc<ConnectionOptions>,
        guard: ConnectionGuard,
    ) -> Result<Self, Error> {
        let (node, address) = peer;
        let inbound = Inbound::new(options.max_frame_bytes);
        let broker = Arc::from(address.to_string());
        Ok(Self {
            node,
            address,
            socket: Some(socket),
            machine: Connection::open(now, setup_deadline, broker, options)?,
            inbound,
            unflushed: false,
            closed: None,
            feedback: None,
            _guard: guard,
        })
    }

    /// Drives negotiation and authentication; ready when requests may be sent.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Error>> {
        while self.machine.versions().is_none() {
            if let Turn::Event(LinkEvent::Closed(error)) = ready!(self.poll_turn(cx, now)) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whom to tell when the ready connection fails.
    pub(crate) fn set_feedback(&mut self, feedback: Feedback) {
        self.feedback = Some(feedback);
    }

    /// The broker's id; -1 on a connection to a bootstrap address.
    pub fn node(&self) -> NodeId {
        self.node.unwrap_or(NodeId::NONE)
    }

    /// Where the broker was reached.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What the broker speaks.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection has ended.
    pub fn versions(&self) -> Result<&BrokerVersions, Error> {
        let ended = || Error::new(ErrorKind::Closed, "the connection has ended").at_broker(&self.address);
        self.machine.versions().ok_or_else(ended)
    }

    /// Queues a request. Nothing is written before the next [`Self::poll_event`].
    ///
    /// # Errors
    /// The request cannot be encoded in this version, or the connection has ended; nothing was queued then.
    pub fn send<R: Request>(
        &mut self,
        now: Instant,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Correlation, Error> {
        self.check_open()?;
        self.machine.send(now, request, version, deadline, true).map(Correlation)
    }

    /// Queues a request that no response follows (Produce with acks=0); [`LinkEvent::Written`] completes it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_no_response<R: Request>(
        &mut self,
        now: Instant,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Correlation, Error> {
        self.check_open()?;
        self.machine.send(now, request, version, deadline, false).map(Correlation)
    }

    /// Queues a request that somebody else encoded with an id of [`Self::take_correlation`] or above.
    pub(crate) fn send_frame(&mut self, now: Instant, frame: Frame, tag: Tag, deadline: Instant) {
        self.machine.send_frame(now, frame, tag, deadline);
    }

    /// The first id for requests that somebody else encodes.
    pub(crate) fn take_correlation(&mut self) -> i32 {
        self.machine.take_correlation()
    }

    /// Writes what is queued, reads what has come, and gives the next event. After [`LinkEvent::Closed`] it gives the
    /// same error again.
    ///
    /// The driver polls until there is no event left; only then is its task woken for the next.
    /// `now` must not be before that of an earlier call. The driver also calls it at [`Self::next_deadline`].
    pub fn poll_event(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<LinkEvent> {
        loop {
            if let Turn::Event(event) = ready!(self.poll_turn(cx, now)) {
                return Poll::Ready(event);
            }
        }
    }

    /// When [`Self::poll_event`] must be called although nothing has arrived: a deadline, or the end of a throttle.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_timeout().filter(|_| self.closed.is_none())
    }

    /// Requests that wait for an answer, or for being written if none follows.
    pub fn in_flight(&self) -> usize {
        self.machine.in_flight()
    }

    /// What went over the connection so far; negotiation and authentication count.
    pub fn traffic(&self) -> Traffic {
        self.machine.traffic()
    }

    /// The broker asked for silence (`throttle_time_ms` of a response, KIP-219): this connection, and no other, writes no
    /// further request for so long.
    pub fn note_throttle(&mut self, now: Instant, throttle_time_ms: i32) {
        let millis = u64::try_from(throttle_time_ms).unwrap_or(0);
        self.machine.note_throttle(now, Duration::from_millis(millis));
    }

    /// Until when this connection writes no further request, if the broker asked for that.
    pub fn throttled_until(&self) -> Option<Instant> {
        self.machine.muted_until()
    }

    /// Whether any byte of this unanswered request has left, so that the broker may have acted on it.
    pub fn was_written(&self, correlation: Correlation) -> bool {
        self.machine.was_written(correlation.0)
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Turn> {
        if self.closed.is_none() {
            match self.poll_socket(cx, now) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(turn)) => return Poll::Ready(turn),
                Poll::Ready(Err(closed)) => self.close(now, closed),
            }
        }
        match &self.closed {
            Some(ClosedBy::Failure(error) | ClosedBy::Idleness(error)) => {
                Poll::Ready(Turn::Event(LinkEvent::Closed(error.clone())))
            }
            None => Poll::Pending,
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Turn, ClosedBy>> {
        self.machine.handle_timeout(now)?;
        let Self { socket: Some(socket), machine, inbound, unflushed, .. } = self else {
            return Poll::Pending;
        };
        loop {
            if let Err(closed) = poll_write(&mut **socket, machine, unflushed, cx, now) {
                return Poll::Ready(Err(last_word(&mut **socket, machine, inbound, cx).unwrap_or(closed)));
            }
            if let Some(correlation) = machine.poll_written() {
                let correlation = Correlation(correlation);
                return Poll::Ready(Ok(Turn::Event(LinkEvent::Written { correlation })));
            }
            while let Some(frame) = inbound.take().map_err(|failure| machine.handle_frame_error(failure))? {
                if let Some((correlation, body)) = machine.handle_frame(now, frame)? {
                    let correlation = Correlation(correlation);
                    return Poll::Ready(Ok(Turn::Event(LinkEvent::Response { correlation, body })));
                }
                if machine.versions().is_some() {
                    return Poll::Ready(Ok(Turn::Ready));
                }
                poll_write(&mut **socket, machine, unflushed, cx, now)?;
            }
            match ready!(socket.poll_read(cx, inbound.room())) {
                Ok(0) => {
                    let (any, inside) = (inbound.has_received(), inbound.is_inside_frame());
                    return Poll::Ready(Err(machine.handle_end(any, inside)));
                }
                Ok(_) => {}
                Err(failure) => return Poll::Ready(Err(machine.handle_io_error(failure))),
            }
        }
    }

    fn close(&mut self, now: Instant, closed: ClosedBy) {
        self.socket = None;
        if let (ClosedBy::Failure(error), Some(feedback)) = (&closed, self.feedback.take()) {
            feedback(now, error);
        }
        self.closed = Some(closed);
    }

    fn check_open(&self) -> Result<(), Error> {
        match &self.closed {
            Some(ClosedBy::Failure(error) | ClosedBy::Idleness(error)) => {
                Err(error.clone().maybe_written(false))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Link");
        shown.field("node", &self.node).field("address", &self.address).field("in_flight", &self.in_flight());
        shown.field("closed", &self.closed).finish_non_exhaustive()
    }
}

/// Writes as much as the socket takes; it registers the task when there is more.
fn poll_write(
    socket: &mut dyn Duplex,
    machine: &mut Connection,
    unflushed: &mut bool,
    cx: &mut Context<'_>,
    now: Instant,
) -> Result<(), ClosedBy> {
    while machine.wants_write(now) {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let count = machine.gather(now, &mut slices);
        let outcome = socket.poll_write_vectored(cx, slices.get(..count).unwrap_or_default());
        match outcome {
            Poll::Ready(Ok(0)) => return Err(machine.handle_io_error(std::io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                machine.handle_written(written);
                *unflushed = true;
            }
            Poll::Ready(Err(failure)) => return Err(machine.handle_io_error(failure)),
            Poll::Pending => return Ok(()),
        }
    }
    if *unflushed {
        match socket.poll_flush(cx) {
            Poll::Ready(Ok(())) => *unflushed = false,
            Poll::Ready(Err(failure)) => return Err(machine.handle_io_error(failure)),
            Poll::Pending => {}
        }
    }
    Ok(())
}

/// What a peer said before it stopped listening, if that explains more than the write that failed: an HTTP server answers
/// our first bytes and closes.
fn last_word(
    socket: &mut dyn Duplex,
    machine: &Connection,
    inbound: &mut Inbound,
    cx: &mut Context<'_>,
) -> Option<ClosedBy> {
    match socket.poll_read(cx, inbound.room()) {
        Poll::Ready(Ok(_)) => inbound.take().err().map(|failure| machine.handle_frame_error(failure)),
        _ => None,
    }
}

/// Slices given to one vectored write; the operating system takes up to 1024, and 64 KiB batches fill a socket sooner.
const WRITE_SLICES: usize = 64;

/// Counts a connection for as long as it is open.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Arc<AtomicUsize>);

impl ConnectionGuard {
    pub(crate) fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
