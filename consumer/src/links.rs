//! The fetch connections: one per broker, opened when there is something to fetch, polled by the driver.
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use courant_client::{Correlation, Kafka, Link, LinkEvent, TrafficClass};
use courant_protocol::frame;
use courant_protocol::messages::FetchRequest;
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use crate::error::{Error, ErrorKind};
use crate::machine::fetcher::{FetchAnswer, FetchPlan};
use crate::machine::isolation::IsolationLevel;
use crate::requests;

/// The connections to fetch on.
pub(crate) struct Links {
    kafka: Kafka,
    isolation: IsolationLevel,
    rack: Str,
    max_wait: Duration,
    links: BTreeMap<NodeId, State>,
}

enum State {
    Opening(Pin<Box<dyn Future<Output = Result<Link, courant_client::Error>> + Send>>),
    /// Boxed: a link is large, and moves when the map grows.
    Ready(Box<Ready>),
}

struct Ready {
    link: Link,
    version: i16,
    in_flight: Option<(Correlation, i16)>,
    /// The request that ends the session; it may be sent while a fetch still waits at the broker.
    closing: Option<Correlation>,
}

/// What happened on a connection.
pub(crate) enum LinkNews {
    /// It can be used.
    Ready,
    /// A fetch was answered.
    Answer(FetchAnswer),
    /// It could not be opened, or it broke.
    Broken(Error),
    /// It ended while nothing was asked on it, or its session did.
    Ended,
}

impl Links {
    pub(crate) fn new(kafka: Kafka, isolation: IsolationLevel, rack: Str, max_wait: Duration) -> Self {
        Self { kafka, isolation, rack, max_wait, links: BTreeMap::new() }
    }

    /// The Fetch version of a broker that can be asked now; a connection is opened where there is none.
    pub(crate) fn ready_version(&mut self, node: NodeId, now: Instant) -> Option<i16> {
        let kafka = &self.kafka;
        let state = self.links.entry(node).or_insert_with(|| {
            let cluster = kafka.cluster().clone();
            let setup = kafka.settings().connection_setup_timeout.max + kafka.settings().request_timeout;
            State::Opening(Box::pin(
                async move { cluster.link(node, TrafficClass::Fetch, now + setup).await },
            ))
        });
        match state {
            State::Ready(ready) if ready.may_ask(now) => Some(ready.version),
            State::Ready(_) | State::Opening(_) => None,
        }
    }

    /// Sends a fetch.
    pub(crate) fn send(&mut self, now: Instant, node: NodeId, plan: &FetchPlan) -> Result<(), Error> {
        let Some(State::Ready(ready)) = self.links.get_mut(&node) else {
            return Err(Error::new(
                ErrorKind::Client(courant_client::ErrorKind::Transport),
                "the connection is not open",
            ));
        };
        // The versions before name topics by name.
        let version = match plan.session.by_id {
            true => ready.version,
            false => ready.version.min(requests::FETCH_BY_ID - 1),
        };
        let request = requests::fetch_request(plan, self.isolation, &self.rack);
        let deadline = now + self.kafka.settings().request_timeout + self.max_wait;
        let sent = ready.link.send(now, &request, version, deadline);
        match sent {
            Ok(correlation) => {
                ready.in_flight = Some((correlation, version));
                Ok(())
            }
            Err(error) => {
                self.links.remove(&node);
                Err(error.into())
            }
        }
    }

    /// Sends the request that ends a session, once. Where that fails the broker forgets the session in time.
    pub(crate) fn send_closing(&mut self, now: Instant, node: NodeId, plan: &FetchPlan) {
        let Some(State::Ready(ready)) = self.links.get_mut(&node) else { return };
        if ready.closing.is_none() {
            let request = requests::fetch_request(plan, self.isolation, &self.rack);
            let deadline = now + self.kafka.settings().request_timeout + self.max_wait;
            ready.closing = ready.link.send(now, &request, ready.version, deadline).ok();
        }
    }

