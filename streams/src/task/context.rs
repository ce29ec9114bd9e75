//! What operators see of their task: stores, sinks, and what becomes of records that fail.
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use courant_protocol::types::{TopicName, TopicPartition};

use super::errors::{ErrorHandlers, Verdict};
use super::record_collector::{Destination, OutgoingRecord, RecordCollector};
use super::task_id::TaskId;
use crate::operator::{Context, Dropped, ProcessError, SinkPartition, SinkRecord, ValueAndTimestamp};
use crate::record::{Headers, RawRecord};
use crate::state::{KeyValue, Stores, Window};
use crate::topology::{SinkIndex, StoreIndex};

/// The task as its operators see it.
pub(crate) struct TaskContext {
    pub(super) task: TaskId,
    pub(super) stores: Stores,
    pub(super) collector: RecordCollector,
    /// The topics of the sinks, by their names on the cluster.
    pub(super) sinks: Vec<TopicName>,
    pub(super) restored_stream_time: i64,
    pub(super) handlers: Arc<ErrorHandlers>,
    /// How many records were left out.
    pub(super) dropped: u64,
}

impl TaskContext {
    fn key_value(&mut self, store: StoreIndex) -> KeyValue<'_> {
        KeyValue { stores: &mut self.stores, collector: &mut self.collector, store: store.0 }
    }

    fn window(&mut self, store: StoreIndex) -> Window<'_> {
        Window { stores: &mut self.stores, collector: &mut self.collector, store: store.0 }
    }

    /// Writes a record that is left out to the topic for such ones, with what happened to it in its headers.
    fn send_dead_letter(&mut self, topic: TopicName, error: &ProcessError, raw: &RawRecord) {
        let mut headers: Vec<_> = raw.headers.as_slice().to_vec();
        let mut add = |name: &'static str, value: String| {
            headers.push((Cow::Borrowed(name), Some(Bytes::from(value))));
        };
        add("__streams.errors.exception", format!("{:?}", error.kind()));
        add("__streams.errors.message", error.to_string());
        if let Some(origin) = error.origin() {
            add("__streams.errors.topic", origin.topic.to_string());
            add("__streams.errors.partition", origin.partition.to_string());
        }
        add("__streams.errors.offset", raw.offset.to_string());
        self.collector.send(OutgoingRecord {
            topic,
            destination: Destination::ByKey,
            key: raw.key.clone(),
            value: raw.value.clone(),
            timestamp: raw.timestamp,
            headers: headers.into_iter().collect::<Headers>(),
            store: None,
        });
    }
}

impl Context for TaskContext {
    fn restored_stream_time(&self) -> i64 {
        self.restored_stream_time
    }

    fn get(&mut self, store: StoreIndex, key: &[u8]) -> Result<Option<ValueAndTimestamp>, ProcessError> {
        self.key_value(store).get(key).map_err(ProcessError::store)
    }

    fn put(
        &mut self,
        store: StoreIndex,
        key: &Bytes,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), ProcessError> {
        match value {
            Some(value) => self.key_value(store).put(key.clone(), value, timestamp),
            None => self.key_value(store).delete(key.clone(), timestamp),
        }
        Ok(())
    }

    fn fetch(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        start: i64,
    ) -> Result<Option<ValueAndTimestamp>, ProcessError> {
        self.window(store).fetch_one(key, start).map_err(ProcessError::store)
    }

    fn put_window(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        start: i64,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), ProcessError> {
        match value {
            Some(value) => self.window(store).put(key, start, value, timestamp),
            None => self.window(store).delete(key, start, timestamp),
        }
        Ok(())
    }

    fn send(&mut self, sink: SinkIndex, record: SinkRecord) -> Result<(), ProcessError> {
        let topic = self.sinks.get(sink.0).cloned();
        let topic = topic.ok_or_else(|| ProcessError::internal("there is no such sink"))?;
        let SinkRecord { key, value, timestamp, headers, partition, .. } = record;
        let destination = match partition {
            SinkPartition::Partitioner => Destination::ByKey,
            SinkPartition::OfBytes(bytes) => Destination::ByHashOf(bytes),
        };
        self.collector.send(OutgoingRecord {
            topic,
            destination,
            key,
            value,
            timestamp,
            headers,
            store: None,
        });
        Ok(())
    }

    fn dropped(&mut self, origin: &TopicPartition, offset: i64, reason: Dropped) {
        self.dropped += 1;
        let task = self.task;
        tracing::debug!(target: "courant::streams", %task, %origin, offset, ?reason, "a record is left out");
    }

    fn handle_error(&mut self, error: ProcessError, raw: Option<&RawRecord>) -> Result<(), ProcessError> {
        if self.handlers.decide(&error) == Verdict::Fail {
            return Err(error);
        }
        self.dropped += 1;
        tracing::warn!(target: "courant::streams", task = %self.task, %error, "a record is left out");
        if let Some((topic, raw)) = self.handlers.dead_letters.clone().zip(raw) {
            self.send_dead_letter(topic, &error, raw);
        }
        Ok(())
    }
}
