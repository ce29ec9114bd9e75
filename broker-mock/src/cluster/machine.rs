//! The machine: frames and time in, frames out.
//!
//! A broker works on one request of a connection at a time and answers in order; a fetch that waits holds back what
//! its connection sends after it. The shell feeds a frame only to a connection that [`Machine::is_ready`].
//!
//! Order of work for one frame: header, API and version, authentication, message, request log, faults, handler,
//! then the fetches that the handler's changes wake.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_protocol::api::ApiKey;
use courant_protocol::frame::{decode_request_header, encode_response_with};
use courant_protocol::messages::{AnyRequest, AnyResponse};
use courant_protocol::types::{NodeId, TopicId, UnixMillis};
use courant_protocol::wire::{Frame, Reader};

use super::connection::{Authentication, Connection, ConnectionId, Ending, ParkedFetch, Phase};
use super::request_log::{LoggedRequest, RequestLog};
use super::state::{Cluster, Spec};
use crate::fault::{Cut, Effects, FaultList, Seen};
use crate::group::Moment;
use crate::handler::{self, Call, Reply};

/// What the shell has to do.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send this.
    Send(ConnectionId, Frame),
    /// Send these bytes, which are no whole frame.
    SendPart(ConnectionId, Bytes),
    /// Close the connection once everything before is sent.
    Close(ConnectionId),
    /// The connection takes another frame.
    Ready(ConnectionId),
}

