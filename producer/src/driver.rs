//! The producer's only loop: it takes batches from the append room, gives them to the machines, and moves bytes.
//!
//! It owns its connections: a request goes from here to the leader's socket, by one vectored write of header and batch
//! bodies, with no other task in between. Each turn takes what has come, in this order: the bell of the append room, new
//! metadata, answers, timers; then it sends what is ready, and arms one timer for what comes next. A turn costs what has
//! changed: no turn visits topics or partitions that have nothing on their way.
mod topics;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use courant_client::{
    Correlation, Error, ErrorKind, Kafka, Link, LinkEvent, Repeats, Target, Traffic, TrafficClass,
};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::frame::decode_response;
use courant_protocol::messages::produce::NodeEndpoint;
use courant_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use courant_protocol::types::{LeaderEpoch, NodeId, ProducerEpoch, ProducerId};
use courant_runtime::{Address, BoxFuture, Sleep};

use self::topics::{Met, Topics};
use crate::append::{ClosedBatch, Gate, Room, Slot};
use crate::config::ProducerSettings;
use crate::control::{Closing, Control};
use crate::machine::identity::Producer;
use crate::machine::{
    Availability, Batch, Linger, Notice, Outgoing, Place, RequestId, Sender, SenderSettings,
};
use crate::metrics::NodeMetrics;

/// Everything between the append room and the brokers.
pub(crate) struct Driver {
    kafka: Kafka,
    room: Arc<Room>,
    control: Arc<Control>,
    sender: Sender,
    linger: Linger,
    availability: Option<Availability>,
    codec: Codec,
    level: Option<i32>,
    acks: i16,
    request_timeout: Duration,
    scratch: CompressionScratch,
    /// The slots that were heard of, by number.
    slots: BTreeMap<usize, Met>,
    topics: Topics,
    connections: BTreeMap<NodeId, Connection>,
    /// What went over connections that have ended.
    past_traffic: BTreeMap<NodeId, Traffic>,
    identity: Option<BoxFuture<'static, Result<Producer, Error>>>,
    timer: Sleep,
    said: Said,
    heard: Vec<Arc<Slot>>,
    taken: Vec<ClosedBatch>,
    has_turned_away: bool,
    ended: bool,
}

impl Drop for Driver {
    /// A runtime that shuts down drops its tasks where they are; whoever waits for a delivery elsewhere must hear of it.
    fn drop(&mut self) {
        if !self.ended {
            let now = self.room.supplies.look_at_clock().now;
            let outcome = self.give_up(now);
            self.control.end(outcome);
            self.turn_away();
        }
    }
}

/// What was logged lately, so that an outage does not flood the log.
#[derive(Default)]
struct Said {
    identity: Repeats,
    restarting: Repeats,
    failed: Repeats,
}

/// A broker that batches go to.
enum Connection {
    Opening(BoxFuture<'static, Result<Link, Error>>),
    Open {
        link: Box<Link>,
        requests: BTreeMap<Correlation, Asked>,
    },
    /// It could not be opened; not again before.
    Failed {
        until: Instant,
    },
}

/// A request that is on its way, and the version that its answer will have.
struct Asked {
    id: RequestId,
    version: i16,
    sent_at: Instant,
}

impl Driver {
    pub(crate) fn new(
        kafka: Kafka,
        settings: &ProducerSettings,
        room: Arc<Room>,
        control: Arc<Control>,
    ) -> Self {
        let world = kafka.world();
        let common = kafka.settings();
        let sender_settings = SenderSettings {
            idempotent: settings.idempotent,
            acks: settings.acks,
            max_in_flight: settings.max_in_flight,
            max_request_size_bytes: settings.max_request_size_bytes,
            batch_size_bytes: settings.batch_size_bytes,
            compression_level: settings.compression_level,
            request_timeout: common.request_timeout,
            delivery_timeout: settings.delivery_timeout,
            retries: settings.retries,
            retry_backoff: common.retry_backoff,
        };
        let now = world.now();
        Self {
            sender: Sender::new(sender_settings, now, world.rng("producer.backoff")),
            linger: Linger::new(settings.linger, settings.delivery_timeout),
            availability: settings.availability_timeout.map(Availability::new),
            codec: settings.codec,
            level: settings.compression_level,
            acks: settings.acks,
            request_timeout: common.request_timeout,
            scratch: CompressionScratch::new(),
            slots: BTreeMap::new(),
            topics: Topics::new(kafka.cluster(), settings.metadata_max_idle, now),
            connections: BTreeMap::new(),
            past_traffic: BTreeMap::new(),
            identity: None,
            timer: world.sleep_until(now),
            said: Said::default(),
            heard: Vec::new(),
            taken: Vec::new(),
            has_turned_away: false,
            ended: false,
            room,
            control,
            kafka,
        }
    }

