//! The machine under its lock, and what waits on each connection to be carried.
//!
//! Whoever calls the machine takes its outputs out under the same lock and wakes the connections that they belong to.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::Bytes;
use courant_protocol::types::NodeId;
use courant_runtime::World;
use tokio::sync::watch;

use crate::cluster::{ConnectionId, Machine, Output};

/// The machine, the world that it lives in, and the connections' outboxes.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) world: World,
    state: Mutex<State>,
    /// Told when brokers die and come back.
    liveness: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    links: BTreeMap<ConnectionId, Outbox>,
}

/// What a connection's carrier has to send.
#[derive(Debug, Default)]
struct Outbox {
    segments: VecDeque<Bytes>,
    is_closed: bool,
    wakers: Vec<Waker>,
}

/// How many tasks may wait on one connection; beyond, the first is woken and may come again.
const MAX_WAKERS: usize = 4;

impl Outbox {
    fn remember(&mut self, waker: &Waker) {
        if self.wakers.iter().any(|known| known.will_wake(waker)) {
            return;
        }
        if self.wakers.len() == MAX_WAKERS {
            self.wakers.remove(0).wake();
        }
        self.wakers.push(waker.clone());
    }
}

/// What a carrier finds when it looks.
#[derive(Debug)]
pub(crate) struct Sight {
    /// Bytes to send.
    pub(crate) segments: VecDeque<Bytes>,
    /// Nothing follows them.
    pub(crate) is_closed: bool,
    /// The connection takes a frame.
    pub(crate) is_ready: bool,
    /// When the connection moves on by itself.
    pub(crate) deadline: Option<Instant>,
}

impl Hub {
    pub(crate) fn new(world: World, machine: Machine) -> Self {
        let state = Mutex::new(State { machine, links: BTreeMap::new() });
        Self { world, state, liveness: watch::Sender::new(()) }
    }

    /// Calls the machine; what comes of it is carried away afterwards.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Machine, &World) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state.machine, &self.world);
        let woken = state.distribute();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    pub(crate) fn connect(&self, node: NodeId) -> Option<ConnectionId> {
        let mut state = self.lock();
        let id = state.machine.connect(node)?;
        state.links.insert(id, Outbox::default());
        Some(id)
    }

    /// Changes whenever a broker dies or comes back.
    pub(crate) fn liveness(&self) -> watch::Receiver<()> {
        self.liveness.subscribe()
    }

    /// Brokers have died or come back.
    pub(crate) fn tell_liveness(&self) {
        self.liveness.send_replace(());
    }

    pub(crate) fn is_alive(&self, node: NodeId) -> bool {
        self.lock().machine.cluster.is_alive(node)
    }

    /// The largest request that brokers take.
    pub(crate) fn max_request_bytes(&self) -> usize {
        self.lock().machine.cluster.config.count("socket.request.max.bytes")
    }

    pub(crate) fn handle_frame(&self, id: ConnectionId, frame: Bytes) {
        self.with(|machine, world| machine.handle_frame(world.now(), world.unix_millis(), id, frame));
    }

    pub(crate) fn handle_timeout(&self) {
        self.with(|machine, world| machine.handle_timeout(world.now(), world.unix_millis()));
    }

    pub(crate) fn handle_closed(&self, id: ConnectionId) {
        self.with(|machine, _| machine.handle_closed(id));
        self.lock().links.remove(&id);
    }

    /// Takes what is to be sent, and asks to be woken when there is more. Several tasks may carry one connection
    /// (one reads, one writes), so every one of them is woken.
    pub(crate) fn look(&self, id: ConnectionId, cx: &Context<'_>) -> Sight {
        let mut state = self.lock();
        let (is_ready, deadline) = (state.machine.is_ready(id), state.machine.deadline(id));
        match state.links.get_mut(&id) {
            None => Sight { segments: VecDeque::new(), is_closed: true, is_ready: false, deadline: None },
            Some(outbox) => {
                outbox.remember(cx.waker());
                let segments = std::mem::take(&mut outbox.segments);
                Sight { segments, is_closed: outbox.is_closed, is_ready, deadline }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts the machine's outputs into the outboxes; gives whom to wake.
    fn distribute(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            let (Output::Send(id, _) | Output::SendPart(id, _) | Output::Close(id) | Output::Ready(id)) =
                output;
            let Some(outbox) = self.links.get_mut(&id) else { continue };
            match output {
                Output::Send(_, frame) => outbox.segments.extend(frame.into_segments()),
                Output::SendPart(_, bytes) => outbox.segments.push_back(bytes),
                Output::Close(_) => outbox.is_closed = true,
                Output::Ready(_) => {}
            }
            woken.append(&mut outbox.wakers);
        }
        woken
    }
}
