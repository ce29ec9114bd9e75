//! The driver: instances of an application, brokers, and a test that looks at both.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_client::codec::{Codec, CodecContext};
use courant_producer::{Producer, Record};
use courant_protocol::types::UnixMillis;
use courant_runtime::Rng;
use courant_sim::{LinkFaults, Session, Sim};

use super::builder::TestDriverBuilder;
use super::error::TestError;
use super::records::records;
use super::topics::{KeyAndValue, TestInput, TestOutput, TestRecord};
use crate::runtime::{Error, State, StreamsApp};
use crate::topology::{Topology, changelog_topic};

/// Runs an application for a test: the real one, on an in-memory cluster, in virtual time.
///
/// It is called from an ordinary test function, one without a runtime. Between two calls nothing happens; [`Self::drain`],
/// [`Self::store`] and [`Self::settle`] let the application process whatever there is.
///
/// ```
/// use courant_streams::codec::{I64Be, Utf8};
/// use courant_streams::{Grouped, Store, StreamsBuilder, TestDriver};
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, String>("lines", (Utf8, Utf8))
///     .flat_map_values(|_, line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
///     .group_by(Grouped::named("words"), (Utf8, Utf8), |_, word: &String| word.clone())
///     .count(Store::named("counts", (Utf8, I64Be)))
///     .to_stream()
///     .to("counts", (Utf8, I64Be));
///
/// let mut driver = TestDriver::builder(builder.build()?).partitions(4).instances(2).seed(7).start()?;
/// let (lines, counts) = (driver.input("lines", (Utf8, Utf8)), driver.output("counts", (Utf8, I64Be)));
/// driver.send(&lines, "k", "to be or not to be", 0)?;
/// assert_eq!(driver.drain(&counts)?.len(), 6);
/// driver.crash_and_recover()?;
/// driver.send(&lines, "k", "be", 1)?;
/// let last = driver.drain(&counts)?.pop().ok_or("a count")?;
/// assert_eq!((last.key.as_deref(), last.value), (Some("be"), Some(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestDriver {
    session: Session,
    sim: Sim,
    cluster: MockCluster,
    settings: TestDriverBuilder,
    /// By their numbers; one that is stopped has no entry.
    instances: BTreeMap<usize, Instance>,
    producer: Producer,
    rng: Rng,
    /// How far each output was drained.
    drained: BTreeMap<(String, i32), i64>,
}

/// A running instance, and the connection that it lives from.
struct Instance {
    app: StreamsApp,
    _kafka: Kafka,
}

/// The beginning and the end.
impl TestDriver {
    /// A driver with one instance, one broker, and one partition for each topic.
    ///
    /// # Errors
    /// What keeps the application from starting.
    pub fn new(topology: Topology) -> Result<Self, TestError> {
        Self::builder(topology).start()
    }

    /// Starts the settings of a driver.
    pub fn builder(topology: Topology) -> TestDriverBuilder {
        TestDriverBuilder::new(topology)
    }

    pub(super) fn start(
        settings: TestDriverBuilder,
        sim: Sim,
        cluster: MockCluster,
    ) -> Result<Self, TestError> {
        let session = sim.open()?;
        let seed = sim.seed();
        let (world, bootstrap) = (sim.world("test"), cluster.bootstrap());
        let producer = session.run(async {
            let kafka = Kafka::builder().bootstrap(bootstrap).world(world).connect().await?;
            Producer::builder(&kafka).linger(Duration::ZERO).start().await
        })?;
        let producer = producer.map_err(|error| TestError::because(seed, "the test's producer", error))?;
        let rng = sim.rng("test driver");
        let instances = BTreeMap::new();
        let mut driver =
            Self { session, sim, cluster, settings, instances, producer, rng, drained: BTreeMap::new() };
        for number in 0..driver.settings.instances {
            driver.start_instance(number)?;
        }
        // Links take a moment, so that a crash finds records on their way.
        driver.sim.faults(LinkFaults::slow(LINK_DELAY));
        Ok(driver)
    }

