//! The handle through which producers, consumers and admin clients see the cluster.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use courant_protocol::api::Request;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicName};
use courant_runtime::watch;
use courant_runtime::{Address, Task, World};
use tokio::sync::Notify;

use super::coordinator::CoordinatorKind;
use super::driver;
use super::lease::TopicsLease;
use super::machine::{LONGEST_NAME, MetadataMachine, MetadataOptions};
use super::metadata::{Metadata, Topic};
use super::shared::{Shared, unknown_broker};
use super::watch::{MetadataWatch, Watchers};
use crate::config::{CommonSettings, MetadataRecovery, Security};
use crate::connection::machine::{ConnectionOptions, Plain, ReconnectOptions};
use crate::connection::{Connections, Link, Peer, Phase, TrafficClass, Unanswered, closed, until};
use crate::error::{Error, ErrorKind};
use crate::log::TARGET;

/// The cluster that a [`Kafka`](crate::Kafka) is connected to; cloning it shares everything.
///
/// Producers, consumers and admin clients work through it. Applications rarely need it.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

/// What lives as long as any handle; its end tells the tasks, which share only [`Shared`], to end as well.
struct Inner {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    driver: Mutex<Option<Task>>,
}

/// Which broker a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Any broker, preferably one that is connected.
    Any,
    /// The broker that takes administrative requests.
    Controller,
    /// This broker.
    Node(NodeId),
    /// The broker that coordinates this key.
    Coordinator(CoordinatorKind, String),
}

/// How a single call is made.
#[derive(Clone, Copy, Debug)]
pub struct CallOptions {
    /// When the caller gives up.
    pub deadline: Instant,
    /// The highest version that the caller can make sense of.
    pub max_version: i16,
    /// How long the broker may take before the connection counts as dead; `request.timeout.ms` if none is given. Requests
    /// that wait at the broker (JoinGroup) add that time.
    pub request_timeout: Option<Duration>,
    /// Which connection it goes over; by its target if none is given.
    pub class: Option<TrafficClass>,
}

impl CallOptions {
    /// The usual call, given up at `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, max_version: i16::MAX, request_timeout: None, class: None }
    }
}

