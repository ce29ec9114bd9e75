//! Changelogs into stores, while other tasks go on.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use courant_client::Kafka;
use courant_client::config::Properties;
use courant_consumer::{Batch, Consumer, ErrorKind};
use courant_protocol::types::{Offset, TopicPartition};

use super::error::Error;
use crate::task::{StreamTask, TaskId};

/// Reads the changelogs of a worker's new tasks.
///
/// A restore ends where the changelog ended when it began, by the position and not by the last record: what lies before
/// the end may be a marker of a transaction, or may have been compacted away.
pub(super) struct Restorer {
    kafka: Kafka,
    properties: Properties,
    consumer: Option<Consumer>,
    underway: BTreeMap<TopicPartition, Restoring>,
}

#[derive(Clone, Copy, Debug)]
struct Restoring {
    task: TaskId,
    store: usize,
    end: i64,
}

impl Restorer {
    pub(super) fn new(kafka: Kafka, properties: Properties) -> Self {
        Self { kafka, properties, consumer: None, underway: BTreeMap::new() }
    }

    /// Whether a store is being restored.
    pub(super) fn is_busy(&self) -> bool {
        !self.underway.is_empty()
    }

    /// Whether a store of a task is being restored.
    pub(super) fn restores(&self, task: TaskId) -> bool {
        self.underway.values().any(|restoring| restoring.task == task)
    }

    /// Begins with the stores of new tasks; those that lack nothing are done at once.
    ///
    /// A changelog that begins behind what a store has, or ends before it, is another one than the store was made from: the
    /// store is wiped and comes back from the beginning.
    pub(super) async fn begin(&mut self, tasks: Vec<&mut StreamTask>) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for task in tasks {
            let (id, stores) = (task.id(), task.stores_mut());
            let logged = stores.layouts().enumerate().filter_map(|(store, layout)| {
                Some((store, TopicPartition::new(layout.changelog.clone()?, id.partition)))
            });
            let logged: Vec<_> = logged.collect();
            wanted.extend(logged.into_iter().map(|(store, partition)| (id, store, partition)));
            self.look_up(&wanted, task).await?;
            wanted.clear();
        }
        self.read_on()
    }

    async fn look_up(
        &mut self,
        wanted: &[(TaskId, usize, TopicPartition)],
        task: &mut StreamTask,
    ) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let consumer = match self.consumer.take() {
            Some(consumer) => consumer,
            None => start(&self.kafka, &self.properties).await?,
        };
        let consumer = self.consumer.insert(consumer);
        let partitions = || wanted.iter().map(|(_, _, partition)| partition.clone());
        let begins = consumer.beginning_offsets(partitions()).await?;
        let ends = consumer.end_offsets(partitions()).await?;
        for (id, store, partition) in wanted {
            let begin = begins.get(partition).map_or(0, |offset| offset.0);
            let end = ends.get(partition).map_or(0, |offset| offset.0);
            let from = match task.stores().restore_from(*store) {
                Some(from) if (begin..=end).contains(&from) => from,
                Some(from) => {
                    tracing::warn!(target: "courant::streams", task = %id, %partition, from, begin, end, "the changelog does not reach to the store: it is restored anew");
                    task.stores_mut().wipe(*store)?;
                    begin
                }
                None => begin,
            };
            if from < end {
                tracing::info!(target: "courant::streams", task = %id, %partition, from, end, "restore begins");
                self.underway.insert(partition.clone(), Restoring { task: *id, store: *store, end });
                add(consumer, partition, from)?;
            }
        }
        Ok(())
    }

    /// What the changelogs have next; `None` after a while without anything, or once a partition has to begin anew.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, Error> {
        let Some(consumer) = &mut self.consumer else { return Ok(None) };
        let polled = tokio::select! {
            biased;
            polled = consumer.poll() => polled,
            () = self.kafka.world().sleep(LOOK_AGAIN) => return Ok(None),
        };
        match polled {
            Ok(batch) => Ok(batch),
            Err(error) if error.kind() == ErrorKind::OffsetOutOfRange => {
                let Some(partition) = error.topic_partition() else { return Err(error.into()) };
                tracing::warn!(target: "courant::streams", %partition, "the changelog was cut while it was read");
                consumer.seek_to_beginning([partition.clone()])?;
                Ok(None)
            }
            Err(error) if error.is_retriable() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes records into the stores of their tasks, and gives the tasks that are whole now.
    pub(super) async fn apply(
        &mut self,
        batch: Option<Batch>,
        tasks: &mut BTreeMap<TaskId, StreamTask>,
    ) -> Result<BTreeSet<TaskId>, Error> {
        if let Some(batch) = batch {
            let records: Vec<_> = batch.iter().collect();
            for run in records.chunk_by(|one, other| one.topic_partition() == other.topic_partition()) {
                let Some(last) = run.last() else { continue };
                let Some(restoring) = self.underway.get(last.topic_partition()) else { continue };
                let Some(task) = tasks.get_mut(&restoring.task) else { continue };
                let changes = run.iter().map(|record| (record.key(), record.value(), record.timestamp().0));
                task.stores_mut().restore(restoring.store, changes, last.offset().0.saturating_add(1))?;
            }
        }
        let mut done = BTreeSet::new();
        if let Some(consumer) = &self.consumer {
            for (partition, restoring) in &self.underway {
                if consumer.position(partition.clone()).await?.0 >= restoring.end {
                    done.insert(partition.clone());
                }
            }
        }
        let ended: BTreeSet<TaskId> =
            done.iter().filter_map(|partition| Some(self.underway.remove(partition)?.task)).collect();
        if !done.is_empty() {
            self.read_on()?;
        }
        Ok(ended.into_iter().filter(|task| !self.restores(*task)).collect())
    }

    /// The task is no longer here.
    pub(super) fn forget(&mut self, task: TaskId) -> Result<(), Error> {
        self.underway.retain(|_, restoring| restoring.task != task);
        self.read_on()
    }

    /// Ends the consumer.
    pub(super) async fn close(&mut self, timeout: Duration) {
        if let Some(consumer) = self.consumer.take() {
            // It committed nothing and owns nothing, so that nothing can be lost.
            consumer.close(timeout).await.ok();
        }
    }

    /// Reads what is still wanted, and nothing else.
    fn read_on(&self) -> Result<(), Error> {
        match &self.consumer {
            Some(consumer) => Ok(consumer.assign(self.underway.keys().cloned())?),
            None => Ok(()),
        }
    }
}

fn add(consumer: &Consumer, partition: &TopicPartition, from: i64) -> Result<(), Error> {
    let mut assigned = consumer.assignment();
    assigned.push(partition.clone());
    consumer.assign(assigned)?;
    Ok(consumer.seek(partition.clone(), Offset(from))?)
}

async fn start(kafka: &Kafka, properties: &Properties) -> Result<Consumer, Error> {
    let consumer = Consumer::builder(kafka).properties(properties).auto_offset_reset("none");
    Ok(consumer.start().await?)
}

/// How long to wait for records before looking whether the position has moved over what is none.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
