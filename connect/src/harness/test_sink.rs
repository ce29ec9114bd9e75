//! A sink on a cluster of its own.
use std::marker::PhantomData;
use std::time::Duration;

use courant_broker_mock::MockCluster;

use crate::api::Sink;
use crate::embedded::{ConnectorStatus, Progress, Worker, until};
use crate::error::{Error, Result};
use crate::harness::crash::CrashPoint;
use crate::harness::setting::{NAME, PATIENCE, Setting, late};

/// A sink in the real worker on an in-memory cluster; see [`run`](crate::harness::run).
///
/// ```
/// use courant_connect::file::JsonLinesSink;
/// use courant_connect::harness::{TestSink, run};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("out.jsonl");
/// run(async {
///     let mut sink = TestSink::<JsonLinesSink>::start([("file", file.to_str().unwrap())]).await?;
///     sink.send(["first", "second"]).await?;
///     sink.delivered().await?;
///     sink.stop().await
/// })?;
/// assert_eq!(std::fs::read_to_string(&file)?.lines().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestSink<S: Sink> {
    setting: Setting,
    workers: Vec<Worker>,
    sent: usize,
    sink: PhantomData<fn() -> S>,
}

impl<S: Sink> TestSink<S> {
    /// Starts the sink on a topic of two partitions. It is given texts unless the properties name another
    /// `value.converter`.
    ///
    /// # Errors
    /// The properties are wrong, or the sink cannot be made.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing running.
    pub async fn start(
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Self> {
        Self::on_partitions(2, properties).await
    }

    pub(crate) async fn on_partitions(
        partitions: usize,
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Self> {
        let mut setting = Setting::new(&[(TOPIC, partitions)], properties)?;
        setting.properties.insert("topics".to_owned(), TOPIC.to_owned());
        let mut sink = Self { setting, workers: Vec::new(), sent: 0, sink: PhantomData };
        sink.restart().await?;
        Ok(sink)
    }

    /// Writes values into the sink's topic, to its partitions in turn.
    ///
    /// # Errors
    /// They were not written.
    ///
    /// # Cancel safety
    /// What was sent before the future was dropped stays sent.
    pub async fn send<T: Into<String>>(&mut self, values: impl IntoIterator<Item = T>) -> Result<()> {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        self.setting.send(TOPIC, &values, self.sent).await?;
        self.sent += values.len();
        Ok(())
    }

    /// Waits until everything that was sent is durable in the target, and committed.
    ///
    /// # Errors
    /// The sink has failed, or does not get there.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn delivered(&self) -> Result<()> {
        let world = self.setting.cluster.world();
        let deadline = world.now() + PATIENCE;
        let ends = self.setting.ends(TOPIC);
        let committed = |(partition, end): &(courant_protocol::types::TopicPartition, _)| {
            let group = format!("connect-{NAME}");
            let committed = self.setting.cluster.committed(&group, &partition.topic, partition.partition.0);
            committed.is_some_and(|at| at >= *end) || *end == courant_protocol::types::Offset(0)
        };
        loop {
            for worker in &self.workers {
                worker.flush(NAME)?;
            }
            if ends.iter().all(committed) {
                return Ok(());
            }
            if let Some(error) = self.statuses().iter().find_map(|status| status.error().cloned()) {
                return Err(error);
            }
            if world.now() > deadline {
                return Err(late("not everything was delivered"));
            }
            world.sleep(Duration::from_millis(200)).await;
        }
    }

    /// The progress of the sink's first worker.
    ///
    /// # Errors
    /// It does not run, or does not catch up.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn caught_up(&self) -> Result<Progress> {
        let world = self.setting.cluster.world();
        let worker = self.workers.first().ok_or_else(|| Error::fatal("the sink does not run"))?;
        let caught_up = worker.caught_up(NAME);
        until(&world, world.now() + PATIENCE, caught_up)
            .await
            .unwrap_or_else(|| Err(late("it did not catch up")))
    }

    /// How the sink stands in each of its workers.
    pub fn statuses(&self) -> Vec<ConnectorStatus> {
        self.workers.iter().filter_map(|worker| worker.status(NAME)).collect()
    }

    /// Starts one more worker with the same sink: the partitions are divided anew.
    ///
    /// # Errors
    /// It cannot be made.
    ///
    /// # Cancel safety
    /// A dropped future starts no worker.
    pub async fn join(&mut self) -> Result<()> {
        let builder = self.setting.worker().await?;
        self.workers.push(builder.sink::<S>(NAME, self.setting.properties.clone()).start().await?);
        Ok(())
    }

    /// Ends the worker that joined last, in order.
    ///
    /// # Errors
    /// It had failed, or does not end in time.
    ///
    /// # Cancel safety
    /// The worker goes on ending in the background.
    pub async fn leave(&mut self) -> Result<()> {
        match self.workers.pop() {
            Some(worker) => worker.stop(Duration::from_secs(30)).await,
            None => Ok(()),
        }
    }

    /// Ends all workers in order.
    ///
    /// # Errors
    /// One had failed, or does not end in time.
    ///
    /// # Cancel safety
    /// The sink goes on ending in the background.
    pub async fn stop(&mut self) -> Result<()> {
        while !self.workers.is_empty() {
            self.leave().await?;
        }
        Ok(())
    }

    /// Ends all workers as a crash would, at once and wherever they are.
    pub fn crash(&mut self) {
        self.setting.plan.disarm();
        self.workers.clear();
    }

    /// Lets it crash when it passes a point for the `nth` time from now, from 1.
    pub fn crash_at(&self, point: CrashPoint, nth: u64) {
        self.setting.plan.arm(point, nth);
    }

    /// Waits for the crash that was asked for, and ends it there.
    ///
    /// # Cancel safety
    /// The sink stays as it is.
    pub async fn crashed(&mut self) {
        self.setting.plan.crashed().await;
        self.crash();
    }

    /// Starts one worker, from what is committed.
    ///
    /// # Errors
    /// The sink cannot be made.
    ///
    /// # Cancel safety
    /// A dropped future leaves the sink ended.
    pub async fn restart(&mut self) -> Result<()> {
        self.workers.clear();
        self.join().await
    }

    /// The cluster, for faults of its own.
    pub fn cluster(&self) -> &MockCluster {
        &self.setting.cluster
    }

    pub(crate) fn disturb(&self, nth: usize) {
        self.setting.disturb(TOPIC, nth);
    }
}

/// What the sink reads.
const TOPIC: &str = "to-the-sink";