    /// Runs until the producer is closed and everything has its outcome.
    pub(crate) async fn run(mut self) {
        let outcome = poll_fn(|cx| self.poll(cx)).await;
        self.control.end(outcome);
        self.ended = true;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        for _ in 0..TURNS {
            // Read before the bell: whoever closes shuts the gate first, so that nothing is appended after this.
            let closing = self.control.closing();
            let now = self.room.supplies.look_at_clock().now;
            let mut progress = self.hear_bell(now);
            progress |= self.poll_metadata(cx);
            if closing.is_some() {
                self.turn_away();
            }
            progress |= self.poll_identity(cx, now);
            progress |= self.poll_connections(cx, now);
            self.sender.handle_timeout(now);
            self.forget_idle_topics(now);
            progress |= self.room.serve_line(cx, now, SERVED);
            progress |= self.room.expire_line(now, SERVED);
            progress |= self.send_what_is_ready(now);
            self.judge_brokers(now);
            let due = self.linger.poll_due(now).map(|(number, _)| number);
            if self.sender.poll_leader_search(now, due) {
                self.kafka.cluster().refresh("a partition with records to send has no leader");
            }
            self.pass_on_notices(now, &[]);
            if progress {
                *self.control.counts() = self.sender.counts();
            }
            if let Some(outcome) = self.check_end(closing, now) {
                return Poll::Ready(outcome);
            }
            if !progress && self.sleep(cx, closing, now).is_pending() {
                return Poll::Pending;
            }
        }
        // Other tasks get their turn before the next ones of this.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells those who wait to be accepted, once, that the producer was closed.
    fn turn_away(&mut self) {
        if !std::mem::replace(&mut self.has_turned_away, true) {
            self.room.turn_away();
        }
    }

    /// Visits the slots that have something new.
    fn hear_bell(&mut self, now: Instant) -> bool {
        let mut heard = std::mem::take(&mut self.heard);
        let rung = self.room.supplies.bell.hear(&mut heard);
        for slot in heard.drain(..) {
            self.visit(&slot, now);
        }
        self.heard = heard;
        if rung {
            for name in self.control.take_wanted() {
                self.keep_topic(&name, now);
            }
            if self.room.supplies.permits.take_pressure() {
                self.linger.hurry_all();
            }
        }
        rung
    }

    fn visit(&mut self, slot: &Arc<Slot>, now: Instant) {
        self.hear_of(slot, now);
        let open = slot.visit(&mut self.taken);
        self.seal_taken(slot.number);
        match open {
            Some(open) => self.linger.handle_open(slot.number, open.opened_at, open.hurry),
            None => self.linger.handle_taken(slot.number),
        }
    }

    fn take_open(&mut self, number: usize) {
        self.linger.handle_taken(number);
        if let Some(met) = self.slots.get(&number) {
            met.slot.take_all(&mut self.taken);
        }
        self.seal_taken(number);
    }

    /// Seals the batches that were taken from a slot.
    fn seal_taken(&mut self, number: usize) {
        let mut taken = std::mem::take(&mut self.taken);
        for closed in taken.drain(..) {
            let sealed = Batch::seal(closed, self.codec, self.level, &mut self.scratch);
            let Some(mut batch) = sealed else { continue };
            if let Some(spare) = batch.sealed.take_spare_buffer() {
                self.room.supplies.return_buffer(spare);
            }
            self.sender.handle_batch(number, batch);
        }
        self.taken = taken;
    }

    /// Whether there is a record that a producer id would serve.
    fn needs_identity(&self) -> bool {
        !self.sender.is_idle() || !self.linger.is_empty()
    }

    fn poll_identity(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.needs_identity() && self.identity.is_none() && self.sender.poll_identity(now) {
            self.identity = Some(ask_identity(self.kafka.clone(), now + self.request_timeout));
        }
        let Some(asked) = &mut self.identity else { return false };
        let Poll::Ready(answer) = asked.as_mut().poll(cx) else { return false };
        self.identity = None;
        if let Err(error) = &answer
            && let Some(unsaid) = self.said.identity.allow(now)
        {
            tracing::warn!(target: TARGET, unsaid, "no producer id yet: {error}");
        }
        if answer.as_ref().is_err_and(|error| !error.is_retriable()) {
            // What is due waits for the id where it is open, and has to hear of it too.
            let due: Vec<usize> = self.linger.poll_due(now).map(|(number, _)| number).collect();
            due.into_iter().for_each(|number| self.take_open(number));
        }
        self.sender.handle_identity(now, answer);
        true
    }

    fn poll_connections(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let nodes: Vec<NodeId> = self.connections.keys().copied().collect();
        let mut progress = false;
        for node in nodes {
            for _ in 0..EVENTS {
                if !self.poll_connection(cx, node, now) {
                    break;
                }
                progress = true;
            }
        }
        progress
    }

    /// One event of one connection.
    fn poll_connection(&mut self, cx: &mut Context<'_>, node: NodeId, now: Instant) -> bool {
        let event = match self.connections.get_mut(&node) {
            Some(Connection::Opening(opening)) => match opening.as_mut().poll(cx) {
                Poll::Ready(opened) => {
                    self.opened(node, opened, now);
                    return true;
                }
                Poll::Pending => return false,
            },
            Some(Connection::Open { link, .. }) => match link.poll_event(cx, now) {
                Poll::Ready(event) => event,
                Poll::Pending => return false,
            },
            Some(Connection::Failed { .. }) | None => return false,
        };
        match event {
            LinkEvent::Response { correlation, body } => self.answered(node, correlation, body, now),
            LinkEvent::Written { correlation } => {
                if let Some(asked) = self.take_request(node, correlation) {
                    self.count_traffic(node, |_| {});
                    self.sender.handle_written(asked.id);
                }
            }
            LinkEvent::Closed(error) => self.lost(node, &error, now),
        }
        true
    }

    fn opened(&mut self, node: NodeId, opened: Result<Link, Error>, now: Instant) {
        let connection = match opened {
            Ok(link) => Connection::Open { link: Box::new(link), requests: BTreeMap::new() },
            Err(error) => {
                tracing::debug!(target: TARGET, broker = node.0, "no connection: {error}");
                self.kafka.cluster().refresh("a broker that leads partitions could not be reached");
                self.sender.handle_unreachable(node, &error);
                Connection::Failed { until: now + self.kafka.settings().reconnect_backoff.initial }
            }
        };
        self.connections.insert(node, connection);
    }

    fn answered(&mut self, node: NodeId, correlation: Correlation, body: bytes::Bytes, now: Instant) {
        let Some(Asked { id, version, sent_at }) = self.take_request(node, correlation) else { return };
        match decode_response::<ProduceRequest>(body, version) {
            Ok((_, response)) => {
                if let Some(Connection::Open { link, .. }) = self.connections.get_mut(&node) {
                    link.note_throttle(now, response.throttle_time_ms);
                }
                let latency = now.saturating_duration_since(sent_at);
                self.count_traffic(node, |counted| counted.request_latency.record_millis(latency));
                self.sender.handle_response(now, id, &response);
                self.pass_on_notices(now, &response.node_endpoints);
            }
            Err(unreadable) => {
                let what = "the broker's answer to a produce request cannot be read";
                let error = Error::new(ErrorKind::Protocol, what).at_broker(node).because(unreadable);
                self.sender.handle_lost(now, id, &error);
                self.lost(node, &error, now);
            }
        }
    }

    /// Brings what is counted of a broker up to date.
    fn count_traffic(&self, node: NodeId, more: impl FnOnce(&mut NodeMetrics)) {
        let Some(Connection::Open { link, .. }) = self.connections.get(&node) else { return };
        let past = self.past_traffic.get(&node).copied().unwrap_or_default();
        let mut nodes = self.control.nodes();
        let counted = nodes.entry(node).or_default();
        counted.traffic = past.and(link.traffic());
        more(counted);
    }

    /// A connection has ended: what it still owed an answer for may have been written or not.
    fn lost(&mut self, node: NodeId, error: &Error, now: Instant) {
        self.count_traffic(node, |_| {});
        let Some(Connection::Open { link, requests }) = self.connections.remove(&node) else { return };
        let past = self.past_traffic.entry(node).or_default();
        *past = past.and(link.traffic());
        tracing::debug!(target: TARGET, broker = node.0, requests = requests.len(), "connection ended: {error}");
        for (correlation, asked) in requests {
            match link.was_written(correlation) {
                true => self.sender.handle_lost(now, asked.id, error),
                false => self.sender.handle_unsent(now, asked.id, error),
            }
        }
        self.kafka.cluster().refresh("a connection to a broker that leads partitions ended");
    }

    fn take_request(&mut self, node: NodeId, correlation: Correlation) -> Option<Asked> {
        match self.connections.get_mut(&node) {
            Some(Connection::Open { requests, .. }) => requests.remove(&correlation),
            _ => None,
        }
    }

    fn send_what_is_ready(&mut self, now: Instant) -> bool {
        let mut progress = false;
        loop {
            progress |= self.take_due(now);
            let mut sent = false;
            for node in self.sender.ready_nodes(now) {
                sent |= self.send_to(node, now);
            }
            if !sent {
                break;
            }
            progress = true;
        }
        while let Some(buffer) = self.sender.poll_spare_buffer() {
            self.room.supplies.return_buffer(buffer);
        }
        progress
    }

    /// Tells the append room which brokers take nothing, now that all was sent that could be.
    fn judge_brokers(&mut self, now: Instant) {
        let Some(availability) = &mut self.availability else { return };
        let due = self.linger.poll_due(now).map(|(number, _)| number);
        availability.handle_waiting(now, &self.sender.waiting_nodes(now, due));
        if let Some(slow) = availability.poll_slow(now) {
            tracing::debug!(target: TARGET, ?slow, "brokers that take nothing get no records without a key");
            self.room.set_slow(slow);
        }
    }

    /// Takes the open batches that have lingered and can be sent now, or have timed out.
    fn take_due(&mut self, now: Instant) -> bool {
        let due: Vec<(usize, bool)> = self.linger.poll_due(now).collect();
        let mut taken = false;
        for (number, expired) in due {
            if expired || self.sender.wants(number) {
                self.take_open(number);
                taken = true;
            }
        }
        if taken {
            self.sender.handle_timeout(now);
        }
        taken
    }

    /// Sends one request to a broker, or opens a connection for it. `true` if there may be more to send.
    fn send_to(&mut self, node: NodeId, now: Instant) -> bool {
        match self.connections.get(&node) {
            Some(Connection::Open { link, .. })
                if link.throttled_until().is_none_or(|until| until <= now) =>
            {
                self.send_request(node, now)
            }
            Some(Connection::Failed { until }) if *until > now => false,
            Some(Connection::Open { .. } | Connection::Opening(_)) => false,
            Some(Connection::Failed { .. }) | None => {
                let kafka = self.kafka.clone();
                let deadline = now + self.request_timeout;
                let opening =
                    async move { kafka.cluster().link(node, TrafficClass::Produce, deadline).await };
                self.connections.insert(node, Connection::Opening(Box::pin(opening)));
                // The next turn polls it.
                true
            }
        }
    }

    fn send_request(&mut self, node: NodeId, now: Instant) -> bool {
        let Some(Outgoing { id, request, has_topic_ids }) = self.sender.poll_request(now, node) else {
            return false;
        };
        let Some(Connection::Open { link, requests }) = self.connections.get_mut(&node) else { return false };
        let deadline = now + self.request_timeout;
        // Version 13 names topics by their id alone; where one has none, all go by name (KIP-516).
        let cap = if has_topic_ids { i16::MAX } else { LAST_VERSION_WITH_NAMES };
        let sent = link
            .versions()
            .and_then(|versions| versions.version_up_to::<ProduceRequest>(cap))
            .and_then(|version| {
                let correlation = match self.acks {
                    0 => link.send_no_response(now, &request, version, deadline),
                    _ => link.send(now, &request, version, deadline),
                };
                correlation.map(|correlation| (correlation, version))
            });
        match sent {
            Ok((correlation, version)) => {
                requests.insert(correlation, Asked { id, version, sent_at: now });
                if let Some(availability) = &mut self.availability {
                    availability.handle_taken(node);
                }
                true
            }
            Err(error) => {
                self.sender.handle_unsent(now, id, &error);
                false
            }
        }
    }

    fn pass_on_notices(&mut self, now: Instant, endpoints: &[NodeEndpoint]) {
        while let Some(notice) = self.sender.poll_notice() {
            match notice {
                Notice::StaleMetadata(place) => {
                    tracing::debug!(target: TARGET, topic = %place.topic, "metadata is out of date");
                    self.kafka.cluster().refresh("a broker says that it does not lead a partition");
                }
                Notice::LeaderHint { place, leader, leader_epoch } => {
                    self.apply_hint(&place, leader, leader_epoch, endpoints);
                }
                Notice::Retried { place, attempts, why } => {
                    tracing::debug!(target: TARGET, topic = %place.topic, partition = place.partition.0, attempts, "batch goes out again: {why}");
                }
                Notice::Restarting { place, why } => {
                    if let Some(unsaid) = self.said.restarting.allow(now) {
                        tracing::warn!(target: TARGET, topic = %place.topic, partition = place.partition.0, unsaid, "sequences start anew under another epoch: {why}");
                    }
                }
                Notice::Split { place, parts } => {
                    tracing::debug!(target: TARGET, topic = %place.topic, partition = place.partition.0, parts, "batch was too large for the broker and is split");
                }
                Notice::CodecRefused { refused, next } => {
                    if self.codec == refused {
                        (self.codec, self.level) = (next, None);
                        tracing::warn!(target: TARGET, %refused, %next, "a broker does not take this compression.type; from now on another is used");
                    }
                }
                Notice::Failed { place, records, error } => {
                    if let Some(unsaid) = self.said.failed.allow(now) {
                        tracing::warn!(target: TARGET, topic = %place.topic, partition = place.partition.0, records, unsaid, "batch was given up: {error}");
                    }
                }
            }
        }
    }

    fn apply_hint(
        &self,
        place: &Place,
        leader: NodeId,
        leader_epoch: LeaderEpoch,
        endpoints: &[NodeEndpoint],
    ) {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.node_id == leader.0).and_then(|endpoint| {
            Some(Address { host: endpoint.host.to_string(), port: u16::try_from(endpoint.port).ok()? })
        });
        self.kafka.cluster().apply_leader_hint(&place.topic, place.partition, leader, leader_epoch, endpoint);
    }

