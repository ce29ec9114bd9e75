//! All connections of a client: who is connected, who shares, and when a broker that failed is tried again.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use courant_protocol::types::NodeId;
use courant_runtime::watch;
use courant_runtime::{Address, Rng, Task, World};

use super::link::{ConnectionGuard, Link};
use super::machine::{ConnectionOptions, Reconnect, ReconnectOptions};
use super::race::until;
use super::shared::{Phase, SharedConnection};
use crate::error::{Error, ErrorKind, Seconds};
use crate::log::{Repeats, TARGET};

/// What a connection is for: requests of different classes never wait for each other.
///
/// Kafka answers the requests of one connection in order, so a fetch that waits for data would hold up everything behind
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TrafficClass {
    /// Metadata, coordinators, administration.
    General,
    /// A producer's batches.
    Produce,
    /// A consumer's fetches, which wait at the broker.
    Fetch,
    /// Heartbeats and commits.
    Group,
    /// One member's requests to join, which wait at the coordinator for other members; the number is from
    /// `Cluster::new_member_class`.
    Member(u64),
}

/// Whom a connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Peer {
    /// The n-th address of `bootstrap.servers`.
    Bootstrap(usize),
    /// A broker by its id.
    Node(NodeId),
}

impl Peer {
    fn node(self) -> Option<NodeId> {
        match self {
            Self::Bootstrap(_) => None,
            Self::Node(node) => Some(node),
        }
    }
}

/// The connections of one client.
pub(crate) struct Connections {
    world: World,
    options: Arc<ConnectionOptions>,
    reconnect: ReconnectOptions,
    open: Arc<AtomicUsize>,
    phase: watch::Receiver<Phase>,
    inner: Mutex<Inner>,
}

struct Inner {
    peers: BTreeMap<Peer, PeerState>,
    shared: BTreeMap<(Peer, TrafficClass), Slot>,
    tasks: Vec<Task>,
    rng: Rng,
    serial: u64,
}

/// What all connections to one peer have in common.
struct PeerState {
    address: Address,
    reconnect: Reconnect,
    repeats: Repeats,
}

/// A shared connection that is being opened, is open, or has just failed.
struct Slot {
    serial: u64,
    address: Address,
    state: watch::Receiver<SlotState>,
}

#[derive(Clone)]
enum SlotState {
    Opening,
    Ready(Arc<SharedConnection>),
    Failed(Error),
}

impl Connections {
    pub(crate) fn new(
        world: World,
        options: ConnectionOptions,
        reconnect: ReconnectOptions,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let rng = world.rng("courant-client/connections");
        let (peers, shared) = (BTreeMap::new(), BTreeMap::new());
        let inner = Mutex::new(Inner { peers, shared, tasks: Vec::new(), rng, serial: 0 });
        Self { world, options: Arc::new(options), reconnect, open: Arc::default(), phase, inner }
    }

    /// How many connections are open or being opened.
    pub(crate) fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The best of these to ask: one that is connected, else one that has not failed lately, else the one whose turn is next.
    pub(crate) fn best(&self, candidates: &[Peer], without: &BTreeSet<Peer>, now: Instant) -> Option<Peer> {
        let inner = self.lock();
        let rank = |peer: &Peer| {
            let slot = inner.shared.get(&(*peer, TrafficClass::General));
            let connected = slot.is_some_and(|slot| matches!(&*slot.state.borrow(), SlotState::Ready(_)));
            (!connected, inner.peers.get(peer).and_then(|state| state.reconnect.blocked_until(now)))
        };
        candidates.iter().filter(|peer| !without.contains(*peer)).min_by_key(|peer| rank(peer)).copied()
    }