    /// Starts an instance that does not run: one that was stopped, or one more.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn start_instance(&mut self, number: usize) -> Result<(), TestError> {
        let (world, bootstrap) = (self.sim.world(&host(number)), self.cluster.bootstrap());
        let Self { settings, session, .. } = self;
        let started = session.run(async {
            let kafka = Kafka::builder().bootstrap(bootstrap).world(world).connect().await?;
            let mut builder =
                StreamsApp::builder(&settings.application_id, &kafka).properties(&settings.properties);
            if let Some(configure) = &settings.configure {
                builder = configure(builder);
            }
            let app = builder.start(settings.topology.clone()).await?;
            Ok::<_, Error>(Instance { app, _kafka: kafka })
        })?;
        let instance = started.map_err(|error| self.failed("the application does not start", error))?;
        self.instances.insert(number, instance);
        Ok(())
    }

    /// Ends an instance in good order: it commits and leaves its group.
    ///
    /// # Errors
    /// Why it failed, if it did.
    pub fn stop_instance(&mut self, number: usize) -> Result<(), TestError> {
        let Some(Instance { app, _kafka }) = self.instances.remove(&number) else { return Ok(()) };
        let closed = self.session.run(async move { app.close(CLOSE_TIMEOUT).await })?;
        closed.map_err(|error| self.failed("the application does not end", error))
    }

    /// Kills an instance as a power failure would: what it had in memory is gone, and nobody says farewell.
    ///
    /// # Errors
    /// The simulation failed.
    pub fn crash_instance(&mut self, number: usize) -> Result<(), TestError> {
        let Some(instance) = self.instances.remove(&number) else { return Ok(()) };
        self.sim.host(&host(number)).crash();
        self.session.run(async move { drop(instance) })?;
        Ok(())
    }

    /// Crashes an instance, which one and when is the seed's choice: somewhere between here and some fetches, records and
    /// commits later. Then it starts again.
    ///
    /// # Errors
    /// It does not start again.
    pub fn crash_and_recover(&mut self) -> Result<(), TestError> {
        let running: Vec<usize> = self.instances.keys().copied().collect();
        let which = usize::try_from(self.rng.below(running.len().max(1) as u64)).unwrap_or(0);
        let Some(number) = running.get(which).copied() else { return Ok(()) };
        let before = self.rng.duration(Duration::ZERO, CRASH_WITHIN);
        self.advance(before)?;
        self.crash_instance(number)?;
        self.sim.host(&host(number)).restart();
        self.start_instance(number)
    }

    /// Lets time pass, and whatever happens in it.
    ///
    /// # Errors
    /// The simulation failed.
    pub fn advance(&mut self, time: Duration) -> Result<(), TestError> {
        Ok(self.session.run(async move { tokio::time::sleep(time).await })?)
    }
}

/// Records in and out.
impl TestDriver {
    /// A topic to write to.
    pub fn input<K, V, KC: Codec<K>, VC: Codec<V>>(
        &self,
        topic: &str,
        codecs: (KC, VC),
    ) -> TestInput<K, V, KC, VC> {
        TestInput::new(topic.to_owned(), codecs)
    }

    /// A topic to read.
    pub fn output<K, V, KC: Codec<K>, VC: Codec<V>>(
        &self,
        topic: &str,
        codecs: (KC, VC),
    ) -> TestOutput<K, V, KC, VC> {
        TestOutput::new(topic.to_owned(), codecs)
    }

