//! The states of a connection, and what a frame means in each.
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_protocol::api::{ApiKey, Request};
use courant_protocol::frame::{FrameError, decode_response, encode_request};
use courant_protocol::messages::{
    ApiVersionsRequest, SaslAuthenticateRequest, SaslHandshakeRequest, SaslHandshakeResponse,
};
use courant_protocol::wire::Frame;

use super::handshake::{self, Authenticating, AuthenticationStep, Negotiated, Negotiating, Plain};
use super::pipeline::{Pipeline, Tag};
use super::throttle::throttle_of;
use crate::connection::versions::BrokerVersions;
use crate::error::{Error, ErrorKind, Seconds};
use crate::metrics::Traffic;

/// Bytes that say how large a frame is, in front of each.
const SIZE_BYTES: usize = 4;

/// What is the same for every connection of a client.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) client_id: Option<String>,
    pub(crate) plain: Option<Plain>,
    pub(crate) max_frame_bytes: usize,
    /// How long a connection may stand unused; none for as long as the broker likes.
    pub(crate) max_idle: Option<Duration>,
}

/// One connection, from the first byte to the last.
///
/// Polling order for its driver: [`Self::handle_timeout`]; then [`Self::gather`] and [`Self::handle_written`] until
/// nothing is left to write, taking [`Self::poll_written`]; then [`Self::handle_frame`] for what arrived. An error from
/// any of them ends the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    broker: Arc<str>,
    options: Arc<ConnectionOptions>,
    pipeline: Pipeline,
    state: State,
    last_used: Instant,
    traffic: Traffic,
}

#[derive(Debug)]
enum State {
    Negotiating(Negotiating, Setup),
    Authenticating(Authenticating, Setup, BrokerVersions),
    Ready(Ready),
    Failed,
}

/// Connecting, negotiating and authenticating share one deadline (`socket.connection.setup.timeout.ms`, KIP-601).
#[derive(Clone, Copy, Debug)]
struct Setup {
    deadline: Instant,
}

#[derive(Debug)]
struct Ready {
    versions: BrokerVersions,
    answered: bool,
}

impl Connection {
    /// A connection whose socket has just been opened: its first request is queued.
    pub(crate) fn open(
        now: Instant,
        setup_deadline: Instant,
        broker: Arc<str>,
        options: Arc<ConnectionOptions>,
    ) -> Result<Self, Error> {
        let mut connection = Self {
            broker,
            options,
            pipeline: Pipeline::default(),
            state: State::Failed,
            last_used: now,
            traffic: Traffic::default(),
        };
        let setup = Setup { deadline: setup_deadline };
        connection.state = connection.negotiate(Negotiating::start(), setup)?;
        Ok(connection)
    }

    /// What the broker speaks, once that is settled and the application may send.
    pub(crate) fn versions(&self) -> Option<&BrokerVersions> {
        match &self.state {
            State::Ready(ready) => Some(&ready.versions),
            _ => None,
        }
    }

    /// Queues a request of the application and gives its correlation id.
    pub(crate) fn send<R: Request>(
        &mut self,
        now: Instant,
        request: &R,
        version: i16,
        deadline: Instant,
        answered: bool,
    ) -> Result<i32, Error> {
        if !matches!(self.state, State::Ready(_)) {
            return Err(self.error(ErrorKind::Closed, "the connection is not ready for requests"));
        }
        let correlation = self.push(request, version, deadline, answered)?;
        self.last_used = now;
        Ok(correlation)
    }

    /// Queues a request that is already encoded.
    pub(crate) fn send_frame(&mut self, now: Instant, frame: Frame, tag: Tag, deadline: Instant) {
        self.last_used = now;
        self.traffic.note_request(frame.len());
        self.pipeline.push(frame, tag, deadline, true);
    }

    /// The id for a request that somebody else encodes.
    pub(crate) fn take_correlation(&mut self) -> i32 {
        self.pipeline.take_correlation()
    }