    /// Whether the producer has ended, and how.
    fn check_end(&mut self, closing: Option<Closing>, now: Instant) -> Option<Result<(), Error>> {
        let closing = closing?;
        if self.linger.is_empty() && self.sender.is_idle() {
            return Some(Ok(()));
        }
        match closing {
            Closing::Until(deadline) if deadline <= now => Some(self.give_up(now)),
            _ => None,
        }
    }

    /// Fails what is left, and says by name and count what that was.
    fn give_up(&mut self, now: Instant) -> Result<(), Error> {
        self.room.set_gate(Gate::Aborting);
        // Records may have been appended since the bell was last heard, in slots that are not known yet.
        self.hear_bell(now);
        let open: Vec<usize> = self.slots.keys().copied().collect();
        for number in open {
            self.take_open(number);
        }
        let closed = Error::new(ErrorKind::Closed, "the producer was closed before the record was delivered")
            .hinting("give `close` more time");
        let lost = self.sender.give_up_all(&closed);
        let total: u64 = lost.values().sum();
        if total == 0 {
            return Ok(());
        }
        let shown: Vec<String> =
            lost.iter().take(SHOWN).map(|(name, count)| format!("{name}: {count}")).collect();
        let more = if lost.len() > SHOWN { ", …" } else { "" };
        let what = format!("closed with {total} records not delivered ({}{more})", shown.join(", "));
        Err(Error::new(ErrorKind::Timeout, what).maybe_written(true).hinting("give `close` more time"))
    }