    /// Writes a record with an event time, in milliseconds since 1970. It is on the brokers when this returns; nobody has
    /// processed it.
    ///
    /// # Errors
    /// A codec cannot write it.
    pub fn send<K, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        input: &TestInput<K, V, KC, VC>,
        key: impl Into<K>,
        value: impl Into<V>,
        timestamp: i64,
    ) -> Result<(), TestError> {
        self.write(input, None, Some(&key.into()), Some(&value.into()), timestamp)
    }

    /// As [`Self::send`], with a key and a value that may be null, and to a partition if one is named.
    ///
    /// # Errors
    /// A codec cannot write it.
    pub fn send_to<K, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        input: &TestInput<K, V, KC, VC>,
        partition: Option<i32>,
        key: Option<K>,
        value: Option<V>,
        timestamp: i64,
    ) -> Result<(), TestError> {
        self.write(input, partition, key.as_ref(), value.as_ref(), timestamp)
    }

    fn write<K, V, KC: Codec<K>, VC: Codec<V>>(
        &self,
        input: &TestInput<K, V, KC, VC>,
        partition: Option<i32>,
        key: Option<&K>,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<(), TestError> {
        let encoded = input.encode(key, value);
        let (key, value) = encoded
            .map_err(|error| TestError::because(self.sim.seed(), "the record cannot be written", error))?;
        self.send_bytes(&input.topic, partition, (key, value), timestamp)
    }

    /// Writes a record of bytes, for what no codec writes.
    ///
    /// # Errors
    /// There is no such topic.
    pub fn send_raw(
        &mut self,
        topic: &str,
        key: Option<Bytes>,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), TestError> {
        self.send_bytes(topic, None, (key, value), timestamp)
    }

    fn send_bytes(
        &self,
        topic: &str,
        partition: Option<i32>,
        (key, value): KeyAndValue,
        timestamp: i64,
    ) -> Result<(), TestError> {
        let mut record = Record::to(topic.to_owned()).timestamp(UnixMillis(timestamp));
        if let Some(partition) = partition {
            record = record.partition(partition);
        }
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.value(value);
        }
        let sent = self.session.run(self.producer.send(record))?;
        sent.map(drop).map_err(|error| TestError::because(self.sim.seed(), "the record is not sent", error))
    }

    /// Lets the application process and commit whatever there is.
    ///
    /// # Errors
    /// It failed, or does not get done.
    pub fn settle(&mut self) -> Result<(), TestError> {
        let Self { session, instances, sim, .. } = self;
        let settled = session.run(async {
            let (mut calm, mut pause) = (0, SETTLE_STEP);
            while calm < 2 {
                let (mut owned, mut total, mut is_done) = (BTreeSet::new(), 0, true);
                for Instance { app, .. } in instances.values() {
                    let progress = app.progress().await?;
                    is_done &= progress.lag == 0 && app.state() == State::Running;
                    total = total.max(progress.total);
                    owned.extend(progress.here);
                }
                // One instance may have been asked before another wrote what it is to read.
                calm = if is_done && owned.len() == total { calm + 1 } else { 0 };
                if calm == 0 {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_SETTLE_STEP);
                }
            }
            Ok::<_, Error>(())
        })?;
        settled.map_err(|error| TestError::because(sim.seed(), "the application failed", error))
    }

    /// Lets the application process whatever there is, and gives the records of a topic that were not given before: by
    /// partition, then by offset.
    ///
    /// # Errors
    /// The application failed, or a codec cannot read a record.
    pub fn drain<K, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        output: &TestOutput<K, V, KC, VC>,
    ) -> Result<Vec<TestRecord<K, V>>, TestError> {
        self.settle()?;
        let mut found = Vec::new();
        for partition in self.partitions_of(&output.topic) {
            let from = self.drained.entry((output.topic.clone(), partition)).or_insert(0);
            for record in records(&self.cluster, &output.topic, partition, *from) {
                *from = record.offset + 1;
                let bytes = (record.key, record.value);
                let decoded = output.decode(bytes, record.timestamp, partition, record.offset);
                let what = format!("{}-{partition}@{} cannot be read", output.topic, record.offset);
                found.push(decoded.map_err(|error| TestError::because(self.sim.seed(), &what, error))?);
            }
        }
        Ok(found)
    }

    /// As [`Self::drain`], but of each key only the last record, as a table would have it; deleted keys are left out.
    ///
    /// # Errors
    /// As [`Self::drain`].
    pub fn drain_latest<K: Ord, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        output: &TestOutput<K, V, KC, VC>,
    ) -> Result<BTreeMap<K, V>, TestError> {
        let mut latest = BTreeMap::new();
        for record in self.drain(output)? {
            match (record.key, record.value) {
                (Some(key), Some(value)) => drop(latest.insert(key, value)),
                (Some(key), None) => drop(latest.remove(&key)),
                (None, _) => {}
            }
        }
        Ok(latest)
    }

    fn partitions_of(&self, topic: &str) -> impl Iterator<Item = i32> + use<> {
        0..i32::try_from(self.cluster.partition_count(topic).unwrap_or(0)).unwrap_or(i32::MAX)
    }
}

