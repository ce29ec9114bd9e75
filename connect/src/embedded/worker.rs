//! The handle of the embedded worker: connectors by name, their progress, their end.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use courant_client::Kafka;
use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::moment_after;

use crate::api::{ConnectRecord, Flow, Sink, Source};
use crate::embedded::control::{Control, until};
use crate::embedded::crash_points::CrashPoints;
use crate::embedded::launch::{self, Launched, Launcher, Shared};
use crate::embedded::settings::{PropertyMap, WorkerSettings};
use crate::embedded::status::{ConnectorStatus, Progress, State};
use crate::embedded::transforms::{Transforms, factory};
use crate::error::{Error, ErrorKind, Result};

/// Runs connectors inside this process, on the connections that a [`Kafka`] shares.
///
/// Sources keep how far they have come in a compacted topic (`connect-offsets`), in the form that Java's workers read and
/// write; sinks are consumer groups named `connect-` and their own name. Both go on from there when they are started again,
/// in this process or another.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.jsonl"));
/// # std::fs::write(&input, "first\nsecond\n")?;
/// # let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("lines", 2).build()?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_connect::Worker;
/// use courant_connect::file::{JsonLinesSink, LineSource};
/// use std::time::Duration;
///
/// let worker = Worker::builder(&kafka)
///     .source::<LineSource>("in", [("file", input), ("topic", "lines")])
///     .sink::<JsonLinesSink>("out", [("file", output), ("topics", "lines")])
///     .start()
///     .await?;
/// let read = worker.caught_up("in").await?;
/// let ends = read.partitions.iter().filter_map(|(partition, at)| Some((partition.clone(), at.next?)));
/// let delivered = worker.delivered("out", ends).await?;
/// assert_eq!((read.written, delivered.written), (2, 2));
/// worker.stop(Duration::from_secs(10)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Stop it with [`Worker::stop`]: dropping it ends the tasks where they stand.
pub struct Worker {
    shared: Arc<Shared>,
    connectors: Mutex<BTreeMap<String, Connector>>,
    /// The names of connectors that are being made.
    starting: Mutex<BTreeSet<String>>,
}

struct Connector {
    launcher: Launcher,
    properties: PropertyMap,
    running: Launched,
}

/// The settings of a worker and the connectors that it starts with.
#[must_use = "call start()"]
pub struct WorkerBuilder {
    kafka: Kafka,
    properties: PropertyMap,
    transforms: Transforms,
    connectors: Vec<(String, Launcher, PropertyMap)>,
    crash_points: CrashPoints,
}

