//! `Kafka`: the handle that an application opens once and shares.
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use courant_runtime::{World, moment_after};

use crate::cluster::Cluster;
use crate::config::{COMMON, CommonSettings, ConfigError, Properties};
use crate::connection::until;
use crate::error::{Error, ErrorKind, Seconds};
use crate::log::TARGET;

/// A connection to a Kafka cluster: shared sockets and metadata for the producers, consumers and admin clients of a program.
///
/// Cloning it is cheap and shares everything. When the last clone, and the last client built on it, is dropped, its
/// connections end in the background; [`Kafka::close`] waits for that.
///
/// ```
/// use courant_client::Kafka;
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).build()?; mock.listen(0).await?; let bootstrap = mock.bootstrap();
/// let kafka = Kafka::connect(bootstrap).await?;
/// println!("connected to cluster {:?}", kafka.cluster_id());
/// let for_another_task = kafka.clone(); // the same connections
/// # drop(for_another_task);
/// kafka.close(Duration::from_secs(5)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Kafka {
    cluster: Cluster,
}

impl Kafka {
    /// Connects to the cluster that `bootstrap` (`host:port`, several separated by commas) belongs to.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a malformed address, [`ErrorKind::NoBroker`] if nobody answers; see
    /// [`KafkaBuilder::connect`].
    ///
    /// # Cancel safety
    /// Everything that was begun ends when the future is dropped.
    pub async fn connect(bootstrap: impl Into<String>) -> Result<Self, Error> {
        Self::builder().bootstrap(bootstrap).connect().await
    }

    /// Starts a connection with settings of its own.
    pub fn builder() -> KafkaBuilder {
        KafkaBuilder::default()
    }

    /// The id of the cluster.
    pub fn cluster_id(&self) -> Option<String> {
        self.cluster.snapshot().cluster_id().map(str::to_owned)
    }

    /// Ends all connections: what was sent is still answered, up to `timeout`; nothing new is taken.
    ///
    /// Producers and consumers built on this are closed by their own `close`, before this one.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if something that was sent had no answer in time; the connections are ended nevertheless.
    ///
    /// # Cancel safety
    /// When the future is dropped the connections end by themselves, without anybody waiting for it.
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        let now = self.world().now();
        let deadline = moment_after(now, timeout);
        if self.cluster.close(deadline).await {
            return Ok(());
        }
        let what = format!("requests were still without an answer after {}", Seconds(timeout));
        Err(Error::new(ErrorKind::Timeout, what).maybe_written(true).hinting("give close() more time"))
    }
}

/// The seam for the crates that build clients; not for applications.
#[doc(hidden)]
impl Kafka {
    pub fn world(&self) -> &World {
        self.cluster.world()
    }