    /// Opens a connection for a driver: one attempt, after the wait that earlier failures demand.
    pub(crate) async fn open(
        self: &Arc<Self>,
        peer: Peer,
        address: Address,
        class: TrafficClass,
        deadline: Instant,
    ) -> Result<Link, Error> {
        let started = self.world.now();
        while let Some(blocked) =
            self.state_of(peer, &address, |state| state.reconnect.blocked_until(self.world.now()))
        {
            self.world.sleep_until(blocked.min(deadline)).await;
            if self.world.now() >= deadline {
                return Err(self.not_in_time(peer, &address, started));
            }
        }
        let attempt = self.world.now();
        let setup = {
            let mut inner = self.lock();
            let Inner { peers, rng, .. } = &mut *inner;
            peers.get(&peer).map_or(self.reconnect.setup_timeout.initial, |state| {
                state.reconnect.setup_timeout(&self.reconnect, rng)
            })
        };
        let result = match until(&self.world, deadline, self.attempt(peer, &address, attempt + setup)).await {
            Some(result) => result,
            None => return Err(self.not_in_time(peer, &address, started)),
        };
        match result {
            Ok(mut link) => {
                self.state_of(peer, &address, |state| state.reconnect.handle_success());
                tracing::debug!(target: TARGET, %address, ?class, "connected");
                let (connections, since) = (Arc::downgrade(self), self.world.now());
                link.set_feedback(Box::new(move |now, error| {
                    if let Some(connections) = connections.upgrade() {
                        connections.note_failure(peer, &address, since, now, error);
                    }
                }));
                Ok(link)
            }
            Err(error) => {
                self.note_failure(peer, &address, attempt, self.world.now(), &error);
                Err(error)
            }
        }
    }

    async fn attempt(&self, peer: Peer, address: &Address, setup_deadline: Instant) -> Result<Link, Error> {
        let guard = ConnectionGuard::new(&self.open);
        let started = self.world.now();
        let late = || {
            let took = Seconds(setup_deadline.saturating_duration_since(started));
            Error::new(ErrorKind::Timeout, format!("no connection within {took}")).at_broker(address).hinting(
                "socket.connection.setup.timeout.ms sets the time; is the address reachable from here?",
            )
        };
        let socket =
            until(&self.world, setup_deadline, self.world.connect(address)).await.ok_or_else(late)?;
        let socket = socket.map_err(|failure| {
            Error::new(ErrorKind::Transport, "cannot connect").at_broker(address).because(failure)
        })?;
        let now = self.world.now();
        let options = Arc::clone(&self.options);
        let mut link =
            Link::open(now, setup_deadline, (peer.node(), address.clone()), socket, options, guard)?;
        let mut timer = self.world.sleep_until(setup_deadline);
        poll_fn(|cx| {
            let ready = link.poll_ready(cx, self.world.now());
            if ready.is_pending() && std::pin::Pin::new(&mut timer).poll(cx).is_ready() {
                return link.poll_ready(cx, self.world.now().max(setup_deadline));
            }
            ready
        })
        .await?;
        Ok(link)
    }

    /// The connection that callers without a driver share; it is opened when the first of them comes.
    pub(crate) async fn shared(
        self: &Arc<Self>,
        peer: Peer,
        address: Address,
        class: TrafficClass,
        deadline: Instant,
    ) -> Result<Arc<SharedConnection>, Error> {
        let started = self.world.now();
        let mut state = self.slot(peer, &address, class)?;
        let settled = async {
            match state.wait_for(|state| !matches!(state, SlotState::Opening)).await.as_deref() {
                Ok(SlotState::Ready(connection)) => Ok(Arc::clone(connection)),
                Ok(SlotState::Failed(error)) => Err(error.clone()),
                Ok(SlotState::Opening) | Err(_) => Err(closed()),
            }
        };
        match until(&self.world, deadline, settled).await {
            Some(settled) => settled,
            None => Err(self.not_in_time(peer, &address, started)),
        }
    }