impl WorkerBuilder {
    /// Sets a property of the worker (`offset.storage.topic`, `offset.storage.partitions`,
    /// `offset.storage.replication.factor`, `offset.flush.interval.ms`, `offset.flush.timeout.ms`), or one that connectors
    /// have where they do not set it themselves (`value.converter`, `errors.tolerance`).
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.insert(name.into(), value.to_string());
        self
    }

    /// How often offsets are stored and sinks are flushed (`offset.flush.interval.ms`).
    pub fn flush_interval(self, interval: Duration) -> Self {
        self.set("offset.flush.interval.ms", interval.as_millis())
    }

    /// A transform of the application's own, for the connectors that name it in their property `transforms`. Each task has
    /// a clone of the closure.
    pub fn transform<F>(mut self, name: impl Into<String>, apply: F) -> Self
    where
        F: FnMut(ConnectRecord) -> Result<Flow<ConnectRecord>> + Clone + Send + Sync + 'static,
    {
        self.transforms.insert(name.into(), factory(apply));
        self
    }

    /// Adds a source.
    pub fn source<S: Source>(
        mut self,
        name: impl Into<String>,
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        self.connectors.push((name.into(), launch::source::<S>(), collect(properties)));
        self
    }

    /// Adds a sink.
    pub fn sink<S: Sink>(
        mut self,
        name: impl Into<String>,
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        self.connectors.push((name.into(), launch::sink::<S>(), collect(properties)));
        self
    }

    /// What is done at the places where a crash hurts most.
    #[cfg(feature = "harness")]
    pub(crate) fn crash_points(mut self, crash_points: CrashPoints) -> Self {
        self.crash_points = crash_points;
        self
    }

    /// Lets the simulation crash the worker's host at the places where it hurts most: `source-read`, `source-sent`,
    /// `source-acknowledged`, `source-stored`, `sink-read`, `sink-written`, `sink-flushed`, `sink-committed`.
    #[cfg(feature = "harness")]
    pub fn simulated(self, sim: &courant_sim::Sim) -> Self {
        let sim = sim.clone();
        self.crash_points(CrashPoints::new(Arc::new(move |point| {
            let sim = sim.clone();
            Box::pin(async move { sim.crash_point(point).await })
        })))
    }

    /// Starts the connectors, one after the other. It returns once all are made and their tasks run.
    ///
    /// # Errors
    /// The first connector that could not be made, with the property that is wrong; those before it are stopped again.
    ///
    /// # Cancel safety
    /// When the future is dropped, what was started ends.
    pub async fn start(self) -> Result<Worker> {
        let (settings, defaults) = WorkerSettings::read(&self.properties)?;
        let Self { kafka, transforms, connectors, crash_points, .. } = self;
        let offsets = Default::default();
        let shared = Shared { kafka, settings, defaults, transforms, offsets, crash_points };
        let worker =
            Worker { shared: Arc::new(shared), connectors: Mutex::default(), starting: Mutex::default() };
        for (name, launcher, properties) in connectors {
            if let Err(error) = worker.launch(name, launcher, properties).await {
                worker.stop(worker.shared.settings.flush_timeout).await.ok();
                return Err(error);
            }
        }
        Ok(worker)
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.connectors.iter().map(|(name, _, _)| name).collect();
        f.debug_struct("WorkerBuilder").field("connectors", &names).finish_non_exhaustive()
    }
}

/// Connectors.
impl Worker {
    /// Starts the settings of a worker.
    pub fn builder(kafka: &Kafka) -> WorkerBuilder {
        WorkerBuilder {
            kafka: kafka.clone(),
            properties: PropertyMap::new(),
            transforms: Transforms::new(),
            connectors: Vec::new(),
            crash_points: CrashPoints::default(),
        }
    }

