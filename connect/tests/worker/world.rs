//! A mock cluster, connectors that do as they are told, and what is in the topics.
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_connect::{
    BadInput, Batch, Config, ConnectorContext, Error, Flushed, Result, Sink, SinkContext, SinkRecord,
    SinkTask, Source, SourceContext, SourceRecord, SourceTask, Verdicts, Worker, WorkerBuilder,
};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{BatchWriter, Batches, NO_HEADERS, ReadOptions};
use courant_protocol::types::TopicPartition;
use serde::{Deserialize, Serialize};

pub const SECOND: Duration = Duration::from_secs(1);

/// Runs a test in virtual time.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3600), test).await.expect("no hang") })
}

pub fn cluster(topics: &[(&str, usize)]) -> MockCluster {
    let builder = MockCluster::builder().brokers(3);
    topics
        .iter()
        .fold(builder, |builder, (topic, partitions)| builder.topic(*topic, *partitions))
        .build()
        .unwrap()
}

pub async fn connect(cluster: &MockCluster) -> Kafka {
    Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap()
}

pub async fn worker(cluster: &MockCluster) -> WorkerBuilder {
    Worker::builder(&connect(cluster).await)
}

/// A record as it lies in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// All records of a topic, partition by partition.
pub fn stored(cluster: &MockCluster, topic: &str) -> Vec<Stored> {
    let mut scratch = CompressionScratch::default();
    let mut stored = Vec::new();
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    for partition in 0..cluster.partition_count(topic).unwrap_or(0) as i32 {
        for log in cluster.log(topic, partition) {
            for batch in Batches::new(log.bytes, ReadOptions::default()) {
                for record in batch.unwrap().records(&mut scratch).unwrap().iter() {
                    let record = record.unwrap();
                    let headers = record
                        .headers()
                        .map(|h| (text(Some(h.key)).unwrap(), text(h.value).unwrap_or_default()))
                        .collect();
                    stored.push(Stored {
                        partition,
                        key: text(record.key),
                        value: text(record.value),
                        headers,
                    });
                }
            }
        }
    }
    stored
}

pub fn values(cluster: &MockCluster, topic: &str) -> Vec<String> {
    stored(cluster, topic).into_iter().filter_map(|record| record.value).collect()
}

/// What the offsets topic says last, by key.
pub fn offsets(cluster: &MockCluster) -> BTreeMap<String, String> {
    let last = stored(cluster, "connect-offsets").into_iter();
    last.map(|record| (record.key.unwrap_or_default(), record.value.unwrap_or_default())).collect()
}

/// What a scripted source does when it is asked.
#[derive(Clone)]
pub enum Act {
    /// Gives these values, each as one record of the topic.
    Give(Vec<String>),
    /// Gives input that is no record.
    Bad(String),
    Fail(Error),
    /// Gives one value for a partition of the topic.
    To(i32, String),
    /// Waits for this long before the next act.
    Wait(Duration),
    Panic,
}

/// The script of a source: what is left of it, and what was noted.
#[derive(Default)]
pub struct Script {
    pub acts: Vec<Act>,
    pub asked: usize,
    pub committed: Vec<u64>,
    pub closed: usize,
    pub opened_at: Vec<Option<u64>>,
}

static SCRIPTS: Mutex<BTreeMap<String, Arc<Mutex<Script>>>> = Mutex::new(BTreeMap::new());

/// A script under a name that no other test uses.
pub fn script(name: &str, acts: impl IntoIterator<Item = Act>) -> Arc<Mutex<Script>> {
    let script = Arc::new(Mutex::new(Script { acts: acts.into_iter().collect(), ..Default::default() }));
    lock(&SCRIPTS).insert(name.to_owned(), Arc::clone(&script));
    script
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn give(values: &[&str]) -> Act {
    Act::Give(values.iter().map(|value| (*value).to_owned()).collect())
}

/// What a scripted connector is told.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct Scripted {
    /// The name of the script.
    pub script: String,
    /// The topic to write to.
    #[serde(default)]
    pub topic: String,
    /// How many parts the source has.
    #[serde(default)]
    pub splits: usize,
}

impl Config for Scripted {}

/// Follows a script: each act is one position, so it goes on where it was stopped.
pub struct ScriptSource {
    config: Scripted,
    context: ConnectorContext,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    pub script: String,
}

