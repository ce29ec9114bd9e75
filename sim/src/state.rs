//! What the parts of a simulation share: faults, blocks, connections, the trace.
use crate::clock::SimClock;
use crate::host::Group;
use crate::link::LinkFaults;
use crate::trace::Trace;
use courant_runtime::{Rng, Transport, World, duplex::Breaker};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Arguments;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use tokio::sync::Notify;

/// Shared by a simulation, its hosts and its connections.
pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) clock: SimClock,
    /// Runs what belongs to no host.
    pub(crate) network: World,
    changed: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    faults: LinkFaults,
    faults_between: BTreeMap<(String, String), LinkFaults>,
    blocked: BTreeSet<(String, String)>,
    transport: Option<Arc<dyn Transport>>,
    links: Vec<Arc<LinkEntry>>,
    connections: BTreeMap<(String, String), u64>,
    groups: BTreeMap<String, Arc<Group>>,
    armed: BTreeMap<String, u64>,
    crash_chance: f64,
    rng: Rng,
    trace: Trace,
    panics: Vec<String>,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        let inner = Inner {
            faults: LinkFaults::none(),
            faults_between: BTreeMap::new(),
            blocked: BTreeSet::new(),
            transport: None,
            links: Vec::new(),
            connections: BTreeMap::new(),
            groups: BTreeMap::new(),
            armed: BTreeMap::new(),
            crash_chance: 0.0,
            rng: Rng::new(seed, "simulation"),
            trace: Trace::default(),
            panics: Vec::new(),
        };
        let clock = SimClock::default();
        let network = World::builder().clock(Arc::new(clock.clone())).seed(seed).blocking_inline().build();
        Self { seed, clock, network, changed: Notify::new(), inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn event(&self, event: Arguments<'_>) {
        let at = self.clock.elapsed();
        self.inner().trace.push(at, event);
    }

    pub(crate) fn trace_tail(&self, most: usize) -> String {
        self.inner().trace.tail(most)
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.inner().trace.hash()
    }

    pub(crate) fn panicked(&self, text: String) {
        self.event(format_args!("panic: {text}"));
        self.inner().panics.push(text);
    }

    pub(crate) fn first_panic(&self) -> Option<String> {
        self.inner().panics.first().cloned()
    }

    pub(crate) fn serve(&self, transport: Arc<dyn Transport>) {
        self.inner().transport = Some(transport);
    }

    pub(crate) fn served(&self) -> Option<Arc<dyn Transport>> {
        self.inner().transport.clone()
    }

    pub(crate) fn set_faults(&self, faults: LinkFaults) {
        let mut inner = self.inner();
        inner.faults = faults;
        inner.faults_between.clear();
    }

    pub(crate) fn set_faults_between(&self, host: &str, peer: &str, faults: LinkFaults) {
        self.inner().faults_between.insert((host.to_owned(), peer.to_owned()), faults);
    }

    pub(crate) fn link_faults(&self, host: &str, peer: &str) -> LinkFaults {
        let inner = self.inner();
        inner.faults_between.get(&(host.to_owned(), peer.to_owned())).copied().unwrap_or(inner.faults)
    }

    pub(crate) fn block(&self, from: &str, to: &str) {
        self.event(format_args!("{from}>{to} blocked"));
        self.inner().blocked.insert((from.to_owned(), to.to_owned()));
    }

    /// Opens what `which` selects and wakes everything that waited.
    pub(crate) fn unblock(&self, which: impl Fn(&str, &str) -> bool) {
        let links = {
            let mut inner = self.inner();
            inner.blocked.retain(|(from, to)| !which(from, to));
            inner.links.clone()
        };
        self.event(format_args!("unblocked"));
        self.changed.notify_waiters();
        links.iter().for_each(|link| link.wake());
    }

    pub(crate) fn is_blocked(&self, from: &str, to: &str) -> bool {
        let inner = self.inner();
        !inner.blocked.is_empty() && inner.blocked.contains(&(from.to_owned(), to.to_owned()))
    }

    /// Waits until bytes get through from one end to the other.
    pub(crate) async fn until_open(&self, from: &str, to: &str) {
        loop {
            let changed = self.changed.notified();
            if !self.is_blocked(from, to) {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn next_connection(&self, host: &str, peer: &str) -> u64 {
        let mut inner = self.inner();
        let count = inner.connections.entry((host.to_owned(), peer.to_owned())).or_insert(0);
        *count += 1;
        *count
    }

    pub(crate) fn register(&self, link: Arc<LinkEntry>) {
        self.inner().links.push(link);
    }

    pub(crate) fn forget(&self, link: &Arc<LinkEntry>) {
        self.inner().links.retain(|other| !Arc::ptr_eq(other, link));
    }

    /// Breaks the open connections between a host and a peer.
    pub(crate) fn cut(&self, host: &str, peer: &str) {
        let links = self.inner().links.clone();
        for link in links.iter().filter(|link| link.host == host && link.peer == peer) {
            link.cut();
        }
    }

    /// The running incarnation of a host; `make` makes the first.
    pub(crate) fn group(&self, host: &str, make: impl FnOnce() -> Arc<Group>) -> Arc<Group> {
        Arc::clone(self.inner().groups.entry(host.to_owned()).or_insert_with(make))
    }

    pub(crate) fn host_names(&self) -> Vec<String> {
        self.inner().groups.keys().cloned().collect()
    }

    pub(crate) fn replace_group(&self, host: &str, group: Arc<Group>) {
        self.inner().groups.insert(host.to_owned(), group);
    }

    /// Lets go of everything that refers back to this state: programs, tasks, what is served. Else no simulation would
    /// ever be freed, and ten thousand of them would not fit into memory.
    pub(crate) fn release(&self) {
        let (groups, links, transport) = {
            let mut inner = self.inner();
            (std::mem::take(&mut inner.groups), std::mem::take(&mut inner.links), inner.transport.take())
        };
        groups.values().for_each(|group| group.release());
        drop((links, transport));
    }

    /// The `nth` passage of a crash point from now on (from 1) crashes its host.
    pub(crate) fn arm_crash(&self, point: &str, nth: u64) {
        self.inner().armed.insert(point.to_owned(), nth.max(1));
    }

    pub(crate) fn set_crash_chance(&self, probability: f64) {
        self.inner().crash_chance = probability;
    }

    /// Whether the passage of a crash point that happens now crashes.
    pub(crate) fn draws_crash(&self, point: &str) -> bool {
        let mut inner = self.inner();
        let chance = inner.crash_chance;
        if let Some(left) = inner.armed.get_mut(point) {
            *left -= 1;
            if *left == 0 {
                inner.armed.remove(point);
                return true;
            }
        }
        chance > 0.0 && inner.rng.chance(chance)
    }
}

/// An open connection, as seen by those who may break it.
pub(crate) struct LinkEntry {
    host: String,
    peer: String,
    breaker: Breaker,
    cut: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl LinkEntry {
    pub(crate) fn new(host: &str, peer: &str, breaker: Breaker) -> Self {
        let (host, peer) = (host.to_owned(), peer.to_owned());
        Self { host, peer, breaker, cut: AtomicBool::new(false), waker: Mutex::new(None) }
    }

    /// Breaks the connection: the host sees a reset at once, the broker when the carrier has dropped its end.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.breaker.reset();
        self.wake();
    }

    pub(crate) fn is_cut(&self, cx: &Context<'_>) -> bool {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match waker.as_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }
}