    /// Starts one more source.
    ///
    /// # Errors
    /// It could not be made, or there is a connector of this name.
    ///
    /// # Cancel safety
    /// When the future is dropped, the connector is not started.
    pub async fn start_source<S: Source>(
        &self,
        name: impl Into<String>,
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<()> {
        self.launch(name.into(), launch::source::<S>(), collect(properties)).await
    }

    /// Starts one more sink.
    ///
    /// # Errors
    /// It could not be made, or there is a connector of this name.
    ///
    /// # Cancel safety
    /// When the future is dropped, the connector is not started.
    pub async fn start_sink<S: Sink>(
        &self,
        name: impl Into<String>,
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<()> {
        self.launch(name.into(), launch::sink::<S>(), collect(properties)).await
    }

    async fn launch(&self, name: String, launcher: Launcher, properties: PropertyMap) -> Result<()> {
        let name = name.trim();
        let starting = Starting::reserve(self, name)?;
        if self.connectors().contains_key(name) {
            return Err(name_is_taken(name));
        }
        self.launch_reserved(starting, launcher, properties).await
    }

    async fn launch_reserved(
        &self,
        starting: Starting<'_>,
        launcher: Launcher,
        properties: PropertyMap,
    ) -> Result<()> {
        let name = starting.name.clone();
        let running = launcher(Arc::clone(&self.shared), name.clone(), properties.clone()).await?;
        self.connectors().insert(name, Connector { launcher, properties, running });
        Ok(())
    }

    /// Ends a connector and starts it again from what is stored; a failed one, say.
    ///
    /// # Errors
    /// There is no such connector, or it could not be made again.
    ///
    /// # Cancel safety
    /// When the future is dropped, the connector may be gone.
    pub async fn restart(&self, name: &str, timeout: Duration) -> Result<()> {
        let starting = Starting::reserve(self, name)?;
        let connector = self.connectors().remove(name).ok_or_else(|| unknown(name))?;
        let Connector { launcher, properties, running } = connector;
        self.end(vec![running], timeout).await.ok();
        self.launch_reserved(starting, launcher, properties).await
    }

    /// Holds a connector still; its tasks keep what they have. [`ConnectorStatus::state`] says when they stand.
    ///
    /// # Errors
    /// There is no such connector.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.tell(name, |control| control.paused = true)
    }

    /// Lets a paused connector go on.
    ///
    /// # Errors
    /// There is no such connector.
    pub fn resume(&self, name: &str) -> Result<()> {
        self.tell(name, |control| control.paused = false)
    }

    /// Stores offsets, or flushes the sink, without waiting for the interval to pass.
    ///
    /// # Errors
    /// There is no such connector.
    pub fn flush(&self, name: &str) -> Result<()> {
        self.tell(name, |control| control.flushes += 1)
    }

    fn tell(&self, name: &str, change: impl FnOnce(&mut Control)) -> Result<()> {
        let connectors = self.connectors();
        let connector = connectors.get(name).ok_or_else(|| unknown(name))?;
        connector.running.control.send_if_modified(|control| {
            change(control);
            true
        });
        Ok(())
    }

    fn connectors(&self) -> MutexGuard<'_, BTreeMap<String, Connector>> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starting(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Progress.
impl Worker {
    /// How a connector stands.
    pub fn status(&self, name: &str) -> Option<ConnectorStatus> {
        self.connectors().get(name).map(|connector| connector.running.status.borrow().clone())
    }

    /// How all connectors stand, by name.
    pub fn statuses(&self) -> Vec<ConnectorStatus> {
        self.connectors().values().map(|connector| connector.running.status.borrow().clone()).collect()
    }

    /// Waits until a connector has caught up: the input of a source has ended for now, everything of it is safe in Kafka
    /// and its offsets are stored; everything that a sink was given is durable and committed.
    ///
    /// # Errors
    /// There is no such connector, a task of it has failed, or it was stopped.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn caught_up(&self, name: &str) -> Result<Progress> {
        self.wait_for(name, |status| status.progress().caught_up).await
    }

    /// Waits until a sink has delivered everything before these offsets: it is durable, and committed.
    ///
    /// # Errors
    /// There is no such connector, a task of it has failed, or it was stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, nobody waits any more; the sink goes on committing early up to these offsets.
    pub async fn delivered<P: Into<TopicPartition>, O: Into<Offset>>(
        &self,
        name: &str,
        ends: impl IntoIterator<Item = (P, O)>,
    ) -> Result<Progress> {
        let ends: BTreeMap<TopicPartition, Offset> =
            ends.into_iter().map(|(partition, end)| (partition.into(), end.into())).collect();
        self.tell(name, |control| control.wanted.extend(ends.clone()))?;
        let reached = |status: &ConnectorStatus| {
            ends.iter().all(|(partition, end)| {
                let committed = |progress: &Progress| progress.partitions.get(partition)?.committed;
                status.tasks.iter().any(|task| committed(&task.progress).is_some_and(|at| at >= *end))
            })
        };
        self.wait_for(name, reached).await
    }

    async fn wait_for(
        &self,
        name: &str,
        mut reached: impl FnMut(&ConnectorStatus) -> bool,
    ) -> Result<Progress> {
        let mut status = {
            let connectors = self.connectors();
            connectors.get(name).ok_or_else(|| unknown(name))?.running.status.subscribe()
        };
        let over = |status: &ConnectorStatus| matches!(status.state(), State::Failed | State::Stopped);
        let now = status.wait_for(|status| reached(status) || over(status)).await;
        let Ok(now) = now else { return Err(stopped(name)) };
        match now.error() {
            Some(error) => Err(error.clone()),
            None if !reached(&now) => Err(stopped(name)),
            None => Ok(now.progress()),
        }
    }
}

/// The end.
impl Worker {
    /// Ends one connector: what it has read is sent and its offsets are stored, what it was given is flushed and committed,
    /// as far as `timeout` allows. Gives how far it came.
    ///
    /// # Errors
    /// There is no such connector, it had failed, or it did not end in time.
    ///
    /// # Cancel safety
    /// When the future is dropped, the connector goes on ending in the background.
    pub async fn stop_connector(&self, name: &str, timeout: Duration) -> Result<Progress> {
        let connector = self.connectors().remove(name).ok_or_else(|| unknown(name))?;
        let status = connector.running.status.subscribe();
        self.end(vec![connector.running], timeout).await?;
        Ok(status.borrow().progress())
    }