/// The act, and the value in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub position: u64,
}

pub struct ScriptTask {
    config: Scripted,
    context: ConnectorContext,
    script: Arc<Mutex<Script>>,
    act: usize,
    value: usize,
}

impl Source for ScriptSource {
    const NAME: &'static str = "ScriptSource";
    type Config = Scripted;
    type Split = ();
    type Partition = Name;
    type Offset = Position;
    type Task = ScriptTask;

    async fn new(config: Scripted, context: ConnectorContext) -> Result<Self> {
        Ok(Self { config, context })
    }

    async fn plan(&self, _tasks_max: usize) -> Result<Vec<()>> {
        Ok(vec![(); self.config.splits.max(1)])
    }

    async fn open(&self, _split: (), context: SourceContext<Name, Position>) -> Result<ScriptTask> {
        let script = lock(&SCRIPTS).get(&self.config.script).cloned();
        let script = script.ok_or_else(|| Error::fatal("there is no such script"))?;
        let offset =
            context.offset(&Name { script: self.config.script.clone() }).map(|offset| offset.position);
        lock(&script).opened_at.push(offset);
        let (act, value) = offset.map_or((0, 0), |at| ((at / 1000) as usize, (at % 1000) as usize));
        Ok(ScriptTask { config: self.config.clone(), context: self.context.clone(), script, act, value })
    }
}

impl SourceTask for ScriptTask {
    type Partition = Name;
    type Offset = Position;

    async fn next_batch(&mut self, batch: &mut Batch<Name, Position>) -> Result<()> {
        lock(&self.script).asked += 1;
        while batch.is_empty() {
            let act = lock(&self.script).acts.get(self.act).cloned();
            let Some(act) = act else { break };
            self.play(act, batch).await?;
        }
        Ok(())
    }

    async fn committed(&mut self, offsets: &[(Name, Position)]) -> Result<()> {
        lock(&self.script).committed.extend(offsets.iter().map(|(_, offset)| offset.position));
        Ok(())
    }

    async fn close(self) {
        lock(&self.script).closed += 1;
    }
}

impl ScriptTask {
    async fn play(&mut self, act: Act, batch: &mut Batch<Name, Position>) -> Result<()> {
        let name = Name { script: self.config.script.clone() };
        let topic = &*self.config.topic;
        match act {
            Act::Give(values) => {
                for value in values.iter().skip(self.value) {
                    self.value += 1;
                    let at = Position { position: self.act as u64 * 1000 + self.value as u64 };
                    let record = SourceRecord::to(topic, name.clone(), at);
                    batch.push(record.key(value.as_str()).value(value.as_str()));
                }
                (self.act, self.value) = (self.act + 1, 0);
            }
            Act::To(partition, value) => {
                (self.act, self.value) = (self.act + 1, 0);
                let at = Position { position: self.act as u64 * 1000 };
                batch.push(SourceRecord::to(topic, name, at).partition(partition).value(value));
            }
            Act::Bad(raw) => {
                (self.act, self.value) = (self.act + 1, 0);
                let at = Position { position: self.act as u64 * 1000 };
                let bad = BadInput::new(name, at, raw, Error::data("that is no record"));
                batch.push_bad(bad.header("line", "7").header("error", "that is no record"));
            }
            Act::Fail(error) => {
                self.act += 1;
                return Err(error);
            }
            Act::Wait(time) => {
                self.context.sleep(time).await;
                self.act += 1;
            }
            Act::Panic => panic!("as the script says"),
        }
        Ok(())
    }
}

/// What a recording sink was given and asked for, and how it is to answer.
#[derive(Default)]
pub struct Target {
    /// Accepted records: partition, offset, value.
    pub written: Vec<(TopicPartition, i64, String)>,
    /// Each call of `write`, with the values it was given.
    pub writes: Vec<Vec<String>>,
    pub flushes: usize,
    pub closed: usize,
    pub assigned: Vec<Vec<TopicPartition>>,
    pub revoked: Vec<(Vec<TopicPartition>, bool)>,
    /// Answers for the next writes; after them all is accepted.
    pub answers: VecDeque<Answer>,
    /// Errors of the next flushes.
    pub flush_errors: VecDeque<Error>,
    /// What a flush says; [`Flushed::All`] if nothing else.
    pub flushed: Option<Flushed>,
    /// Values that are bad, each by itself.
    pub bad: Vec<String>,
    /// Values that make the whole batch fail with a data error.
    pub poison: Vec<String>,
    pub context: Option<SinkContext>,
}

