//! A source on a cluster of its own.
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_protocol::record::RecordView;
use courant_protocol::types::{Offset, TopicPartition, UnixMillis};

use crate::api::Source;
use crate::embedded::{ConnectorStatus, Progress, Worker, until};
use crate::error::{Error, Result};
use crate::harness::crash::CrashPoint;
use crate::harness::setting::{NAME, PATIENCE, Setting, late};

/// A source in the real worker on an in-memory cluster; see [`run`](crate::harness::run).
///
/// ```
/// use courant_connect::file::LineSource;
/// use courant_connect::harness::{CrashPoint, TestSource, run};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("in.txt");
/// std::fs::write(&file, "first\nsecond\nthird\n")?;
/// let properties = [("file", file.to_str().unwrap()), ("topic", "lines"), ("batch.max.records", "1")];
/// run(async {
///     let mut source = TestSource::<LineSource>::start(properties).await?;
///     assert_eq!(source.take(3).await?[0].value.as_deref(), Some("first"));
///     source.caught_up().await?;
///     source.crash();
///     source.restart().await?;
///     source.caught_up().await?;
///     assert_eq!(source.records()?.len(), 3, "nothing is read twice");
///     Ok::<_, courant_connect::Error>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestSource<S: Source> {
    setting: Setting,
    worker: Option<Worker>,
    taken: BTreeMap<TopicPartition, Offset>,
    source: PhantomData<fn() -> S>,
}

/// A record that a source wrote, key and value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRecord {
    /// Where it lies.
    pub partition: TopicPartition,
    /// At which offset.
    pub offset: Offset,
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its timestamp.
    pub timestamp: UnixMillis,
}

impl TestRecord {
    pub(crate) fn of(at: &TopicPartition, record: &RecordView<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let header = |header: courant_protocol::record::Header<'_>| {
            (text(header.key), header.value.map(text).unwrap_or_default())
        };
        Self {
            partition: at.clone(),
            offset: record.offset,
            key: record.key.map(text),
            value: record.value.map(text),
            headers: record.headers().map(header).collect(),
            timestamp: record.timestamp,
        }
    }
}

impl<S: Source> TestSource<S> {
    /// Starts the source. Values are written as text unless the properties name another `value.converter`.
    ///
    /// # Errors
    /// The properties are wrong, or the source cannot be made.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing running.
    pub async fn start(
        properties: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Self> {
        let setting = Setting::new(&[], properties)?;
        let mut source = Self { setting, worker: None, taken: BTreeMap::new(), source: PhantomData };
        source.restart().await?;
        Ok(source)
    }

    /// The next `count` records that the source has written and that were not taken before.
    ///
    /// # Errors
    /// They did not come, or the source has failed.
    ///
    /// # Cancel safety
    /// Records that were not returned come with the next call.
    pub async fn take(&mut self, count: usize) -> Result<Vec<TestRecord>> {
        let world = self.setting.cluster.world();
        let deadline = world.now() + PATIENCE;
        loop {
            let mut new: Vec<TestRecord> = self.setting.records()?;
            new.retain(|record| self.taken.get(&record.partition).is_none_or(|next| record.offset >= *next));
            if new.len() >= count {
                new.truncate(count);
                for record in &new {
                    self.taken.insert(record.partition.clone(), Offset(record.offset.0 + 1));
                }
                return Ok(new);
            }
            if let Some(error) = self.status().and_then(|status| status.error().cloned()) {
                return Err(error);
            }
            if world.now() > deadline {
                return Err(late(&format!("{} of {count} records came", new.len())));
            }
            world.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that the source has written.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn records(&self) -> Result<Vec<TestRecord>> {
        self.setting.records()
    }

    /// Waits until the input has ended, everything is acknowledged and its offsets are stored.
    ///
    /// # Errors
    /// The source has failed, or does not get there.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn caught_up(&self) -> Result<Progress> {
        let world = self.setting.cluster.world();
        let caught_up = self.running()?.caught_up(NAME);
        until(&world, world.now() + PATIENCE, caught_up)
            .await
            .unwrap_or_else(|| Err(late("it did not catch up")))
    }

    /// What is stored: offsets by the key that they have in the offsets topic.
    ///
    /// # Errors
    /// The offsets topic cannot be read.
    pub fn offsets(&self) -> Result<BTreeMap<String, String>> {
        self.setting.offsets()
    }

    /// How the source stands.
    pub fn status(&self) -> Option<ConnectorStatus> {
        self.worker.as_ref()?.status(NAME)
    }

    /// Holds it still: a call of `next_batch` that waits is dropped.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.running()?.pause(NAME)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.running()?.resume(NAME)
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// It had failed, or does not end in time.
    ///
    /// # Cancel safety
    /// The source goes on ending in the background.
    pub async fn stop(&mut self) -> Result<()> {
        match self.worker.take() {
            Some(worker) => worker.stop(Duration::from_secs(30)).await,
            None => Ok(()),
        }
    }

    /// Ends it as a crash would, at once and wherever it is.
    pub fn crash(&mut self) {
        self.setting.plan.disarm();
        self.worker = None;
    }

    /// Lets it crash when it passes a point for the `nth` time from now, from 1.
    pub fn crash_at(&self, point: CrashPoint, nth: u64) {
        self.setting.plan.arm(point, nth);
    }

    /// Waits for the crash that was asked for, and ends it there.
    ///
    /// # Cancel safety
    /// The source stays as it is.
    pub async fn crashed(&mut self) {
        self.setting.plan.crashed().await;
        self.crash();
    }

    /// Starts it again, from what is stored.
    ///
    /// # Errors
    /// It cannot be made.
    ///
    /// # Cancel safety
    /// A dropped future leaves the source ended.
    pub async fn restart(&mut self) -> Result<()> {
        self.worker = None;
        let builder = self.setting.worker().await?;
        let worker = builder.source::<S>(NAME, self.setting.properties.clone()).start().await?;
        self.worker = Some(worker);
        Ok(())
    }

    /// The cluster, for faults of its own.
    pub fn cluster(&self) -> &MockCluster {
        &self.setting.cluster
    }

    pub(crate) fn setting(&self) -> &Setting {
        &self.setting
    }

    fn running(&self) -> Result<&Worker> {
        self.worker.as_ref().ok_or_else(|| Error::fatal("the source does not run"))
    }
}
