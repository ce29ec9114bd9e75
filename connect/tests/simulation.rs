//! Sources and sinks in two workers on three brokers under bad luck, over many seeds: nothing is lost, nothing is committed
//! or stored before it is safe; without a crash of a worker every record is in the topic once.
//!
//! `COURANT_SEEDS=100` runs a hundred seeds, `COURANT_SEED=42` one of them again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_connect::{
    Batch, Config, ConnectorContext, Error, Flushed, Result, Sink, SinkContext, SinkRecord, SinkTask, Source,
    SourceContext, SourceRecord, SourceTask, Verdicts, Worker,
};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::TopicPartition;
use courant_runtime::{World, watch};
use courant_sim::{Chaos, Family, LinkFaults, Sim};
use serde::{Deserialize, Serialize};

const COMMAND: &str = "cargo test -p courant-connect --test simulation";
const TOPIC: &str = "numbers";
const PARTITIONS: i32 = 3;
/// Numbers per source partition.
const NUMBERS: u64 = 120;
const SOURCES: [&str; 2] = ["even", "odd"];
const SECOND: Duration = Duration::from_secs(1);

type Failed = Box<dyn StdError + Send + Sync>;

#[test]
fn nothing_is_lost_when_workers_and_brokers_crash() {
    let command = format!("{COMMAND} nothing_is_lost_when_workers_and_brokers_crash");
    let report = Family::new(command).seeds(8).run(|sim| run(sim, true)).unwrap();
    let (runs, crashes) = (report.runs(), report.sum(|crashes| *crashes));
    // Workers that never crash would prove nothing, except in one seed alone.
    assert!(runs == 1 || crashes >= runs, "{crashes} crashes in {runs} runs");
}

#[test]
fn without_a_crash_of_a_worker_every_record_is_written_once() {
    let command = format!("{COMMAND} without_a_crash_of_a_worker_every_record_is_written_once");
    Family::new(command).seeds(5).run(|sim| run(sim, false).map(drop)).unwrap();
}

#[test]
fn the_same_seed_runs_the_same_way() {
    Family::new(COMMAND).repeat(3, |sim| run(sim, true)).unwrap();
}

/// Runs one seed and checks it; gives how often a worker crashed.
fn run(sim: &Sim, crashes: bool) -> Result<usize, Failed> {
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic_with(TOPIC, PARTITIONS as usize, Some(3), [("min.insync.replicas", "2")])
        .config("default.replication.factor", "3")
        .config("min.insync.replicas", "2");
    let cluster = cluster.seed(sim.seed()).world(sim.world("brokers")).build()?;
    sim.serve(cluster.transport());
    let target = Arc::<Mutex<Target>>::default();
    // Tests run beside each other, and with the same seeds.
    let world = RUNS.fetch_add(1, Ordering::Relaxed).to_string();
    lock(&TARGETS).insert(world.clone(), Arc::clone(&target));
    sim.run(story(sim, &cluster, &world, crashes))??;
    lock(&TARGETS).remove(&world);
    check(&cluster, &lock(&target), crashes)?;
    Ok(lock(&target).starts - 2)
}

async fn story(sim: &Sim, cluster: &MockCluster, outside: &str, crashes: bool) -> Result<(), Failed> {
    sim.faults(LinkFaults::rough());
    let calm = Arc::new(watch::Sender::new(false));
    let mut watchers = Vec::new();
    let mut victims = Vec::new();
    for (name, has_source) in [("worker-1", true), ("worker-2", false)] {
        let done = Arc::new(watch::Sender::new(false));
        watchers.push(done.subscribe());
        let program = Program {
            sim: sim.clone(),
            bootstrap: cluster.bootstrap(),
            outside: outside.to_owned(),
            has_source,
            calm: calm.subscribe(),
            done,
        };
        victims.push(sim.host(name).start(move |world| {
            let program = program.clone();
            async move { program.run(world).await }
        }));
    }
    if crashes {
        sim.crash_chance(0.03);
    }
    let chaos = Chaos::new(sim, cluster).hosts(["worker-1", "worker-2"]);
    let chaos = if crashes { chaos.victims(victims.clone()) } else { chaos };
    let revive = async {
        loop {
            tokio::time::sleep(2 * SECOND).await;
            // A crash point leaves its host down.
            victims.iter().for_each(|host| host.restart());
        }
    };
    tokio::select! {
        biased;
        () = revive => {}
        () = chaos.run_for(40 * SECOND) => {}
    }
    sim.calm();
    victims.iter().for_each(|host| host.restart());
    calm.send_replace(true);
    for mut done in watchers {
        done.wait_for(|done| *done).await?;
    }
    Ok(())
}

