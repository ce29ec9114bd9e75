//! The offsets topic: created, read to its end, written to.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use courant_admin::{Admin, ConfigResource, NewTopic};
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_producer::{Producer, Record};
use courant_protocol::types::{Offset, TopicName, TopicPartition};
use serde_json::Value;

use crate::embedded::control::until;
use crate::embedded::outlet::{TARGET, create};
use crate::embedded::settings::WorkerSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::worker::{OffsetRecord, OffsetStore};

/// The topic that keeps how far sources have come, and what it says.
///
/// Offsets are written with the producer that wrote the records they stand for, so that both can go into one transaction.
pub(crate) struct OffsetsTopic {
    kafka: Kafka,
    topic: TopicName,
    store: Mutex<OffsetStore>,
}

impl OffsetsTopic {
    /// Creates the topic if there is none, and reads what it says.
    ///
    /// # Errors
    /// A topic that is not compacted is refused: its brokers would forget how far sources have come.
    pub(crate) async fn open(kafka: &Kafka, settings: &WorkerSettings) -> Result<Self> {
        let topic = NewTopic::new(settings.offsets_topic.as_str())
            .partitions(settings.offsets_partitions)
            .replication_factor(settings.offsets_replication_factor)
            .config("cleanup.policy", "compact");
        let topic = settings
            .offsets_configs
            .iter()
            .fold(topic, |topic, (name, value)| topic.config(name.clone(), value));
        create(kafka, topic).await?;
        let opened = Self {
            kafka: kafka.clone(),
            topic: TopicName::from(settings.offsets_topic.as_str()),
            store: Mutex::default(),
        };
        opened.refuse_unless_compacted().await?;
        opened.read_to_end().await?;
        Ok(opened)
    }

    async fn refuse_unless_compacted(&self) -> Result<()> {
        let described = Admin::new(&self.kafka).describe_configs([ConfigResource::topic(&*self.topic)]).await;
        let Some((_, Ok(config))) = described.into_iter().next() else {
            // Who may not see a topic's configs may still write to it.
            tracing::warn!(target: TARGET, topic = %self.topic, "cannot see whether the offsets topic is compacted");
            return Ok(());
        };
        let policy = config.value("cleanup.policy").unwrap_or_default();
        if policy.trim() == "compact" {
            return Ok(());
        }
        let what = format!(
            "topic `{}` has cleanup.policy={policy}: the brokers would delete the offsets of sources",
            self.topic
        );
        let hint = "set its cleanup.policy to compact, or name another topic in offset.storage.topic";
        Err(Error::config(what).hinting(hint))
    }

    /// Reads everything that the topic holds now.
    ///
    /// # Errors
    /// Whatever kept it from being read.
    pub(crate) async fn read_to_end(&self) -> Result<()> {
        let mut consumer = Consumer::builder(&self.kafka)
            .auto_commit(false)
            .set("isolation.level", "read_committed")
            .start()
            .await?;
        let read = self.read_with(&mut consumer).await;
        consumer.close(CLOSE_TIMEOUT).await?;
        read
    }

    async fn read_with(&self, consumer: &mut Consumer) -> Result<()> {
        let partitions = consumer.partitions_for(&self.topic).await?;
        let starts = consumer.beginning_offsets(partitions.clone()).await?;
        let ends = consumer.end_offsets(partitions).await?;
        let mut left: Vec<(TopicPartition, Offset)> = ends.into_iter().collect();
        left.retain(|(partition, end)| starts.get(partition).is_some_and(|start| start < end));
        consumer.assign(left.iter().map(|(partition, _)| partition.clone()))?;
        consumer.seek_to_beginning(left.iter().map(|(partition, _)| partition.clone()))?;
        let world = self.kafka.world();
        while !left.is_empty() {
            // What compaction or an aborted transaction left empty gives no records, only a position that moves.
            if let Some(batch) = until(world, world.now() + POSITION_POLL, consumer.poll()).await
                && let Some(batch) = batch?
            {
                let mut store = self.store();
                for record in &batch {
                    store.apply(record.key(), record.value());
                }
            }
            let mut open = Vec::new();
            for (partition, end) in left {
                if consumer.position(partition.clone()).await? < end {
                    open.push((partition, end));
                }
            }
            left = open;
        }
        Ok(())
    }

    /// What is stored for a connector: source partitions and offsets.
    pub(crate) fn offsets(&self, connector: &str) -> Vec<(Value, Value)> {
        self.store()
            .offsets(connector)
            .map(|(partition, offset)| (partition.clone(), offset.clone()))
            .collect()
    }

    /// The records that store these offsets.
    ///
    /// # Errors
    /// An offset that is not an object of plain values.
    pub(crate) fn records(
        &self,
        connector: &str,
        offsets: &[(Value, Option<Value>)],
    ) -> Result<Vec<OffsetRecord>> {
        let store = self.store();
        offsets
            .iter()
            .map(|(partition, offset)| store.record(connector, partition, offset.as_ref()))
            .collect()
    }

    /// Writes offsets, and waits until they are safe.
    ///
    /// # Errors
    /// They are not, or not in time; the broker may hold some of them nevertheless.
    pub(crate) async fn write(
        self: Arc<Self>,
        records: Vec<OffsetRecord>,
        producer: Producer,
        timeout: Duration,
    ) -> Result<()> {
        let world = self.kafka.world();
        let written = until(world, world.now() + timeout, self.write_all(&records, &producer)).await;
        written.unwrap_or_else(|| {
            let what = format!("the offsets were not written to `{}` within {timeout:?}", self.topic);
            Err(Error::new(ErrorKind::Timeout, what).hinting("offset.flush.timeout.ms sets the time"))
        })?;
        let mut store = self.store();
        for OffsetRecord { key, value } in &records {
            store.apply(Some(key), value.as_deref());
        }
        Ok(())
    }

    async fn write_all(&self, records: &[OffsetRecord], producer: &Producer) -> Result<()> {
        let mut deliveries = Vec::with_capacity(records.len());
        for OffsetRecord { key, value } in records {
            let record = Record::to(&self.topic).key(key.clone());
            let record = match value {
                Some(value) => record.value(value.clone()),
                None => record,
            };
            deliveries.push(producer.enqueue(record).await.map_err(courant_client::Error::from)?);
        }
        for delivery in deliveries {
            delivery.await.map_err(courant_client::Error::from)?;
        }
        Ok(())
    }

    fn store(&self) -> MutexGuard<'_, OffsetStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the positions are looked at while no records come.
const POSITION_POLL: Duration = Duration::from_millis(50);