    pub(crate) fn wants_write(&self, now: Instant) -> bool {
        self.pipeline.wants_write(now)
    }

    pub(crate) fn gather<'a>(&'a self, now: Instant, slices: &mut [IoSlice<'a>]) -> usize {
        self.pipeline.gather(now, slices)
    }

    pub(crate) fn handle_written(&mut self, count: usize) {
        self.pipeline.handle_written(count);
    }

    pub(crate) fn poll_written(&mut self) -> Option<i32> {
        self.pipeline.poll_written()
    }

    pub(crate) fn note_throttle(&mut self, now: Instant, duration: Duration) {
        self.pipeline.note_throttle(now, duration);
    }

    pub(crate) fn muted_until(&self) -> Option<Instant> {
        self.pipeline.muted_until()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.pipeline.in_flight()
    }

    pub(crate) fn was_written(&self, correlation: i32) -> bool {
        self.pipeline.was_written(correlation)
    }

    /// What went over it so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// A frame arrived. In the ready state it answers the oldest request and is handed on with its correlation id.
    pub(crate) fn handle_frame(&mut self, now: Instant, frame: Bytes) -> Result<Option<(i32, Bytes)>, Error> {
        let found = frame.first_chunk::<4>().map(|id| i32::from_be_bytes(*id));
        let found = found.ok_or_else(|| self.protocol("a response of fewer than four bytes".to_owned()))?;
        let awaiting = self.pipeline.handle_response(found).map_err(|mismatch| {
            let expected = mismatch.expected.map_or("none".to_owned(), |id| format!("id {id}"));
            self.protocol(format!(
                "a response with correlation id {} where {expected} was due",
                mismatch.found
            ))
        })?;
        self.last_used = now;
        self.traffic.note_response(SIZE_BYTES + frame.len());
        if let State::Ready(ready) = &mut self.state {
            ready.answered = true;
            let throttle = throttle_of(awaiting.api, awaiting.version, &frame);
            self.pipeline.note_throttle(now, throttle);
            return Ok(Some((awaiting.correlation, frame)));
        }
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Negotiating(negotiating, setup) => {
                self.state = self.handle_versions(negotiating, setup, frame)?;
            }
            State::Authenticating(authenticating, setup, versions) => {
                self.state = self.handle_authentication(authenticating, setup, versions, frame)?;
            }
            State::Ready(_) | State::Failed => {}
        }
        Ok(None)
    }

    /// Time has passed: an error if a request, the setup or the idle time ran out.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), ClosedBy> {
        self.pipeline.handle_time(now);
        if let Some(expired) = self.pipeline.expired(now) {
            let what = match &self.state {
                State::Ready(_) => format!("no answer to {} within its time", expired.api),
                _ => format!("no answer to {} within the time for setting up a connection", expired.api),
            };
            let hint = match &self.state {
                State::Ready(_) => "request.timeout.ms sets the time for one request",
                _ => {
                    "socket.connection.setup.timeout.ms sets the time; does the port speak Kafka's protocol?"
                }
            };
            let error = self.error(ErrorKind::Timeout, what).hinting(hint).maybe_written(expired.written);
            return Err(ClosedBy::Failure(error));
        }
        if self.idle_deadline().is_some_and(|deadline| deadline <= now) {
            let idle = self.options.max_idle.unwrap_or_default();
            let what = format!("closed after {} without a request", Seconds(idle));
            return Err(ClosedBy::Idleness(self.error(ErrorKind::Transport, what)));
        }
        Ok(())
    }

    /// When [`Self::handle_timeout`] or a throttle next has something to say.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        [self.pipeline.next_timeout(), self.idle_deadline()].into_iter().flatten().min()
    }

    /// The peer sent its last byte. Nothing is lost when nothing was asked: brokers close idle connections as well.
    pub(crate) fn handle_end(&self, received_any: bool, inside_frame: bool) -> ClosedBy {
        let error = |what: &str| self.error(ErrorKind::Transport, what);
        match &self.state {
            State::Negotiating(..) if !received_any => {
                ClosedBy::Failure(error("the peer closed the connection without answering ApiVersions").hinting(
                    "a TLS listener does this to a client in the clear (security.protocol), as do some proxies",
                ))
            }
            State::Authenticating(..) => ClosedBy::Failure(
                error("the broker closed the connection during authentication")
                    .hinting("check the user name, the password and the listener's SASL mechanism (sasl.jaas.config)"),
            ),
            State::Ready(ready) if self.pipeline.has_unanswered() => {
                let error = error("the broker closed the connection before it had answered").maybe_written(true);
                ClosedBy::Failure(match ready.answered || self.options.plain.is_some() {
                    true => error,
                    false => error.hinting("a listener that demands SASL does this (security.protocol)"),
                })
            }
            State::Ready(_) if !inside_frame && self.pipeline.in_flight() == 0 => {
                ClosedBy::Idleness(error("the broker closed the idle connection"))
            }
            _ => ClosedBy::Failure(error("the peer closed the connection")),
        }
    }

    /// The socket failed.
    pub(crate) fn handle_io_error(&self, failure: io::Error) -> ClosedBy {
        let what = "the connection broke";
        let written = matches!(self.state, State::Ready(_)) && self.pipeline.has_unanswered();
        ClosedBy::Failure(self.error(ErrorKind::Transport, what).maybe_written(written).because(failure))
    }

    /// The four bytes of a size announce no frame.
    pub(crate) fn handle_frame_error(&self, failure: FrameError) -> ClosedBy {
        let written = matches!(self.state, State::Ready(_)) && self.pipeline.has_unanswered();
        let (kind, what, hint) = match failure {
            FrameError::Http => {
                (ErrorKind::NotKafka, "the peer speaks HTTP, not Kafka's protocol", HTTP_HINT)
            }
            FrameError::Tls => {
                (ErrorKind::NotKafka, "the peer speaks TLS where plain text was expected", TLS_HINT)
            }
            other => {
                let error = self.error(ErrorKind::Protocol, "the peer sent no frame of Kafka's protocol");
                return ClosedBy::Failure(error.because(other).hinting(FRAME_HINT).maybe_written(written));
            }
        };
        ClosedBy::Failure(self.error(kind, what).hinting(hint).maybe_written(written))
    }

    fn handle_versions(
        &mut self,
        negotiating: Negotiating,
        setup: Setup,
        frame: Bytes,
    ) -> Result<State, Error> {
        let version = negotiating.version;
        let response = self.decode::<ApiVersionsRequest>(frame, version)?;
        let response = match negotiating.handle(response).map_err(|error| error.at_broker(&self.broker))? {
            Negotiated::Again(negotiating) => return self.negotiate(negotiating, setup),
            Negotiated::Done(response) => response,
        };
        let versions = BrokerVersions::new(Arc::clone(&self.broker), &response);
        let Some(plain) = self.options.plain.clone() else { return Ok(ready(versions)) };
        let authenticating = Authenticating::start(plain);
        let version = versions.version_for::<SaslHandshakeRequest>()?;
        if version == 0 {
            return Err(handshake::raw_tokens_unsupported().at_broker(&self.broker));
        }
        self.push(&authenticating.mechanism_request(), version, setup.deadline, true)?;
        Ok(State::Authenticating(authenticating, setup, versions))
    }

    fn handle_authentication(
        &mut self,
        authenticating: Authenticating,
        setup: Setup,
        versions: BrokerVersions,
        frame: Bytes,
    ) -> Result<State, Error> {
        match authenticating.step {
            AuthenticationStep::Mechanism => {
                let version = versions.version_for::<SaslHandshakeRequest>()?;
                let response: SaslHandshakeResponse = self.decode::<SaslHandshakeRequest>(frame, version)?;
                handshake::check_mechanism(&response).map_err(|error| error.at_broker(&self.broker))?;
                let version = versions.version_for::<SaslAuthenticateRequest>()?;
                self.push(&authenticating.token_request(), version, setup.deadline, true)?;
                let step = AuthenticationStep::Token { version };
                Ok(State::Authenticating(Authenticating { step, ..authenticating }, setup, versions))
            }
            AuthenticationStep::Token { version } => {
                let response = self.decode::<SaslAuthenticateRequest>(frame, version)?;
                let checked = handshake::check_credentials(&response, &authenticating.plain.username);
                checked.map_err(|error| error.at_broker(&self.broker))?;
                Ok(ready(versions))
            }
        }
    }

    fn negotiate(&mut self, negotiating: Negotiating, setup: Setup) -> Result<State, Error> {
        self.push(&negotiating.request(), negotiating.version, setup.deadline, true)?;
        Ok(State::Negotiating(negotiating, setup))
    }

    fn push<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
        answered: bool,
    ) -> Result<i32, Error> {
        let correlation = self.pipeline.take_correlation();
        let frame = encode_request(request, version, correlation, self.options.client_id.as_deref());
        let frame = frame.map_err(|failure| encode_error(R::KEY, failure).at_broker(&self.broker))?;
        self.traffic.note_request(frame.len());
        self.pipeline.push(frame, Tag { correlation, api: R::KEY, version }, deadline, answered);
        Ok(correlation)
    }

    fn decode<R: Request>(&self, frame: Bytes, version: i16) -> Result<R::Response, Error> {
        let decoded = decode_response::<R>(frame, version);
        decoded
            .map(|(_, response)| response)
            .map_err(|failure| decode_error(R::KEY, version, failure).at_broker(&self.broker))
    }

    fn idle_deadline(&self) -> Option<Instant> {
        let ready = matches!(self.state, State::Ready(_)) && self.pipeline.in_flight() == 0;
        self.options.max_idle.filter(|_| ready).and_then(|idle| self.last_used.checked_add(idle))
    }

    fn protocol(&self, what: String) -> Error {
        let written = matches!(self.state, State::Ready(_)) && self.pipeline.has_unanswered();
        self.error(ErrorKind::Protocol, what).maybe_written(written)
    }

    fn error(&self, kind: ErrorKind, what: impl Into<String>) -> Error {
        Error::new(kind, what).at_broker(&self.broker)
    }
}

