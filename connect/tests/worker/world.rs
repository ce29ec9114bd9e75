//! A mock cluster, connectors that do as they are told, and what is in the topics.
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_connect::{
    BadInput, Batch, Config, ConnectorContext, Error, Result, Source, SourceContext, SourceRecord,
    SourceTask, Worker, WorkerBuilder,
};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
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
        Ok(vec![()])
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