impl Cluster {
    /// Starts the task that keeps the metadata; nothing is connected yet.
    pub(crate) fn start(world: World, settings: CommonSettings) -> Self {
        let (phase, watch_phase) = watch::channel(Phase::Open);
        let connections = Connections::new(
            world.clone(),
            connection_options(&settings),
            reconnect(&settings),
            watch_phase.clone(),
        );
        let options = metadata_options(&settings);
        let machine = MetadataMachine::new(options, world.rng("courant-client/metadata"));
        let shared = Arc::new(Shared {
            connections: Arc::new(connections),
            snapshot: ArcSwap::new(Arc::clone(machine.snapshot())),
            watchers: Arc::new(Watchers::default()),
            wake: Notify::new(),
            coordinators: Mutex::default(),
            machine: Mutex::new(machine),
            repeats: Mutex::default(),
            next_member: AtomicU64::new(0),
            settings,
            world,
        });
        let driver = shared.world.spawn("courant-metadata", driver::run(Arc::clone(&shared), watch_phase));
        Self { inner: Arc::new(Inner { shared, phase, driver: Mutex::new(Some(driver)) }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// The world that the client runs in.
    pub fn world(&self) -> &World {
        &self.inner.shared.world
    }

    /// The common settings.
    pub fn settings(&self) -> &CommonSettings {
        &self.inner.shared.settings
    }

    /// What is known of the cluster now.
    pub fn snapshot(&self) -> Arc<Metadata> {
        self.inner.shared.snapshot.load_full()
    }

    /// Wakes when the snapshot has been replaced, or could not be.
    pub fn watch(&self) -> MetadataWatch {
        self.inner.shared.watchers.watch()
    }

    /// How many connections are open or being opened.
    pub fn open_connections(&self) -> usize {
        self.inner.shared.connections.open_count()
    }

    /// Keeps these topics in the metadata, and lets the broker create those that do not exist if it is set up to
    /// (`auto.create.topics.enable`).
    pub fn want_topics<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> TopicsLease {
        self.lease(names, true)
    }

    /// As [`Self::want_topics`], but topics that do not exist are not created.
    pub fn want_existing_topics<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> TopicsLease {
        self.lease(names, false)
    }

    fn lease<'a>(&self, names: impl IntoIterator<Item = &'a str>, create: bool) -> TopicsLease {
        let names: Vec<TopicName> = names.into_iter().map(TopicName::from).collect();
        let now = self.world().now();
        {
            let mut machine = self.inner.shared.machine();
            names.iter().for_each(|name| machine.lease(now, name, create));
        }
        self.inner.shared.wake.notify_one();
        TopicsLease::new(self.clone(), names)
    }

    pub(super) fn release(&self, names: &[TopicName]) {
        let now = self.world().now();
        let mut machine = self.inner.shared.machine();
        names.iter().for_each(|name| machine.release(now, name));
    }

    pub(super) fn forget(&self, names: &[TopicName]) {
        let now = self.world().now();
        let mut machine = self.inner.shared.machine();
        names.iter().for_each(|name| machine.forget(now, name));
    }

    /// Asks for fresh metadata because of what `reason` says, and returns at once. Requests of many are met by one answer.
    pub fn refresh(&self, reason: &'static str) {
        tracing::debug!(target: TARGET, reason, "metadata is asked for");
        self.inner.shared.machine().want_refresh();
        self.inner.shared.wake.notify_one();
    }

    /// The topic, once it is known and without an error.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopic`] if it still does not exist at the deadline; [`ErrorKind::Authorization`] or another
    /// refusal at once; [`ErrorKind::Timeout`] if no broker answered.
    ///
    /// # Cancel safety
    /// Nothing happened if the future is dropped.
    pub async fn topic(&self, name: &str, deadline: Instant) -> Result<Arc<Topic>, Error> {
        self.find_topic(name, true, deadline).await
    }

    /// As [`Self::topic`], but a topic that does not exist is not created.
    ///
    /// # Errors
    /// As [`Self::topic`].
    ///
    /// # Cancel safety
    /// Nothing happened if the future is dropped.
    pub async fn existing_topic(&self, name: &str, deadline: Instant) -> Result<Arc<Topic>, Error> {
        self.find_topic(name, false, deadline).await
    }

    async fn find_topic(&self, name: &str, create: bool, deadline: Instant) -> Result<Arc<Topic>, Error> {
        if name.len() > LONGEST_NAME {
            let what = format!("a topic's name of {} bytes cannot be sent", name.len());
            return Err(Error::new(ErrorKind::Broker(ErrorCode::INVALID_TOPIC_EXCEPTION), what)
                .hinting("Kafka takes at most 249 characters"));
        }
        let world = self.world();
        let started = world.now();
        let mut watch = self.watch();
        let first = self.inner.shared.snapshot.load().version();
        loop {
            let snapshot = self.inner.shared.snapshot.load();
            let (known, is_first) = (snapshot.topic(name).cloned(), snapshot.version() == first);
            self.inner.shared.machine().touch(world.now(), name, create);
            match known {
                Some(topic) if topic.error.is_none() && !topic.partitions.is_empty() => return Ok(topic),
                Some(topic) => match topic.error {
                    // What was refused before may be allowed by now, so that it is asked for again.
                    Some(code) if !code.is_retriable() && !is_first => {
                        return Err(Error::from_code(code, "cannot use the topic").at_topic(name));
                    }
                    _ => {}
                },
                None => {}
            }
            self.check_open()?;
            self.inner.shared.wake.notify_one();
            if until(world, deadline, watch.changed()).await.is_none() {
                return Err(self.topic_missing(name, world.now().saturating_duration_since(started)));
            }
        }
    }

    fn topic_missing(&self, name: &str, elapsed: Duration) -> Error {
        let known = self.inner.shared.snapshot.load().topic(name).cloned();
        let error = match known.and_then(|topic| topic.error) {
            Some(code) => Error::from_code(code, "the topic is not there"),
            None => {
                let error = Error::new(ErrorKind::Timeout, "no broker has described the topic");
                match self.last_failure() {
                    Some(last) => error.because(last),
                    None => error,
                }
            }
        };
        let broker_creates = "create it (auto.create.topics.enable lets the broker do so), or check its name";
        let error = error.at_topic(name).after(elapsed);
        if error.kind() == ErrorKind::UnknownTopic { error.hinting(broker_creates) } else { error }
    }

    /// Takes over a newer leader, which the response to a produce or a fetch named (KIP-951). What is known already is kept
    /// unless `epoch` is newer. Says whether the hint was news.
    pub fn apply_leader_hint(
        &self,
        topic: &str,
        partition: PartitionId,
        leader: NodeId,
        epoch: LeaderEpoch,
        endpoint: Option<Address>,
    ) -> bool {
        let mut machine = self.inner.shared.machine();
        let news = machine.handle_leader_hint(topic, partition, leader, epoch, endpoint);
        if news {
            self.inner.shared.publish(&machine);
        }
        news
    }

    /// Makes one attempt at a request, in the highest version that both sides speak, on the shared connection of the broker.
    /// Gives the response and the version that it is in.
    ///
    /// # Errors
    /// No broker could be reached, the versions do not meet, or no answer came before the deadline; see
    /// [`Error::possibly_written`].
    ///
    /// # Cancel safety
    /// If the future is dropped the request may have been sent, and its answer is thrown away. Other requests on the same
    /// connection are not disturbed.
    pub async fn call<R: Request + Clone>(
        &self,
        target: Target,
        request: R,
        deadline: Instant,
    ) -> Result<(R::Response, i16), Error> {
        self.call_by_version(target, |_| request.clone(), CallOptions::until(deadline)).await
    }

    /// As [`Self::call`], for a request whose fields depend on the version.
    ///
    /// # Errors
    /// As [`Self::call`].
    ///
    /// # Cancel safety
    /// As [`Self::call`].
    pub async fn call_by_version<R: Request>(
        &self,
        target: Target,
        request: impl Fn(i16) -> R,
        options: CallOptions,
    ) -> Result<(R::Response, i16), Error> {
        let shared = &self.inner.shared;
        let class = options.class.unwrap_or(match target {
            Target::Coordinator(CoordinatorKind::Group, _) => TrafficClass::Group,
            _ => TrafficClass::General,
        });
        let timeout = options.request_timeout.unwrap_or(shared.settings.request_timeout);
        let mut tried = BTreeSet::new();
        let mut resent = false;
        loop {
            self.check_open()?;
            let (peer, address) = self.resolve(&target, &tried, options.deadline).await?;
            let connection = match shared.connections.shared(peer, address, class, options.deadline).await {
                Ok(connection) => connection,
                Err(error)
                    if target == Target::Any
                        && error.is_retriable()
                        && self.others_left(peer, &mut tried) =>
                {
                    tracing::debug!(target: TARGET, "another broker is asked: {error}");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let version = connection.versions().version_up_to::<R>(options.max_version)?;
            let request = request(version);
            match connection.call(&shared.world, &request, version, timeout, options.deadline).await {
                Ok(response) => return Ok((response, version)),
                // The broker closed the idle connection just as the request came; it never left.
                Err(Unanswered { untouched: true, .. }) if !resent => resent = true,
                Err(Unanswered { error, .. }) => return Err(error),
            }
        }
    }

    /// A class that nobody else has: requests that wait at a broker for other members hold up nothing else.
    pub fn new_member_class(&self) -> TrafficClass {
        TrafficClass::Member(self.inner.shared.next_member.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a connection of its own for a driver: one attempt, after the wait that earlier failures of this broker demand.
    ///
    /// # Errors
    /// [`ErrorKind::NoBroker`] if the cluster has no such broker; otherwise what went wrong while connecting, negotiating
    /// or authenticating.
    ///
    /// # Cancel safety
    /// The attempt is given up when the future is dropped.
    pub async fn link(&self, node: NodeId, class: TrafficClass, deadline: Instant) -> Result<Link, Error> {
        self.check_open()?;
        let (peer, address) = self.resolve(&Target::Node(node), &BTreeSet::new(), deadline).await?;
        let mut phase = self.inner.phase.subscribe();
        tokio::select! {
            biased;
            link = self.inner.shared.connections.open(peer, address, class, deadline) => link,
            _ = phase.wait_for(|phase| *phase != Phase::Open) => Err(closed()),
        }
    }

    /// Waits until the client is closed: drivers with links of their own end then.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn closed(&self) {
        let mut phase = self.inner.phase.subscribe();
        // A phase whose sender is gone is a client that was dropped.
        let _gone = phase.wait_for(|phase| *phase != Phase::Open).await;
    }

    async fn resolve(
        &self,
        target: &Target,
        tried: &BTreeSet<Peer>,
        deadline: Instant,
    ) -> Result<(Peer, Address), Error> {
        let node = match target {
            Target::Any => return self.any(tried),
            Target::Node(node) => *node,
            Target::Controller => match self.snapshot().controller() {
                Some(node) => node,
                None => {
                    self.next_answer("no controller is known", deadline).await;
                    let none =
                        || Error::new(ErrorKind::NoBroker, "the cluster has no controller at the moment");
                    self.snapshot().controller().ok_or_else(none)?
                }
            },
            // Boxed, because finding a coordinator is itself a call.
            Target::Coordinator(kind, key) => Box::pin(self.coordinator(*kind, key, deadline)).await?,
        };
        let peer = Peer::Node(node);
        if self.inner.shared.address_of(peer).is_none() {
            self.next_answer("a broker is not known", deadline).await;
        }
        let address = self.inner.shared.address_of(peer).ok_or_else(|| unknown_broker(peer))?;
        Ok((peer, address))
    }

    fn any(&self, tried: &BTreeSet<Peer>) -> Result<(Peer, Address), Error> {
        let shared = &self.inner.shared;
        let peer = shared.connections.best(&self.candidates(), tried, shared.world.now());
        let found = peer.and_then(|peer| shared.address_of(peer).map(|address| (peer, address)));
        found.ok_or_else(|| Error::new(ErrorKind::NoBroker, "no broker is known"))
    }

    fn candidates(&self) -> Vec<Peer> {
        let snapshot = self.inner.shared.snapshot.load();
        let nodes: Vec<Peer> = snapshot.brokers().map(|broker| Peer::Node(broker.id)).collect();
        match nodes.is_empty() {
            true => (0..self.settings().bootstrap.len()).map(Peer::Bootstrap).collect(),
            false => nodes,
        }
    }

    fn others_left(&self, failed: Peer, tried: &mut BTreeSet<Peer>) -> bool {
        tried.insert(failed);
        self.candidates().iter().any(|peer| !tried.contains(peer))
    }

    /// Asks for metadata and waits for the next answer, or failure to get one.
    async fn next_answer(&self, reason: &'static str, deadline: Instant) {
        let mut watch = self.watch();
        self.refresh(reason);
        let _in_time = until(self.world(), deadline, watch.changed()).await;
    }

    fn check_open(&self) -> Result<(), Error> {
        if *self.inner.phase.borrow() == Phase::Open { Ok(()) } else { Err(closed()) }
    }

    /// Why the last attempt to get metadata failed, unless one has succeeded since.
    pub(crate) fn last_failure(&self) -> Option<Error> {
        self.inner.shared.machine().failures().last().map(|(_, _, error)| error.clone())
    }

    /// Failures since the last answer, per address: how often, and the last.
    pub(crate) fn failures(&self) -> Vec<(Address, u32, Error)> {
        let machine = self.inner.shared.machine();
        let failures = machine.failures().filter_map(|(peer, count, error)| {
            self.inner.shared.address_of(peer).map(|address| (address, count, error.clone()))
        });
        failures.collect()
    }

    /// Ends the tasks: first those that have nothing left to do, at `deadline` all of them. Says whether everything that was
    /// sent has been answered.
    pub(crate) async fn close(&self, deadline: Instant) -> bool {
        let inner = &self.inner;
        inner.phase.send_if_modified(|phase| {
            let first = *phase == Phase::Open;
            if first {
                *phase = Phase::Draining;
            }
            first
        });
        inner.shared.watchers.notify();
        let driver = inner.driver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let mut tasks: Vec<Task> = driver.into_iter().chain(inner.shared.connections.take_tasks()).collect();
        let drained = until(self.world(), deadline, join(&mut tasks)).await.is_some();
        inner.phase.send_replace(Phase::Closed);
        join(&mut tasks).await;
        drained
    }
}

/// Joins what is still running; a task that was joined before says so and is passed over.
async fn join(tasks: &mut [Task]) {
    for task in tasks {
        if let Err(error) = task.join().await {
            tracing::debug!(target: TARGET, task = task.name(), "{error}");
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("shared", &self.shared).finish_non_exhaustive()
    }
}

fn connection_options(settings: &CommonSettings) -> ConnectionOptions {
    let plain = match &settings.security {
        Security::SaslPlain { username, password } => {
            Some(Plain { username: username.clone(), password: password.reveal().to_owned() })
        }
        Security::Plaintext => None,
    };
    ConnectionOptions {
        client_id: Some(settings.client_id.clone()).filter(|id| !id.is_empty()),
        plain,
        max_frame_bytes: MAX_FRAME_BYTES,
        max_idle: settings.connections_max_idle,
    }
}

fn reconnect(settings: &CommonSettings) -> ReconnectOptions {
    ReconnectOptions { backoff: settings.reconnect_backoff, setup_timeout: settings.connection_setup_timeout }
}

fn metadata_options(settings: &CommonSettings) -> MetadataOptions {
    MetadataOptions {
        bootstrap: settings.bootstrap.len(),
        max_age: settings.metadata_max_age,
        backoff: settings.retry_backoff,
        rebootstrap: settings.metadata_recovery == MetadataRecovery::Rebootstrap,
        rebootstrap_trigger: settings.rebootstrap_trigger,
    }
}

/// The largest response that is read: Kafka's `socket.request.max.bytes`, the most that its own side of a connection takes.
const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;