/// Why a connection ended. Idleness is no failure of the broker and delays no reconnect.
#[derive(Debug)]
pub(crate) enum ClosedBy {
    Failure(Error),
    Idleness(Error),
}

impl From<Error> for ClosedBy {
    fn from(error: Error) -> Self {
        Self::Failure(error)
    }
}

/// A request that cannot be written; nothing was sent.
pub(crate) fn encode_error(api: ApiKey, failure: courant_protocol::wire::EncodeError) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the {api} request cannot be encoded")).because(failure)
}

/// A response that cannot be read; the request may have taken effect.
pub(crate) fn decode_error(api: ApiKey, version: i16, failure: courant_protocol::wire::DecodeError) -> Error {
    let what = format!("the response to {api} version {version} cannot be read");
    Error::new(ErrorKind::Protocol, what).because(failure).maybe_written(true)
}

fn ready(versions: BrokerVersions) -> State {
    State::Ready(Ready { versions, answered: false })
}

const HTTP_HINT: &str =
    "bootstrap.servers must name Kafka's own port (often 9092), not that of a web service";
const TLS_HINT: &str = "the listener wants TLS: use a plain-text listener, or check security.protocol";
const FRAME_HINT: &str = "check that the port is Kafka's; a response may have up to 100 MiB (fetch.max.bytes, max.partition.fetch.bytes)";