    /// Has the driver woken by what comes in, and by the timer for what happens without that. Ready if there is something to
    /// do already.
    fn sleep(&mut self, cx: &mut Context<'_>, closing: Option<Closing>, now: Instant) -> Poll<()> {
        let until = self.next_wake(closing, now).map(|wake| wake.max(now + CLOCK_GRAIN));
        if let Some(until) = until {
            self.timer.reset(until);
            if Pin::new(&mut self.timer).poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        self.room.supplies.bell.sleep(cx, until)
    }

    /// The next thing that happens without anything coming in.
    fn next_wake(&self, closing: Option<Closing>, now: Instant) -> Option<Instant> {
        let deadline = match closing {
            Some(Closing::Until(deadline)) => Some(deadline),
            _ => None,
        };
        // While batches are open, the coarse clock that stamps their records is kept fresh.
        let tick =
            self.linger.is_lingering().map(|lingering| now + if lingering { CLOCK_TICK } else { SLOW_TICK });
        // The link itself wakes nobody at the end of a throttle for what was not given to it.
        let connections = self.connections.values().filter_map(|connection| match connection {
            Connection::Open { link, .. } => {
                let throttle = link.throttled_until().filter(|until| *until > now);
                [link.next_deadline(), throttle].into_iter().flatten().min()
            }
            Connection::Failed { until } => Some(*until).filter(|until| *until > now),
            Connection::Opening(_) => None,
        });
        let slow = self.availability.as_ref().and_then(Availability::next_wake);
        let (sender, linger) = (self.sender.next_wake(now, self.needs_identity()), self.linger.next_wake());
        let line = self.room.supplies.permits.next_expiry();
        let machines = [sender, linger, self.topics.next_wake(), slow, line, deadline, tick];
        machines.into_iter().flatten().chain(connections).min()
    }
}

/// Asks any broker for a producer id (KIP-98).
fn ask_identity(kafka: Kafka, deadline: Instant) -> BoxFuture<'static, Result<Producer, Error>> {
    Box::pin(async move {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: ProducerId::NONE.0,
            producer_epoch: ProducerEpoch::NONE.0,
            ..InitProducerIdRequest::default()
        };
        let (response, _) = kafka.cluster().call(Target::Any, request, deadline).await?;
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => Ok(Producer {
                id: ProducerId(response.producer_id),
                epoch: ProducerEpoch(response.producer_epoch),
            }),
            code => Err(Error::from_code(code, "no producer id was given")
                .hinting("enable.idempotence=false does without one")),
        }
    })
}

/// The target of this crate's events.
const TARGET: &str = "courant::producer";
/// How many turns the driver takes before it lets other tasks run.
const TURNS: usize = 16;
/// How many records of the line it serves in a turn.
const SERVED: usize = 1024;
/// How many events of one connection it takes in a turn.
const EVENTS: usize = 32;
/// How stale a record's own timestamp may be, and how stale where batches stay open because nothing can be sent.
pub(crate) const CLOCK_TICK: Duration = Duration::from_millis(5);
const SLOW_TICK: Duration = Duration::from_millis(50);
/// No timer is set for less; a wake-up that was missed by less than this is not worth a turn of its own.
const CLOCK_GRAIN: Duration = Duration::from_micros(100);
/// Topics go by name up to this version of Produce.
const LAST_VERSION_WITH_NAMES: i16 = 12;
/// How many partitions an error names.
const SHOWN: usize = 5;