#[derive(Clone)]
pub enum Answer {
    Accept,
    Fail(Error),
    /// Takes so long, and then accepts.
    Take(Duration),
    Panic,
}

static TARGETS: Mutex<BTreeMap<String, Arc<Mutex<Target>>>> = Mutex::new(BTreeMap::new());

/// A target under a name that no other test uses.
pub fn target(name: &str) -> Arc<Mutex<Target>> {
    let target = Arc::<Mutex<Target>>::default();
    lock(&TARGETS).insert(name.to_owned(), Arc::clone(&target));
    target
}

pub fn delivered(target: &Mutex<Target>) -> Vec<String> {
    lock(target).written.iter().map(|(_, _, value)| value.clone()).collect()
}

/// Keeps what it is given in its target.
pub struct TargetSink {
    config: Scripted,
    context: ConnectorContext,
}

pub struct TargetTask {
    target: Arc<Mutex<Target>>,
    context: ConnectorContext,
}

impl Sink for TargetSink {
    const NAME: &'static str = "TargetSink";
    type Config = Scripted;
    type Task = TargetTask;

    async fn new(config: Scripted, context: ConnectorContext) -> Result<Self> {
        Ok(Self { config, context })
    }

    async fn open(&self, context: SinkContext) -> Result<TargetTask> {
        let target = lock(&TARGETS).get(&self.config.script).cloned();
        let target = target.ok_or_else(|| Error::fatal("there is no such target"))?;
        lock(&target).context = Some(context);
        Ok(TargetTask { target, context: self.context.clone() })
    }
}

impl SinkTask for TargetTask {
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        lock(&self.target).assigned.push(partitions.to_vec());
        Ok(())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        lock(&self.target).revoked.push((partitions.to_vec(), lost));
        Ok(())
    }

    async fn write(&mut self, batch: &[SinkRecord]) -> Result<Verdicts> {
        let value = |record: &SinkRecord| record.value().value.as_str().unwrap_or("null").to_owned();
        let answer = {
            let mut target = lock(&self.target);
            target.writes.push(batch.iter().map(value).collect());
            target.answers.pop_front().unwrap_or(Answer::Accept)
        };
        match answer {
            Answer::Accept => {}
            Answer::Fail(error) => return Err(error),
            Answer::Take(time) => self.context.sleep(time).await,
            Answer::Panic => panic!("as the test says"),
        }
        let mut target = lock(&self.target);
        if batch.iter().any(|record| target.poison.contains(&value(record))) {
            return Err(Error::data("one of these is poison"));
        }
        let mut verdicts = Verdicts::accepted();
        for (index, record) in batch.iter().enumerate() {
            match target.bad.contains(&value(record)) {
                true => verdicts.reject(index, Error::data("a bad row")),
                false => target.written.push((record.origin.clone(), record.origin_offset.0, value(record))),
            }
        }
        Ok(verdicts)
    }

    async fn flush(&mut self) -> Result<Flushed> {
        let mut target = lock(&self.target);
        target.flushes += 1;
        match target.flush_errors.pop_front() {
            Some(error) => Err(error),
            None => Ok(target.flushed.clone().unwrap_or(Flushed::All)),
        }
    }

    async fn close(self) {
        lock(&self.target).closed += 1;
    }
}

/// Puts texts into a partition.
pub fn put(cluster: &MockCluster, topic: &str, partition: i32, values: &[&str]) {
    let mut writer = BatchWriter::new(Default::default(), Default::default());
    // Records of long ago would soon be gone: brokers retain by the records' time.
    let now = cluster.world().unix_millis();
    for value in values {
        writer.append(now, Some(value.as_bytes()), Some(value.as_bytes()), NO_HEADERS).unwrap();
    }
    let sealed = writer.seal(Default::default(), None, &mut Default::default()).unwrap();
    cluster.append_raw(topic, partition, sealed.to_bytes(&Default::default())).unwrap();
}