    fn slot(
        self: &Arc<Self>,
        peer: Peer,
        address: &Address,
        class: TrafficClass,
    ) -> Result<watch::Receiver<SlotState>, Error> {
        if *self.phase.borrow() != Phase::Open {
            return Err(closed());
        }
        let mut inner = self.lock();
        if let Some(slot) = inner.shared.get(&(peer, class)) {
            let usable = match &*slot.state.borrow() {
                SlotState::Opening => true,
                SlotState::Ready(connection) => !connection.is_closed(),
                SlotState::Failed(_) => false,
            };
            if usable && slot.address == *address {
                return Ok(slot.state.clone());
            }
        }
        let (publish, state) = watch::channel(SlotState::Opening);
        inner.serial += 1;
        let serial = inner.serial;
        inner.shared.insert((peer, class), Slot { serial, address: address.clone(), state: state.clone() });
        inner.tasks.retain(|task| !task.is_finished());
        let (this, address) = (Arc::clone(self), address.clone());
        let task = self.world.spawn("courant-connection", async move {
            this.serve(peer, address, class, publish).await;
            this.forget(peer, class, serial);
        });
        inner.tasks.push(task);
        Ok(state)
    }

    /// The task behind a shared connection: opens it, says so, and drives it to its end.
    async fn serve(
        self: &Arc<Self>,
        peer: Peer,
        address: Address,
        class: TrafficClass,
        publish: watch::Sender<SlotState>,
    ) {
        let mut phase = self.phase.clone();
        let far = self.world.now() + self.reconnect.setup_timeout.max * 2 + self.reconnect.backoff.max * 2;
        let opened = {
            let closing = async {
                // A phase whose sender is gone is a client that was dropped.
                let _gone = phase.wait_for(|phase| *phase != Phase::Open).await;
            };
            let opening = self.open(peer, address, class, far);
            tokio::select! {
                biased;
                opened = opening => opened,
                () = closing => Err(closed()),
            }
        };
        let over = opened.and_then(|link| SharedConnection::over(link, self.options.client_id.clone()));
        match over {
            Ok((connection, task)) => {
                // Nobody listening means that every caller has given up; the next one may still want the connection.
                publish.send_replace(SlotState::Ready(connection));
                task.run(&self.world, self.phase.clone()).await;
            }
            Err(error) => {
                publish.send_replace(SlotState::Failed(error));
            }
        }
    }

    fn forget(&self, peer: Peer, class: TrafficClass, serial: u64) {
        let mut inner = self.lock();
        if inner.shared.get(&(peer, class)).is_some_and(|slot| slot.serial == serial) {
            inner.shared.remove(&(peer, class));
        }
    }

    /// The tasks behind the connections, for whoever closes the client.
    pub(crate) fn take_tasks(&self) -> Vec<Task> {
        std::mem::take(&mut self.lock().tasks)
    }

    fn note_failure(&self, peer: Peer, address: &Address, started: Instant, now: Instant, error: &Error) {
        let mut inner = self.lock();
        let Inner { peers, rng, .. } = &mut *inner;
        let state = peers.entry(peer).or_insert_with(|| PeerState::new(address.clone()));
        state.reconnect.handle_failure(started, now, &self.reconnect, rng, error.clone());
        if let Some(unsaid) = state.repeats.allow(now) {
            let failures = state.reconnect.failures();
            tracing::warn!(target: TARGET, %address, failures, unsaid, "{error}");
        }
    }

    fn state_of<T>(&self, peer: Peer, address: &Address, read: impl FnOnce(&mut PeerState) -> T) -> T {
        let mut inner = self.lock();
        let state = inner.peers.entry(peer).or_insert_with(|| PeerState::new(address.clone()));
        if state.address != *address {
            // The broker has moved: what the old address did says nothing about the new one.
            *state = PeerState::new(address.clone());
        }
        read(state)
    }

    fn not_in_time(&self, peer: Peer, address: &Address, started: Instant) -> Error {
        let elapsed = self.world.now().saturating_duration_since(started);
        let last = self.state_of(peer, address, |state| state.reconnect.last_error().cloned());
        let error = Error::new(ErrorKind::Timeout, "no connection within the time given for the call");
        let error = error.at_broker(address).after(elapsed);
        match last {
            Some(last) => error.because(last),
            None => error,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerState {
    fn new(address: Address) -> Self {
        Self { address, reconnect: Reconnect::default(), repeats: Repeats::default() }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("open", &self.open_count()).finish_non_exhaustive()
    }
}

/// What a closed client answers.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed")
}