/// What a host runs, from the start after each crash.
#[derive(Clone)]
struct Program {
    sim: Sim,
    bootstrap: String,
    outside: String,
    has_source: bool,
    calm: watch::Receiver<bool>,
    done: Arc<watch::Sender<bool>>,
}

impl Program {
    async fn run(mut self, world: World) {
        if *self.done.borrow() {
            return;
        }
        lock(&target(&self.outside)).starts += 1;
        let kafka = connect(&self.bootstrap, &world).await;
        let worker = loop {
            match self.worker(&kafka).await {
                Ok(worker) => break worker,
                Err(error) => self.sim.note(format_args!("cannot start: {error}")),
            }
            world.sleep(SECOND).await;
        };
        self.calm.wait_for(|calm| *calm).await.ok();
        self.finish(&worker, &world).await;
        if let Err(error) = worker.stop(60 * SECOND).await {
            self.sim.note(format_args!("stop: {error}"));
        }
        kafka.close(60 * SECOND).await.ok();
        self.done.send_replace(true);
    }

    async fn worker(&self, kafka: &Kafka) -> Result<Worker> {
        let mut builder = Worker::builder(kafka)
            .simulated(&self.sim)
            .flush_interval(3 * SECOND)
            .set("value.converter", "StringConverter")
            .set("offset.storage.partitions", 3);
        let outside = ("outside", self.outside.as_str());
        if self.has_source {
            let properties = [("tasks.max", "2"), ("batch.max.records", "7"), ("poll.interval.ms", "300")];
            builder = builder.source::<Numbers>("src", properties.into_iter().chain([outside]));
        }
        builder = builder.sink::<Ledger>("snk", [("topics", TOPIC), outside]);
        builder.start().await
    }

    /// Waits until everything has arrived; a connector that the bad luck has failed is started again.
    async fn finish(&self, worker: &Worker, world: &World) {
        loop {
            for status in worker.statuses() {
                if let Some(error) = status.error() {
                    self.sim.note(format_args!("{} failed: {error}", status.name));
                    worker.restart(&status.name, 10 * SECOND).await.ok();
                }
                worker.flush(&status.name).ok();
            }
            let all = lock(&target(&self.outside)).values().len() as u64 == NUMBERS * SOURCES.len() as u64;
            let read =
                !self.has_source || worker.status("src").is_some_and(|status| status.progress().caught_up);
            if all && read {
                return;
            }
            world.sleep(SECOND).await;
        }
    }
}

