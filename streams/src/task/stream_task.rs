//! A task: buffered records, operators, stores, and how far it has come.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use courant_protocol::types::{LeaderEpoch, Offset, TopicName, TopicPartition};

use super::context::TaskContext;
use super::errors::ErrorHandlers;
use super::offset_metadata::OffsetMetadata;
use super::partition_group::PartitionGroup;
use super::record_collector::{OutgoingRecord, RecordCollector};
use super::task_id::TaskId;
use crate::operator::ProcessError;
use crate::record::RawRecord;
use crate::state::{Engine, EngineError, Stores};
use crate::timestamp::{SourceRecord, TimestampExtractor};
use crate::topology::{SourceIndex, TaskGraph};

/// What a task is made of.
pub(crate) struct TaskPlan {
    pub(crate) id: TaskId,
    pub(crate) graph: TaskGraph,
    /// The partitions that it reads.
    pub(crate) sources: BTreeMap<TopicPartition, TaskSource>,
    /// The topics of its sinks, by their names on the cluster.
    pub(crate) sinks: Vec<TopicName>,
    pub(crate) stores: Stores,
    pub(crate) handlers: Arc<ErrorHandlers>,
}

/// Who in a task reads a partition.
#[derive(Clone, Debug)]
pub(crate) struct TaskSource {
    pub(crate) source: SourceIndex,
    pub(crate) timestamp: TimestampExtractor,
}

/// One partition of one sub-topology, with all that belongs to it.
pub(crate) struct StreamTask {
    id: TaskId,
    graph: TaskGraph,
    group: PartitionGroup<Buffered>,
    sources: BTreeMap<TopicPartition, Reading>,
    context: TaskContext,
    /// Records of one partition that go through the operators together; kept for its memory.
    run: Vec<RawRecord>,
}

/// A partition of a task.
struct Reading {
    source: TaskSource,
    /// The largest timestamp that was buffered or processed.
    newest: i64,
    /// Behind the last record that was processed, once there is one that is not committed.
    processed: Option<Position>,
}

/// A record that waits for its turn; one that has no valid time only moves the offset.
struct Buffered {
    record: Option<RawRecord>,
    at: Position,
}

/// A record's offset and the leader epoch of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    offset: i64,
    leader_epoch: LeaderEpoch,
}

/// What a task would commit for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committable {
    /// The next offset to read.
    pub(crate) offset: Offset,
    /// The leader epoch of the record before it.
    pub(crate) leader_epoch: LeaderEpoch,
    /// The text that goes with it.
    pub(crate) metadata: String,
}

impl StreamTask {
    /// A task that has read nothing.
    pub(crate) fn new(plan: TaskPlan) -> Self {
        let TaskPlan { id, graph, sources, sinks, stores, handlers } = plan;
        let reading = |source| Reading { source, newest: -1, processed: None };
        Self {
            id,
            graph,
            group: PartitionGroup::new(sources.keys().cloned()),
            sources: sources.into_iter().map(|(partition, source)| (partition, reading(source))).collect(),
            context: TaskContext {
                task: id,
                stores,
                collector: RecordCollector::new(id.partition),
                sinks,
                restored_stream_time: -1,
                handlers,
                dropped: 0,
            },
            run: Vec::new(),
        }
    }