    /// Whether the end of a session is not confirmed yet.
    pub(crate) fn is_closing(&self) -> bool {
        self.links.values().any(|state| matches!(state, State::Ready(ready) if ready.closing.is_some()))
    }

    /// Drives all connections; the first news of any.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<(NodeId, LinkNews)> {
        for (node, state) in &mut self.links {
            let Poll::Ready(news) = state.poll(cx, now) else { continue };
            let node = *node;
            if matches!(news, LinkNews::Broken(_) | LinkNews::Ended) {
                self.links.remove(&node);
            }
            return Poll::Ready((node, news));
        }
        Poll::Pending
    }

    /// When [`Links::poll`] must be called although nothing has arrived.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ready = self.links.values().filter_map(|state| match state {
            State::Ready(ready) => {
                [ready.link.next_deadline(), ready.link.throttled_until()].into_iter().flatten().min()
            }
            State::Opening(_) => None,
        });
        ready.min()
    }

    /// The brokers that there is a connection to.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.links.keys().copied().collect()
    }

    /// Writes what was queued, as far as that goes without waiting, and lets go of all connections.
    pub(crate) fn close(&mut self, now: Instant) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for state in self.links.values_mut() {
            let _ = state.poll(&mut cx, now);
        }
        self.links.clear();
    }
}

impl State {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<LinkNews> {
        match self {
            Self::Opening(opening) => {
                let Poll::Ready(opened) = opening.as_mut().poll(cx) else { return Poll::Pending };
                match opened.and_then(Ready::new) {
                    Ok(ready) => {
                        *self = Self::Ready(Box::new(ready));
                        Poll::Ready(LinkNews::Ready)
                    }
                    Err(error) => Poll::Ready(LinkNews::Broken(error.into())),
                }
            }
            Self::Ready(ready) => ready.poll(cx, now),
        }
    }
}

impl Ready {
    fn new(link: Link) -> Result<Self, courant_client::Error> {
        let version = link.versions()?.version_for::<FetchRequest>()?;
        Ok(Self { link, version, in_flight: None, closing: None })
    }

    /// Whether a fetch would leave now. One that a throttle holds back (KIP-219) would use up its time here.
    fn may_ask(&self, now: Instant) -> bool {
        self.in_flight.is_none() && self.link.throttled_until().is_none_or(|until| until <= now)
    }

    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<LinkNews> {
        loop {
            let Poll::Ready(event) = self.link.poll_event(cx, now) else { return Poll::Pending };
            match event {
                LinkEvent::Response { correlation, body } => {
                    if self.closing == Some(correlation) {
                        return Poll::Ready(LinkNews::Ended);
                    }
                    let Some((_, version)) = self.in_flight.take_if(|(asked, _)| *asked == correlation)
                    else {
                        continue;
                    };
                    return Poll::Ready(match frame::decode_response::<FetchRequest>(body, version) {
                        Ok((_, response)) => {
                            self.link.note_throttle(now, response.throttle_time_ms);
                            LinkNews::Answer(requests::fetch_answer(response, version))
                        }
                        Err(error) => LinkNews::Broken(unreadable(&self.link, error)),
                    });
                }
                LinkEvent::Written { .. } => {}
                LinkEvent::Closed(_) if self.in_flight.is_none() => return Poll::Ready(LinkNews::Ended),
                LinkEvent::Closed(error) => return Poll::Ready(LinkNews::Broken(broken(error))),
            }
        }
    }
}

fn unreadable(link: &Link, error: courant_protocol::wire::DecodeError) -> Error {
    let kind = courant_client::ErrorKind::Protocol;
    courant_client::Error::new(kind, "the answer to a fetch cannot be read")
        .at_broker(link.address())
        .because(error)
        .into()
}

/// A connection that ended says nothing of the client as a whole.
fn broken(error: courant_client::Error) -> Error {
    match error.kind() {
        courant_client::ErrorKind::Closed => {
            courant_client::Error::new(courant_client::ErrorKind::Transport, "the connection has ended")
                .because(error)
                .into()
        }
        _ => error.into(),
    }
}