/// The whole cluster with its connections.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cluster: Cluster,
    pub(crate) faults: FaultList,
    pub(crate) log: RequestLog,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    deadlines: BTreeSet<(Instant, ConnectionId)>,
    waiters: BTreeMap<(TopicId, i32), BTreeSet<ConnectionId>>,
    /// Connections that wait for the group coordinator, and when it next does something by itself.
    waiting: BTreeSet<ConnectionId>,
    group_deadline: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl Machine {
    pub(crate) fn new(spec: &Spec) -> Self {
        Self {
            cluster: Cluster::new(spec),
            faults: FaultList::default(),
            log: RequestLog::new(spec.request_log_limit),
            connections: BTreeMap::new(),
            next_connection: 0,
            deadlines: BTreeSet::new(),
            waiters: BTreeMap::new(),
            waiting: BTreeSet::new(),
            group_deadline: None,
            outputs: VecDeque::new(),
        }
    }

    /// Somebody connects to a broker; `None` if it is down.
    pub(crate) fn connect(&mut self, node: NodeId) -> Option<ConnectionId> {
        if !self.cluster.is_alive(node) {
            return None;
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let needed = !self.cluster.users.is_empty();
        let authentication = if needed { Authentication::Needed } else { Authentication::NotNeeded };
        self.connections.insert(id, Connection { node, authentication, phase: Phase::Idle, deadline: None });
        Some(id)
    }

    /// The peer has gone. What it asked for before stays done.
    pub(crate) fn handle_closed(&mut self, id: ConnectionId) {
        self.forget(id);
    }

    /// Whether the connection takes a frame now.
    pub(crate) fn is_ready(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| matches!(connection.phase, Phase::Idle))
    }

    /// When the connection moves on by itself.
    pub(crate) fn deadline(&self, id: ConnectionId) -> Option<Instant> {
        if self.waiting.contains(&id) {
            return self.group_deadline;
        }
        self.connections.get(&id)?.deadline
    }

    /// The next thing to do for the shell.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A frame, without its size, came over a connection that was ready.
    pub(crate) fn handle_frame(
        &mut self,
        now: Instant,
        unix_now: UnixMillis,
        id: ConnectionId,
        frame: Bytes,
    ) {
        self.advance(now, unix_now);
        self.begin(now, unix_now, id, frame, None);
        self.settle_changes(now, unix_now);
    }

    /// Moves on what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, unix_now: UnixMillis) {
        self.advance(now, unix_now);
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, id));
            self.move_on(now, unix_now, id);
        }
        self.settle_changes(now, unix_now);
    }

    /// Lets happen what was due before now, though nobody asked for it.
    pub(crate) fn advance(&mut self, now: Instant, unix_now: UnixMillis) {
        let at = Moment { now, unix: unix_now };
        self.cluster.groups.advance(at);
        self.cluster.keep_up(at);
    }

    /// Answers everybody whom a change has given what they wait for.
    pub(crate) fn settle_changes(&mut self, now: Instant, unix_now: UnixMillis) {
        self.cluster.relocate_groups(Moment { now, unix: unix_now });
        self.wake_touched(now);
        while let Some((id, response)) = self.cluster.groups.poll_answer() {
            self.complete_wait(now, id, response);
        }
        let deadline = self.cluster.groups.next_deadline();
        if deadline != self.group_deadline {
            self.group_deadline = deadline;
            self.outputs.extend(self.waiting.iter().map(|id| Output::Ready(*id)));
        }
    }

    fn complete_wait(&mut self, now: Instant, id: ConnectionId, mut response: AnyResponse) {
        if !self.waiting.remove(&id) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Phase::Waiting(mut call, effects) = std::mem::replace(&mut connection.phase, Phase::Idle) else {
            return;
        };
        call.now = now;
        handler::join_group::finish(&call, &mut response);
        self.answer(&call, response, &effects);
    }

    /// Answers the fetches that wait for what has changed.
    fn wake_touched(&mut self, now: Instant) {
        let mut woken = BTreeSet::new();
        for touched in std::mem::take(&mut self.cluster.touched) {
            woken.extend(self.waiters.get(&touched).into_iter().flatten().copied());
        }
        for id in woken {
            let Some(connection) = self.connections.get(&id) else { continue };
            let Phase::Parked(parked) = &connection.phase else { continue };
            if handler::fetch::is_satisfied(&self.cluster, parked) {
                self.complete_fetch(now, id);
            }
        }
    }

    /// Cuts every connection to a broker.
    pub(crate) fn cut_connections(&mut self, node: NodeId) {
        let cut: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.node == node)
            .map(|(id, _)| *id)
            .collect();
        cut.into_iter().for_each(|id| self.close(id));
    }

    fn move_on(&mut self, now: Instant, unix_now: UnixMillis, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.deadline = None;
        if matches!(connection.phase, Phase::Parked(_)) {
            return self.complete_fetch(now, id);
        }
        match std::mem::replace(&mut connection.phase, Phase::Idle) {
            Phase::Delayed(frames, ending) => self.send(now, id, frames, ending),
            Phase::Held(frame, effects) => self.begin(now, unix_now, id, frame, Some(effects)),
            phase @ (Phase::Silent | Phase::Waiting(..)) => connection.phase = phase,
            Phase::Muted | Phase::Idle | Phase::Parked(_) => self.outputs.push_back(Output::Ready(id)),
        }
    }

    /// Takes a frame in. `held` are the effects of a fault that has held it until now.
    fn begin(
        &mut self,
        now: Instant,
        unix_now: UnixMillis,
        id: ConnectionId,
        frame: Bytes,
        held: Option<Effects>,
    ) {
        let Some(connection) = self.connections.get(&id) else { return };
        let node = connection.node;
        if connection.authentication == (Authentication::Handshaken { bare_token: true }) {
            return self.take_bare_token(now, id, &frame);
        }
        let mut reader = Reader::new(frame.clone());
        let Ok(header) = decode_request_header(&mut reader) else { return self.close(id) };
        let Ok(api) = ApiKey::try_from(header.api_key) else { return self.close(id) };
        let Some(versions) = self.cluster.versions(api) else { return self.close(id) };
        let mut call = Call {
            now,
            unix_now,
            node,
            connection: id,
            api,
            version: header.api_version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
            errors: Vec::new(),
        };
        if !versions.contains(call.version) {
            return self.refuse_version(&mut call);
        }
        if !self.may_ask(id, api) {
            return self.close(id);
        }
        let Ok(request) = AnyRequest::decode(api, call.version, &mut reader) else { return self.close(id) };
        let request = Arc::new(request);
        let effects = match held {
            Some(effects) => effects,
            None => {
                self.note(&call, &request);
                let effects = self.meet_faults(&call, &request);
                if effects.hold > Duration::ZERO {
                    let until = now + effects.hold;
                    return self.set_phase(id, Phase::Held(frame, effects), until);
                }
                effects
            }
        };
        self.apply(&mut call, &request, effects);
    }

    fn apply(&mut self, call: &mut Call, request: &AnyRequest, effects: Effects) {
        let id = call.connection;
        if effects.cut == Some(Cut::Before) {
            return self.close(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if effects.silence {
            connection.phase = Phase::Silent;
            return;
        }
        call.errors.clone_from(&effects.errors);
        match handler::handle(&mut self.cluster, &mut connection.authentication, call, request) {
            Reply::Response(response) => self.answer(call, *response, &effects),
            Reply::Nothing => self.settle(call, Vec::new(), &effects, 0),
            Reply::Close => self.close(id),
            Reply::ResponseThenClose(response) => {
                let frames = encode(call, &response).into_iter().collect();
                self.send(call.now, id, frames, Ending::Close);
            }
            Reply::Park(mut parked) => {
                parked.effects = effects;
                self.park(id, parked);
            }
            Reply::Wait => {
                connection.phase = Phase::Waiting(Box::new(call.clone()), effects);
                self.waiting.insert(id);
            }
        }
    }

    fn answer(&mut self, call: &Call, mut response: AnyResponse, effects: &Effects) {
        if effects.throttle_ms > 0 {
            handler::set_throttle(&mut response, effects.throttle_ms);
        }
        if effects.corrupt_records {
            handler::fetch::corrupt(&mut response);
        }
        let Some(frame) = encode(call, &response) else { return self.close(call.connection) };
        let mut frames = vec![frame];
        if effects.duplicate {
            frames.extend(frames.first().cloned());
        }
        self.settle(call, frames, effects, effects.throttle_ms);
    }

    /// Sends an answer as the faults let it.
    fn settle(&mut self, call: &Call, frames: Vec<Frame>, effects: &Effects, throttle_ms: i32) {
        let (id, now) = (call.connection, call.now);
        match effects.cut {
            Some(Cut::Inside(bytes)) => {
                if let Some(whole) = frames.into_iter().next().map(Frame::into_bytes) {
                    let part = whole.slice(..bytes.min(whole.len()));
                    self.outputs.push_back(Output::SendPart(id, part));
                }
                return self.close(id);
            }
            Some(_) if effects.delay == Duration::ZERO => return self.close(id),
            Some(_) => {
                return self.set_phase(id, Phase::Delayed(Vec::new(), Ending::Close), now + effects.delay);
            }
            None => {}
        }
        let throttle = Duration::from_millis(u64::try_from(throttle_ms).unwrap_or_default());
        let ending =
            if throttle.is_zero() { Ending::Open } else { Ending::MuteUntil(now + effects.delay + throttle) };
        if effects.delay > Duration::ZERO {
            return self.set_phase(id, Phase::Delayed(frames, ending), now + effects.delay);
        }
        self.send(now, id, frames, ending);
    }

    fn send(&mut self, now: Instant, id: ConnectionId, frames: Vec<Frame>, ending: Ending) {
        self.outputs.extend(frames.into_iter().map(|frame| Output::Send(id, frame)));
        match ending {
            Ending::Close => self.close(id),
            Ending::MuteUntil(until) if until > now => self.set_phase(id, Phase::Muted, until),
            Ending::MuteUntil(_) | Ending::Open => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.phase = Phase::Idle;
                    self.outputs.push_back(Output::Ready(id));
                }
            }
        }
    }

    fn park(&mut self, id: ConnectionId, parked: Box<ParkedFetch>) {
        for touched in &parked.watched {
            self.waiters.entry(*touched).or_default().insert(id);
        }
        let deadline = parked.deadline;
        self.set_phase(id, Phase::Parked(parked), deadline);
    }

    fn complete_fetch(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Phase::Parked(mut parked) = std::mem::replace(&mut connection.phase, Phase::Idle) else { return };
        self.clear_deadline(id);
        self.unwatch(id, &parked);
        parked.call.now = now;
        let response = handler::fetch::assemble(&mut self.cluster, &parked);
        self.answer(&parked.call, response.into(), &parked.effects);
    }

    fn unwatch(&mut self, id: ConnectionId, parked: &ParkedFetch) {
        for touched in &parked.watched {
            if let Some(waiting) = self.waiters.get_mut(touched) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.waiters.remove(touched);
                }
            }
        }
    }

    fn set_phase(&mut self, id: ConnectionId, phase: Phase, until: Instant) {
        self.clear_deadline(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.phase = phase;
            connection.deadline = Some(until);
            self.deadlines.insert((until, id));
        }
    }

    fn clear_deadline(&mut self, id: ConnectionId) {
        if let Some(at) = self.connections.get_mut(&id).and_then(|connection| connection.deadline.take()) {
            self.deadlines.remove(&(at, id));
        }
    }

    /// Closes a connection from the broker's side.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        if self.forget(id) {
            self.outputs.push_back(Output::Close(id));
        }
    }

    fn forget(&mut self, id: ConnectionId) -> bool {
        self.clear_deadline(id);
        self.waiting.remove(&id);
        let Some(connection) = self.connections.remove(&id) else { return false };
        if let Phase::Parked(parked) = &connection.phase {
            self.unwatch(id, parked);
        }
        true
    }

    /// A broker answers a version of ApiVersions that it does not know in version 0 (KIP-511), and hangs up on others.
    fn refuse_version(&mut self, call: &mut Call) {
        if call.api != ApiKey::ApiVersions {
            return self.close(call.connection);
        }
        call.version = 0;
        let response = handler::api_versions::refusal(&self.cluster);
        self.answer(call, response.into(), &Effects::default());
    }

    fn may_ask(&self, id: ConnectionId, api: ApiKey) -> bool {
        let open = matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        let authentication = self.connections.get(&id).map(|connection| &connection.authentication);
        open || matches!(authentication, Some(Authentication::NotNeeded | Authentication::Done))
    }

    /// After SaslHandshake version 0 the token comes bare, and so does the answer: an empty one.
    fn take_bare_token(&mut self, now: Instant, id: ConnectionId, token: &Bytes) {
        let accepted = handler::sasl_authenticate::is_accepted(&self.cluster, token);
        let Some(connection) = self.connections.get_mut(&id).filter(|_| accepted) else {
            return self.close(id);
        };
        connection.authentication = Authentication::Done;
        self.outputs.push_back(Output::SendPart(id, Bytes::from_static(&[0, 0, 0, 0])));
        self.send(now, id, Vec::new(), Ending::Open);
    }

    fn note(&mut self, call: &Call, request: &Arc<AnyRequest>) {
        self.log.push(LoggedRequest {
            sequence: 0,
            at: call.now,
            at_unix: call.unix_now,
            node: call.node,
            connection: call.connection.0,
            api: call.api,
            version: call.version,
            correlation_id: call.correlation_id,
            client_id: call.client_id.clone(),
            request: Arc::clone(request),
        });
    }

    fn meet_faults(&mut self, call: &Call, request: &AnyRequest) -> Effects {
        if self.faults.len() == 0 {
            return Effects::default();
        }
        let cluster = &self.cluster;
        self.faults.meet(&Seen {
            api: call.api,
            node: call.node,
            client_id: call.client_id.as_deref().unwrap_or_default(),
            request,
            touches: &|topic, partition| handler::touches(cluster, call, request, topic, partition),
        })
    }
}

/// `None` if the response cannot be written in the version that was asked for, which closes the connection.
fn encode(call: &Call, response: &AnyResponse) -> Option<Frame> {
    let encoded = encode_response_with(call.api, call.version, call.correlation_id, |writer| {
        response.encode(writer, call.version)
    });
    debug_assert!(encoded.is_ok(), "{:?} version {}: {encoded:?}", call.api, call.version);
    encoded.ok()
}