    /// What the task is called.
    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    /// The partitions that it reads.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.sources.keys()
    }

    /// Takes over the text that was committed for a partition: how far time had come.
    pub(crate) fn restore_time(&mut self, partition: &TopicPartition, metadata: &str) {
        let Some(metadata) = OffsetMetadata::decode(metadata) else {
            if !metadata.is_empty() {
                let (task, partition) = (self.id, partition);
                tracing::warn!(target: "courant::streams", %task, %partition, "unknown offset metadata is passed over");
            }
            return;
        };
        self.group.restore_time(partition, metadata.partition_time);
        if let Some(reading) = self.sources.get_mut(partition) {
            reading.newest = reading.newest.max(metadata.partition_time);
        }
        self.context.restored_stream_time = self.group.stream_time();
    }

    /// Buffers a record of one of the task's partitions.
    ///
    /// # Errors
    /// The record has no valid time, and its source's extractor takes that as an error.
    pub(crate) fn add(
        &mut self,
        partition: &TopicPartition,
        mut record: RawRecord,
        leader_epoch: LeaderEpoch,
    ) -> Result<(), ProcessError> {
        let Some(reading) = self.sources.get_mut(partition) else { return Ok(()) };
        let (offset, newest) = (record.offset, reading.newest);
        let timestamp = reading.source.timestamp.extract(&SourceRecord {
            partition,
            offset,
            timestamp: record.timestamp,
            partition_time: newest,
            key: record.key.as_ref(),
            value: record.value.as_ref(),
            headers: &record.headers,
        });
        let at = Position { offset, leader_epoch };
        match timestamp {
            None => return Err(ProcessError::invalid_timestamp(partition, offset)),
            Some(timestamp) if timestamp < 0 => {
                let task = self.id;
                tracing::warn!(target: "courant::streams", %task, %partition, offset, timestamp, "a record without a valid time is left out");
                self.context.dropped += 1;
                self.group.add(partition, newest, Buffered { record: None, at });
            }
            Some(timestamp) => {
                record.timestamp = timestamp;
                reading.newest = newest.max(timestamp);
                self.group.add(partition, timestamp, Buffered { record: Some(record), at });
            }
        }
        Ok(())
    }

    /// How many records wait.
    pub(crate) fn buffered(&self) -> usize {
        self.group.buffered()
    }

    /// How many records of a partition wait.
    pub(crate) fn buffered_of(&self, partition: &TopicPartition) -> usize {
        self.group.buffered_of(partition)
    }

    /// Whether a record may be processed now; see [`PartitionGroup::is_ready`].
    pub(crate) fn is_ready(
        &mut self,
        now: Instant,
        max_idle: Option<Duration>,
        lag: impl Fn(&TopicPartition) -> Option<u64>,
    ) -> bool {
        self.group.is_ready(now, max_idle, lag)
    }

    /// Processes records of the partition whose turn it is, at most `most`, and says how many.
    ///
    /// # Errors
    /// A record failed, and its handler did not pass it over. The task is of no further use.
    pub(crate) fn process(&mut self, most: usize) -> Result<usize, ProcessError> {
        let Some((partition, _)) = self.group.peek() else { return Ok(0) };
        let partition = partition.clone();
        let length = self.group.run_length(&partition, most.max(1)).max(1);
        self.run.clear();
        let mut last = None;
        for _ in 0..length {
            let Some((_, Buffered { record, at })) = self.group.take(&partition) else { break };
            self.run.extend(record);
            last = Some(at);
        }
        let Some(reading) = self.sources.get_mut(&partition) else { return Ok(0) };
        self.graph.process(reading.source.source, &partition, &self.run, &mut self.context)?;
        reading.processed = last;
        Ok(length)
    }

    /// Takes the oldest record out that the task has written.
    pub(crate) fn take_outgoing(&mut self) -> Option<OutgoingRecord> {
        self.context.collector.take()
    }

    /// What is to be committed: for each partition of which records were processed, the next record to process.
    pub(crate) fn committable(&self) -> Vec<(TopicPartition, Committable)> {
        let of = |(partition, reading): (&TopicPartition, &Reading)| {
            let processed = reading.processed?;
            let next =
                self.group.head(partition).map_or(processed.offset.saturating_add(1), |head| head.at.offset);
            let partition_time = self.group.partition_time(partition);
            let committable = Committable {
                offset: Offset(next),
                leader_epoch: processed.leader_epoch,
                metadata: OffsetMetadata { partition_time, ..OffsetMetadata::default() }.encode(),
            };
            Some((partition.clone(), committable))
        };
        self.sources.iter().filter_map(of).collect()
    }

    /// Everything that was processed is committed: written records are on the brokers, offsets at the group's coordinator.
    /// The stores follow.
    ///
    /// # Errors
    /// The engine cannot write.
    pub(crate) fn committed(&mut self) -> Result<(), EngineError> {
        self.sources.values_mut().for_each(|reading| reading.processed = None);
        self.context.stores.commit()
    }

    /// The stores.
    pub(crate) fn stores(&self) -> &Stores {
        &self.context.stores
    }

    /// The stores, to restore them.
    pub(crate) fn stores_mut(&mut self) -> &mut Stores {
        &mut self.context.stores
    }

    /// Ends the task: what is not committed is dropped, the engine stays as it was committed.
    pub(crate) fn close(self) -> Box<dyn Engine> {
        self.context.stores.into_engine()
    }
}