async fn connect(bootstrap: &str, world: &World) -> Kafka {
    loop {
        let builder = Kafka::builder().bootstrap(bootstrap).world(world.clone());
        match builder.set("request.timeout.ms", 2_000).connect().await {
            Ok(kafka) => return kafka,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
}

/// What lies outside Kafka: what the sink has made durable. It outlives every crash.
#[derive(Default)]
struct Target {
    durable: BTreeMap<(i32, i64), String>,
    starts: usize,
}

impl Target {
    fn values(&self) -> BTreeSet<&String> {
        self.durable.values().collect()
    }
}

static RUNS: AtomicU64 = AtomicU64::new(0);
static TARGETS: Mutex<BTreeMap<String, Arc<Mutex<Target>>>> = Mutex::new(BTreeMap::new());

fn target(outside: &str) -> Arc<Mutex<Target>> {
    lock(&TARGETS).get(outside).cloned().expect("the run has a target")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What must be true of the logs, the offsets and the target once all is quiet.
fn check(cluster: &MockCluster, target: &Target, crashes: bool) -> Result<(), Failed> {
    let expected: BTreeSet<String> =
        SOURCES.iter().flat_map(|name| (0..NUMBERS).map(move |number| format!("{name}-{number}"))).collect();
    let mut written: Vec<String> = Vec::new();
    for partition in 0..PARTITIONS {
        written.extend(values(cluster, TOPIC, partition)?.into_iter().map(|(_, value)| value));
    }
    let missing: Vec<&String> = expected.iter().filter(|value| !written.contains(value)).collect();
    if !missing.is_empty() {
        return Err(format!("never written: {missing:?}").into());
    }
    if !crashes && written.len() != expected.len() {
        return Err(format!(
            "{} records for {} numbers, and no worker crashed",
            written.len(),
            expected.len()
        )
        .into());
    }
    if let Some(lost) = expected.iter().find(|value| !target.values().contains(value)) {
        return Err(format!("{lost} never arrived").into());
    }
    for partition in 0..PARTITIONS {
        let committed = cluster.committed("connect-snk", TOPIC, partition).map_or(0, |offset| offset.0);
        if let Some(ahead) = (0..committed).find(|offset| !target.durable.contains_key(&(partition, *offset)))
        {
            return Err(format!(
                "{TOPIC}-{partition}: {committed} is committed, and {ahead} is not in the target"
            )
            .into());
        }
    }
    for partition in 0..3 {
        for (key, value) in values(cluster, "connect-offsets", partition)? {
            stored_is_written(&key, &value, &written)?;
        }
    }
    Ok(())
}

fn stored_is_written(key: &str, value: &str, written: &[String]) -> Result<(), Failed> {
    let (_, Name { source }): (String, Name) = serde_json::from_str(key)?;
    let Next { next } = serde_json::from_str(value)?;
    match (0..next).map(|number| format!("{source}-{number}")).find(|value| !written.contains(value)) {
        Some(value) => {
            Err(format!("offset {next} of {source} was stored, and {value} is not in the topic").into())
        }
        None => Ok(()),
    }
}

fn values(cluster: &MockCluster, topic: &str, partition: i32) -> Result<Vec<(String, String)>, Failed> {
    let mut scratch = CompressionScratch::default();
    let mut values = Vec::new();
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    for stored in cluster.log(topic, partition) {
        for batch in Batches::new(stored.bytes, ReadOptions::default()) {
            for record in batch?.records(&mut scratch)?.iter() {
                let record = record?;
                values.push((text(record.key), text(record.value)));
            }
        }
    }
    Ok(values)
}

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
struct Outside {
    /// Which run's target is meant.
    outside: String,
}

impl Config for Outside {}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name {
    source: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Next {
    next: u64,
}

/// Counts, one source partition per task.
struct Numbers(ConnectorContext);
struct Counting(Name, u64, ConnectorContext);

impl Source for Numbers {
    const NAME: &'static str = "Numbers";
    type Config = Outside;
    type Split = String;
    type Partition = Name;
    type Offset = Next;
    type Task = Counting;

    async fn new(_: Outside, context: ConnectorContext) -> Result<Self> {
        Ok(Self(context))
    }

    async fn plan(&self, _: usize) -> Result<Vec<String>> {
        Ok(SOURCES.map(str::to_owned).to_vec())
    }

    async fn open(&self, source: String, context: SourceContext<Name, Next>) -> Result<Counting> {
        let name = Name { source };
        let next = context.offset(&name).map_or(0, |offset| offset.next);
        Ok(Counting(name, next, self.0.clone()))
    }
}

impl SourceTask for Counting {
    type Partition = Name;
    type Offset = Next;

    async fn next_batch(&mut self, batch: &mut Batch<Name, Next>) -> Result<()> {
        self.2.sleep(Duration::from_millis(400)).await;
        while self.1 < NUMBERS && !batch.is_full() {
            let value = format!("{}-{}", self.0.source, self.1);
            self.1 += 1;
            batch.push(
                SourceRecord::to(TOPIC, self.0.clone(), Next { next: self.1 })
                    .key(value.as_str())
                    .value(value),
            );
        }
        Ok(())
    }
}

/// Keeps what it is given in memory until it is flushed.
struct Ledger(Outside);
struct Entries(Arc<Mutex<Target>>, Vec<((i32, i64), String)>);

impl Sink for Ledger {
    const NAME: &'static str = "Ledger";
    type Config = Outside;
    type Task = Entries;

    async fn new(config: Outside, _: ConnectorContext) -> Result<Self> {
        Ok(Self(config))
    }

    async fn open(&self, _: SinkContext) -> Result<Entries> {
        Ok(Entries(target(&self.0.outside), Vec::new()))
    }
}

impl SinkTask for Entries {
    async fn write(&mut self, batch: &[SinkRecord]) -> Result<Verdicts> {
        for record in batch {
            let value = record.value().value.as_str().ok_or_else(|| Error::data("no text"))?.to_owned();
            self.1.push(((record.origin.partition.0, record.origin_offset.0), value));
        }
        Ok(Verdicts::accepted())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        if lost {
            self.1
                .retain(|((partition, _), _)| !partitions.iter().any(|gone| gone.partition.0 == *partition));
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<Flushed> {
        lock(&self.0).durable.extend(self.1.drain(..));
        Ok(Flushed::All)
    }
}
