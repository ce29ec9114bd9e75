//! What a cluster is built from.
use std::collections::BTreeMap;
use std::fmt;

use courant_runtime::World;

use crate::cluster::{Machine, Spec, check_topic_name};
use crate::config::{BrokerConfig, ConfigError, TopicConfig};
use crate::mock_cluster::MockCluster;

/// Why a cluster cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A broker property is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// There must be a broker, and no more than a thousand.
    #[error("{0} brokers cannot be: 1 to 1000")]
    Brokers(usize),
    /// A topic cannot be created.
    #[error("topic `{topic}`: {reason}")]
    Topic {
        /// The topic's name.
        topic: String,
        /// Why not.
        reason: String,
    },
}

/// A topic that is there from the start.
#[derive(Clone, Debug)]
struct Seeded {
    name: String,
    partitions: usize,
    replication_factor: Option<usize>,
    configs: Vec<(String, String)>,
}

/// Builds a [`MockCluster`].
///
/// ```
/// use courant_broker_mock::MockCluster;
///
/// let cluster = MockCluster::builder()
///     .brokers(3)
///     .racks(["a", "b", "c"])
///     .topic("orders", 6)
///     .topic_with("changelog", 2, Some(3), [("cleanup.policy", "compact")])
///     .config("message.max.bytes", "2000000")
///     .user("alice", "secret")
///     .seed(7)
///     .build()?;
/// assert_eq!(cluster.partition_count("changelog"), Some(2));
/// assert!(MockCluster::builder().config("num.partition", "1").build().is_err());
/// # Ok::<(), courant_broker_mock::BuildError>(())
/// ```
#[must_use = "a cluster is built by build()"]
pub struct MockClusterBuilder {
    brokers: usize,
    racks: Vec<String>,
    topics: Vec<Seeded>,
    configs: Vec<(String, String)>,
    users: BTreeMap<String, String>,
    seed: u64,
    request_log_limit: usize,
    world: Option<World>,
}

/// How many requests are kept unless the builder says otherwise.
const REQUEST_LOG_LIMIT: usize = 10_000;
/// The most brokers of a cluster.
const MAX_BROKERS: usize = 1000;

impl MockClusterBuilder {
    pub(crate) fn new() -> Self {
        Self {
            brokers: 1,
            racks: Vec::new(),
            topics: Vec::new(),
            configs: Vec::new(),
            users: BTreeMap::new(),
            seed: 0,
            request_log_limit: REQUEST_LOG_LIMIT,
            world: None,
        }
    }

    /// How many brokers there are; their ids are 1, 2, 3 and so on. One unless said otherwise.
    pub fn brokers(mut self, brokers: usize) -> Self {
        self.brokers = brokers;
        self
    }

    /// The racks of the brokers, in their order. With `replica.selector.class` set to Kafka's `RackAwareReplicaSelector` readers
    /// are sent to a replica of their own (KIP-392).
    pub fn racks<S: Into<String>>(mut self, racks: impl IntoIterator<Item = S>) -> Self {
        self.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// A topic that is there from the start, with `default.replication.factor` replicas.
    pub fn topic(self, name: impl Into<String>, partitions: usize) -> Self {
        self.topic_with(name, partitions, None, [] as [(&str, &str); 0])
    }

    /// A topic with a replication factor and topic configs.
    pub fn topic_with<K: Into<String>, V: Into<String>>(
        mut self,
        name: impl Into<String>,
        partitions: usize,
        replication_factor: Option<usize>,
        configs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let configs = configs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.topics.push(Seeded { name: name.into(), partitions, replication_factor, configs });
        self
    }

    /// A broker property under Kafka's name.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }

    /// A user of SASL PLAIN. With one, nobody is served without authentication.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.insert(name.into(), password.into());
        self
    }

    /// What ids are drawn from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many requests the log keeps, 10,000 unless said otherwise; 0 keeps none.
    pub fn request_log(mut self, limit: usize) -> Self {
        self.request_log_limit = limit;
        self
    }

    /// The world whose clock the brokers live by, and in which they spawn; tokio's unless said otherwise.
    pub fn world(mut self, world: World) -> Self {
        self.world = Some(world);
        self
    }

    /// Builds the cluster.
    ///
    /// # Errors
    /// [`BuildError`] names the property or topic that is wrong.
    pub fn build(self) -> Result<MockCluster, BuildError> {
        if !(1..=MAX_BROKERS).contains(&self.brokers) {
            return Err(BuildError::Brokers(self.brokers));
        }
        let mut config = BrokerConfig::default();
        for (name, value) in &self.configs {
            config.set(name, value)?;
        }
        let mut machine = Machine::new(&Spec {
            brokers: i32::try_from(self.brokers).unwrap_or(1),
            racks: self.racks,
            config,
            users: self.users,
            seed: self.seed,
            request_log_limit: self.request_log_limit,
        });
        for topic in &self.topics {
            seed(&mut machine, topic)
                .map_err(|reason| BuildError::Topic { topic: topic.name.clone(), reason })?;
        }
        Ok(MockCluster::start(self.world.unwrap_or_else(World::tokio), machine))
    }
}

fn seed(machine: &mut Machine, topic: &Seeded) -> Result<(), String> {
    check_topic_name(&topic.name)?;
    let cluster = &mut machine.cluster;
    if cluster.topic(&topic.name).is_some() {
        return Err("it is there twice".to_owned());
    }
    if topic.partitions == 0 {
        return Err("it needs a partition".to_owned());
    }
    let mut config = TopicConfig::default();
    for (name, value) in &topic.configs {
        config.set(name, Some(value))?;
    }
    let factor =
        topic.replication_factor.unwrap_or_else(|| cluster.config.count("default.replication.factor"));
    if !(1..=cluster.brokers.len()).contains(&factor) {
        return Err(format!(
            "replication factor {factor} cannot be reached with {} brokers",
            cluster.brokers.len()
        ));
    }
    let replicas = cluster.place(topic.partitions, factor);
    cluster.create_topic(&topic.name, replicas, config);
    Ok(())
}

impl fmt::Debug for MockClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockClusterBuilder").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}