/// Stores, and what is behind it all.
impl TestDriver {
    /// What a key-value store holds, over all partitions and instances, once everything is processed.
    ///
    /// # Errors
    /// The application failed, or a codec cannot read an entry.
    pub fn store<K: Ord, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        name: &str,
        codecs: (KC, VC),
    ) -> Result<BTreeMap<K, V>, TestError> {
        let entries = self.entries(name, codecs)?;
        Ok(entries.into_iter().map(|(key, _, value)| (key, value)).collect())
    }

    /// What a window store holds, by key and start of the window.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn window_store<K: Ord, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        name: &str,
        codecs: (KC, VC),
    ) -> Result<BTreeMap<(K, i64), V>, TestError> {
        let entries = self.entries(name, codecs)?;
        Ok(entries.into_iter().filter_map(|(key, start, value)| Some(((key, start?), value))).collect())
    }

    fn entries<K, V, KC: Codec<K>, VC: Codec<V>>(
        &mut self,
        name: &str,
        (key, value): (KC, VC),
    ) -> Result<Vec<(K, Option<i64>, V)>, TestError> {
        self.settle()?;
        let topic = changelog_topic(&self.settings.application_id, name);
        let (of_key, of_value) = (CodecContext::key(&topic), CodecContext::value(&topic));
        let mut found = Vec::new();
        for Instance { app, .. } in self.instances.values() {
            let entries = self.session.run(app.read_store(name))?;
            let entries = entries.map_err(|error| self.failed("the store cannot be read", error))?;
            for entry in entries {
                let unreadable =
                    |error| TestError::because(self.sim.seed(), "the store cannot be read", error);
                let key = key.decode(entry.key, &of_key).map_err(unreadable)?;
                found.push((
                    key,
                    entry.window_start,
                    value.decode(entry.value, &of_value).map_err(unreadable)?,
                ));
            }
        }
        Ok(found)
    }

    /// The state of an instance; `None` if it does not run.
    pub fn state(&self, instance: usize) -> Option<State> {
        Some(self.instances.get(&instance)?.app.state())
    }

    /// Waits until an instance has ended by itself, and gives the error that it ended with.
    ///
    /// # Errors
    /// It does not end, or there is none.
    pub fn failure(&mut self, instance: usize) -> Result<Option<Error>, TestError> {
        let Some(Instance { app, .. }) = self.instances.get(&instance) else {
            return Err(TestError::new(self.sim.seed(), format!("instance {instance} does not run")));
        };
        Ok(self.session.run(app.ended())?.err())
    }

    /// The brokers, to look at topics or to trouble them.
    pub fn cluster(&self) -> &MockCluster {
        &self.cluster
    }

    /// The simulation, to trouble links or to look at its trace.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Runs whatever else a test wants, in the simulation.
    ///
    /// # Errors
    /// The simulation failed.
    pub fn run<T>(&mut self, future: impl Future<Output = T>) -> Result<T, TestError> {
        Ok(self.session.run(future)?)
    }

    fn failed(&self, what: &str, error: Error) -> TestError {
        TestError::because(self.sim.seed(), what, error)
    }
}

impl fmt::Debug for TestDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDriver").field("sim", &self.sim).finish_non_exhaustive()
    }
}

/// What an instance's machine is called.
fn host(number: usize) -> String {
    format!("instance-{number}")
}

const LINK_DELAY: Duration = Duration::from_millis(1);
const SETTLE_STEP: Duration = Duration::from_millis(5);
const LONGEST_SETTLE_STEP: Duration = Duration::from_secs(2);
const CRASH_WITHIN: Duration = Duration::from_millis(60);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
