//! Records kept in memory, and fetches that wait for them.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::broker::Broker;

/// The logs of all partitions.
#[derive(Debug, Default)]
pub(crate) struct Store {
    logs: Mutex<HashMap<(String, i32), Log>>,
    appended: Notify,
}

/// One partition.
#[derive(Debug, Default)]
struct Log {
    batches: Vec<StoredBatch>,
    end: i64,
}

#[derive(Debug)]
struct StoredBatch {
    last_offset: i64,
    bytes: Bytes,
}

/// What the broker reads of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchHead {
    /// How many records it holds.
    pub(crate) records: u64,
    last_offset_delta: i64,
}

impl BatchHead {
    /// Reads the head of a batch of magic 2; `None` if the bytes are too short for one.
    pub(crate) fn read(batch: &[u8]) -> Option<Self> {
        Some(Self {
            records: u64::try_from(i32_at(batch, 57)?).ok()?,
            last_offset_delta: i64::from(i32_at(batch, 23)?).max(0),
        })
    }
}

impl Store {
    fn logs(&self) -> MutexGuard<'_, HashMap<(String, i32), Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a batch and gives its base offset.
    pub(crate) fn append(&self, topic: &str, partition: i32, batch: &[u8], head: &BatchHead) -> i64 {
        let mut logs = self.logs();
        let log = logs.entry((topic.to_owned(), partition)).or_default();
        let base = log.end;
        let mut bytes = BytesMut::from(batch);
        if let Some(field) = bytes.first_chunk_mut() {
            *field = base.to_be_bytes();
        }
        let last_offset = base + head.last_offset_delta;
        log.end = last_offset + 1;
        log.batches.push(StoredBatch { last_offset, bytes: bytes.freeze() });
        base
    }

    /// Wakes the fetches that wait.
    pub(crate) fn wake(&self) {
        self.appended.notify_waiters();
    }

    /// The offset behind the last record.
    pub(crate) fn end(&self, topic: &str, partition: i32) -> i64 {
        self.logs().get(&(topic.to_owned(), partition)).map_or(0, |log| log.end)
    }

    /// Whole batches from an offset on, one at least if there is one, and the end of the log.
    fn read(&self, topic: &str, partition: i32, offset: i64, bytes_max: usize) -> (Bytes, i64) {
        let logs = self.logs();
        let Some(log) = logs.get(&(topic.to_owned(), partition)) else { return (Bytes::new(), 0) };
        let from = log.batches.partition_point(|batch| batch.last_offset < offset);
        let mut records = BytesMut::new();
        for batch in log.batches.get(from..).unwrap_or_default() {
            if !records.is_empty() && records.len() + batch.bytes.len() > bytes_max {
                break;
            }
            records.extend_from_slice(&batch.bytes);
        }
        (records.freeze(), log.end)
    }
}

impl Broker {
    /// What is there of the partitions that are asked for, once it is enough or the time is up.
    pub(crate) async fn fetch_stored(&self, request: FetchRequest) -> FetchResponse {
        self.stats.fetch_requests.fetch_add(1, Relaxed);
        let deadline =
            Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        loop {
            // Asked for before reading, so that what is appended in between wakes it.
            let appended = self.store.appended.notified();
            let (response, bytes) = self.read_stored(&request);
            let enough = bytes >= usize::try_from(request.min_bytes).unwrap_or(0);
            if enough || tokio::time::timeout_at(deadline, appended).await.is_err() {
                self.stats.fetch_bytes.fetch_add(bytes as u64, Relaxed);
                return response;
            }
        }
    }

    fn read_stored(&self, request: &FetchRequest) -> (FetchResponse, usize) {
        let limit = usize::try_from(request.max_bytes).unwrap_or(0);
        let mut total = 0_usize;
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let room = usize::try_from(partition.partition_max_bytes).unwrap_or(0);
                let room = room.min(limit.saturating_sub(total));
                let (records, end) =
                    self.store.read(&topic.topic, partition.partition, partition.fetch_offset, room);
                total += records.len();
                partitions.push(
                    PartitionData::default()
                        .with_partition_index(partition.partition)
                        .with_high_watermark(end)
                        .with_last_stable_offset(end)
                        .with_log_start_offset(0)
                        .with_aborted_transactions(None)
                        .with_preferred_read_replica(BrokerId(-1))
                        .with_records(Some(records)),
                );
            }
            topics.push(
                FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions),
            );
        }
        (FetchResponse::default().with_responses(topics), total)
    }
}

/// A number of a batch's head.
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|field| i32::from_be_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(last_offset_delta: i32) -> Vec<u8> {
        let mut batch = vec![0; 61];
        batch[23..27].copy_from_slice(&last_offset_delta.to_be_bytes());
        batch[57..61].copy_from_slice(&(last_offset_delta + 1).to_be_bytes());
        batch
    }

    #[test]
    fn batches_continue_the_log_and_are_read_whole() {
        let store = Store::default();
        for delta in [1, 0, 4] {
            let batch = batch(delta);
            let head = BatchHead::read(&batch);
            assert!(head.is_some_and(|head| {
                store.append("a", 0, &batch, &head);
                head.records == delta as u64 + 1
            }));
        }
        assert_eq!(store.end("a", 0), 8);
        let (records, end) = store.read("a", 0, 1, 1);
        assert_eq!((records.len(), end), (61, 8));
        let (records, _) = store.read("a", 0, 2, 1000);
        assert_eq!(records.len(), 122);
        assert_eq!(records[..8], 2_i64.to_be_bytes());
        assert_eq!(store.read("b", 0, 0, 1000), (Bytes::new(), 0));
    }
}
