//! The settings of a test driver.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::config::Properties;
use courant_sim::Sim;

use super::driver::TestDriver;
use super::error::TestError;
use crate::runtime::StreamsAppBuilder;
use crate::topology::Topology;

/// What a test wants of its application beyond properties.
pub(super) type Configure = Arc<dyn Fn(StreamsAppBuilder) -> StreamsAppBuilder>;

/// Settings for a [`TestDriver`]; made by [`TestDriver::builder`].
#[must_use = "call start()"]
pub struct TestDriverBuilder {
    pub(super) topology: Topology,
    pub(super) application_id: String,
    pub(super) partitions: usize,
    pub(super) topics: BTreeMap<String, usize>,
    pub(super) instances: usize,
    pub(super) brokers: usize,
    pub(super) seed: u64,
    pub(super) properties: Properties,
    pub(super) configure: Option<Configure>,
}

impl TestDriverBuilder {
    pub(super) fn new(topology: Topology) -> Self {
        Self {
            topology,
            application_id: "test".to_owned(),
            partitions: 1,
            topics: BTreeMap::new(),
            instances: 1,
            brokers: 1,
            seed: 0,
            properties: Properties::new(),
            configure: None,
        }
    }

    /// The application's id, with which its internal topics' names begin; `test` if not given.
    pub fn application_id(mut self, id: impl Into<String>) -> Self {
        self.application_id = id.into();
        self
    }

    /// How many partitions the topics have that the topology reads and writes; one if not given.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions.max(1);
        self
    }

    /// Gives one topic another number of partitions.
    pub fn topic(mut self, name: impl Into<String>, partitions: usize) -> Self {
        self.topics.insert(name.into(), partitions.max(1));
        self
    }

    /// How many instances of the application there are, each a process of its own; one if not given.
    pub fn instances(mut self, instances: usize) -> Self {
        self.instances = instances.max(1);
        self
    }

    /// How many brokers there are; one if not given.
    pub fn brokers(mut self, brokers: usize) -> Self {
        self.brokers = brokers.max(1);
        self
    }

    /// What every random choice of the run follows from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets a property of the application; see [`STREAMS`](crate::STREAMS).
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Changes the settings of each instance before it starts: error handlers, say.
    pub fn configure(mut self, configure: impl Fn(StreamsAppBuilder) -> StreamsAppBuilder + 'static) -> Self {
        self.configure = Some(Arc::new(configure));
        self
    }

    /// Creates the topics and starts the instances.
    ///
    /// # Errors
    /// What keeps the application from starting.
    pub fn start(self) -> Result<TestDriver, TestError> {
        let sim = Sim::new(self.seed).limit(STEP_LIMIT);
        let cluster = MockCluster::builder()
            .brokers(self.brokers)
            // Test records are years old, and brokers retain by the time of the record: they never look.
            .config("log.initial.task.delay.ms", "9223372036854775807")
            .world(sim.world("brokers"))
            .build();
        let cluster = cluster.map_err(|error| TestError::because(self.seed, "the cluster", error))?;
        sim.serve(cluster.transport());
        for topic in self.outside_topics() {
            let partitions = self.topics.get(&topic).copied().unwrap_or(self.partitions);
            let created = cluster.create_topic(&topic, partitions);
            created.map_err(|error| TestError::because(self.seed, "the topic", error))?;
        }
        TestDriver::start(self, sim, cluster)
    }

    /// The topics that the topology reads and writes, without its internal ones.
    fn outside_topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = self.topics.keys().cloned().collect();
        for of in self.topology.sub_topologies() {
            let read = of.sources.iter().filter(|source| !source.internal).map(|source| &source.name);
            let written = of.sinks.iter().filter(|sink| !sink.internal).map(|sink| &sink.name);
            topics.extend(read.chain(written).cloned());
        }
        topics.extend(self.properties.value("errors.dead.letter.queue.topic.name").map(str::to_owned));
        topics.sort();
        topics.dedup();
        topics
    }
}

impl fmt::Debug for TestDriverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDriverBuilder").field("topology", &self.topology).finish_non_exhaustive()
    }
}

/// The longest that one step of a test may take, in virtual time.
const STEP_LIMIT: Duration = Duration::from_secs(3600);