    /// Ends all connectors at the same time, as [`Worker::stop_connector`] does; `timeout` is for all of them together.
    ///
    /// # Errors
    /// The first connector that had failed, or did not end in time.
    ///
    /// # Cancel safety
    /// When the future is dropped, the connectors go on ending in the background.
    pub async fn stop(&self, timeout: Duration) -> Result<()> {
        let connectors = std::mem::take(&mut *self.connectors());
        self.end(connectors.into_values().map(|connector| connector.running).collect(), timeout).await
    }

    async fn end(&self, connectors: Vec<Launched>, timeout: Duration) -> Result<()> {
        let world = self.shared.kafka.world();
        let deadline = moment_after(world.now(), timeout);
        for connector in &connectors {
            connector.control.send_if_modified(|control| control.stop_by.replace(deadline).is_none());
        }
        let mut ended = Ok(());
        for connector in connectors {
            ended = ended.and(self.join(connector, deadline).await);
        }
        ended
    }

    async fn join(&self, mut connector: Launched, deadline: Instant) -> Result<()> {
        let world = self.shared.kafka.world();
        let mut late = Vec::new();
        for (number, task) in connector.tasks.iter_mut().enumerate() {
            // A task that looks at the clock needs a moment after it to say so.
            if until(world, deadline + GRACE, task.join()).await.is_none() {
                task.abort();
                late.push(number.to_string());
            }
        }
        let status = connector.status.borrow().clone();
        match status.error() {
            Some(error) => Err(error.clone()),
            None if late.is_empty() => Ok(()),
            None => {
                let what = format!("tasks {} of `{}` did not end in time", late.join(", "), status.name);
                Err(Error::new(ErrorKind::Timeout, what))
            }
        }
    }
}

/// Keeps a name for the connector that is being made, as long as it lives.
struct Starting<'a> {
    worker: &'a Worker,
    name: String,
}

impl<'a> Starting<'a> {
    fn reserve(worker: &'a Worker, name: &str) -> Result<Self> {
        match worker.starting().insert(name.to_owned()) {
            true => Ok(Self { worker, name: name.to_owned() }),
            false => Err(name_is_taken(name)),
        }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.worker.starting().remove(&self.name);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.connectors().keys().cloned().collect();
        f.debug_struct("Worker").field("connectors", &names).finish_non_exhaustive()
    }
}

fn collect(properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> PropertyMap {
    properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn name_is_taken(name: &str) -> Error {
    let error = Error::config(format!("there is a connector `{name}` already"));
    error.hinting("stop it first, or call this one differently")
}

fn unknown(name: &str) -> Error {
    Error::config(format!("there is no connector `{name}`"))
}

fn stopped(name: &str) -> Error {
    Error::new(ErrorKind::Stopped, format!("connector `{name}` was stopped"))
}

/// How long after the deadline a task may take to notice it.
const GRACE: Duration = Duration::from_millis(200);