    pub fn settings(&self) -> &CommonSettings {
        self.cluster.settings()
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// Settings for a [`Kafka`], by Kafka's property names or by methods.
///
/// ```
/// use courant_client::Kafka;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().user("alice", "secret").build()?;
/// let kafka = Kafka::builder()
///     .bootstrap(mock.bootstrap())
///     .client_id("billing")
///     .sasl_plain("alice", "secret")
///     .set("request.timeout.ms", 5_000)
///     .world(mock.world()) // in the process; left out, it is TCP
///     .connect()
///     .await?;
/// # drop(kafka);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "call connect()"]
pub struct KafkaBuilder {
    properties: Properties,
    world: Option<World>,
    connect_timeout: Option<Duration>,
    failed: Option<Error>,
}

impl KafkaBuilder {
    /// `bootstrap.servers`: one or more `host:port`, separated by commas.
    pub fn bootstrap(self, servers: impl Into<String>) -> Self {
        self.set("bootstrap.servers", servers.into())
    }

    /// `client.id`: what brokers call this client in their logs and quotas.
    pub fn client_id(self, id: impl Into<String>) -> Self {
        self.set("client.id", id.into())
    }

    /// Sets a property by Kafka's name; [`Self::connect`] says if there is no such one.
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Takes over properties, on top of those set before. Those of other clients are passed over if they came from a file.
    pub fn properties(mut self, properties: &Properties) -> Self {
        self.properties.merge(properties);
        self
    }

    /// Takes over a map of properties, on top of those set before.
    pub fn property_map(mut self, map: &BTreeMap<String, String>) -> Self {
        for (name, value) in map {
            self.properties.set(name.clone(), value);
        }
        self
    }

    /// Takes over a `.properties` file, on top of those set before; [`Self::connect`] says if it cannot be read.
    pub fn properties_file(mut self, path: impl AsRef<Path>) -> Self {
        match Properties::read(path) {
            Ok(properties) => {
                self.properties.merge(&properties);
            }
            Err(error) => self.failed = Some(Error::from(error)),
        }
        self
    }

    /// Authenticates with SASL PLAIN.
    pub fn sasl_plain(mut self, username: &str, password: &str) -> Self {
        self.properties.set_sasl_plain(username, password);
        self
    }

    /// The world to run in; TCP and real time if none is given.
    pub fn world(mut self, world: World) -> Self {
        self.world = Some(world);
        self
    }

    /// How long [`Self::connect`] looks for a broker that answers: 10 s for each bootstrap address, at most 30 s, if not
    /// given.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Connects, and verifies that one broker answers.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`]: a property is misspelt (the nearest name is suggested), out of range, or refused.
    /// - [`ErrorKind::NoBroker`]: nobody answered in time; the text lists the addresses, attempts and reasons.
    /// - [`ErrorKind::NotKafka`], [`ErrorKind::Authentication`]: somebody answered, and trying again would not help.
    ///
    /// # Cancel safety
    /// Everything that was begun ends when the future is dropped.
    pub async fn connect(self) -> Result<Kafka, Error> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let settings = self.properties.check(&[&COMMON])?;
        for (property, reason) in settings.without_effect() {
            tracing::info!(target: TARGET, property, reason, "the property has no effect");
        }
        let settings = CommonSettings::read(&settings)?;
        let world = self.world.unwrap_or_else(World::tokio);
        let timeout = self.connect_timeout.unwrap_or_else(|| default_timeout(settings.bootstrap.len()));
        let started = world.now();
        let deadline = moment_after(started, timeout);
        let cluster = Cluster::start(world, settings);
        match first_answer(&cluster, started, deadline).await {
            Ok(()) => Ok(Kafka { cluster }),
            Err(error) => {
                cluster.close(started).await;
                Err(error)
            }
        }
    }
}

impl fmt::Debug for KafkaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaBuilder").field("properties", &self.properties).finish_non_exhaustive()
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let text = error.to_string();
        match error.hint() {
            Some(hint) => {
                let what = text.strip_suffix(hint).map_or(&*text, |text| text.trim_end_matches("; "));
                Self::new(ErrorKind::Config, what).hinting(hint)
            }
            None => Self::new(ErrorKind::Config, text),
        }
    }
}

async fn first_answer(cluster: &Cluster, started: Instant, deadline: Instant) -> Result<(), Error> {
    let mut watch = cluster.watch();
    loop {
        if cluster.snapshot().version() > 0 {
            return Ok(());
        }
        let failures = cluster.failures();
        let hopeless = failures.iter().all(|(_, _, error)| !error.is_retriable());
        if hopeless && failures.len() == cluster.settings().bootstrap.len() {
            let error = failures.into_iter().next_back().map(|(_, _, error)| error);
            return Err(error.unwrap_or_else(|| Error::new(ErrorKind::NoBroker, "no bootstrap address")));
        }
        if until(cluster.world(), deadline, watch.changed()).await.is_none() {
            let elapsed = cluster.world().now().saturating_duration_since(started);
            return Err(nobody(cluster, elapsed));
        }
    }
}

fn nobody(cluster: &Cluster, elapsed: Duration) -> Error {
    let failures = cluster.failures();
    let tried = |address: &_| failures.iter().find(|(failed, _, _)| failed == address);
    let addresses = cluster.settings().bootstrap.iter().map(|address| match tried(address) {
        Some((_, 1, error)) => format!("{address} (1 attempt: {})", error.brief()),
        Some((_, attempts, error)) => format!("{address} ({attempts} attempts, last: {})", error.brief()),
        None => format!("{address} (no answer yet)"),
    });
    let list = addresses.collect::<Vec<_>>().join(", ");
    let what = format!("no broker answered within {}: {list}", Seconds(elapsed));
    // What was noticed about an address says more than the general advice.
    let hint = failures.iter().find_map(|(_, _, error)| error.hint());
    Error::new(ErrorKind::NoBroker, what)
        .hinting(hint.unwrap_or("is a broker running there? (bootstrap.servers)"))
}

fn default_timeout(addresses: usize) -> Duration {
    Duration::from_secs(10).saturating_mul(u32::try_from(addresses.clamp(1, 3)).unwrap_or(3))
}
