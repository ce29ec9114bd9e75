//! Deleting the oldest records of partitions (KIP-107).
use std::collections::BTreeMap;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use courant_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use courant_protocol::types::{Offset, TopicName, TopicPartition};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, run};
use crate::results::Results;

/// Up to where a partition's records are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBefore {
    /// All before this offset; the record at it stays.
    Offset(Offset),
    /// All that consumers can see now (up to the high watermark).
    HighWatermark,
}

impl From<Offset> for DeleteBefore {
    fn from(offset: Offset) -> Self {
        Self::Offset(offset)
    }
}

impl Admin {
    /// Deletes the records before an offset of each partition; gives where each log starts then.
    ///
    /// # Errors
    /// Each partition has its own: [`OffsetOutOfRange`](crate::ErrorKind::OffsetOutOfRange),
    /// [`Policy`](crate::ErrorKind::Policy) where the topic is only compacted,
    /// [`UnknownTopic`](crate::ErrorKind::UnknownTopic) when it is still not there once the time is up.
    ///
    /// # Cancel safety
    /// When the future is dropped the records may be deleted nevertheless: the request may be on its way.
    pub async fn delete_records<P: Into<TopicPartition>, B: Into<DeleteBefore>>(
        &self,
        partitions: impl IntoIterator<Item = (P, B)>,
    ) -> Results<TopicPartition, Offset> {
        let items = partitions.into_iter().map(|(partition, before)| (partition.into(), before.into()));
        let items: Vec<(TopicPartition, DeleteBefore)> = items.collect();
        let results = run(self, &DeleteRecords, items.clone()).await;
        Results::new(items.into_iter().map(|(partition, _)| partition).zip(results).collect())
    }
}

struct DeleteRecords;

impl Api for DeleteRecords {
    type Item = (TopicPartition, DeleteBefore);
    type Value = Offset;
    type Request = DeleteRecordsRequest;

    const WHAT: &'static str = "delete the partition's records";

    fn route(&self, item: &Self::Item) -> Route {
        Route::Leader(item.0.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        code.is_retriable()
    }

    fn request(&self, items: &[Self::Item], _: i16, timeout_ms: i32) -> DeleteRecordsRequest {
        let mut topics: BTreeMap<&TopicName, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        for (partition, before) in items {
            let offset = match before {
                DeleteBefore::Offset(offset) => offset.0,
                DeleteBefore::HighWatermark => -1,
            };
            let wanted = DeleteRecordsPartition { partition_index: partition.partition.0, offset };
            topics.entry(&partition.topic).or_default().push(wanted);
        }
        let topic =
            |(name, partitions): (&TopicName, _)| DeleteRecordsTopic { name: Str::from(&**name), partitions };
        DeleteRecordsRequest { topics: topics.into_iter().map(topic).collect(), timeout_ms }
    }

    fn throttle_ms(response: &DeleteRecordsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[Self::Item],
        _: i16,
        response: DeleteRecordsResponse,
    ) -> Vec<Option<Answer<Offset>>> {
        let answer = |(partition, _): &Self::Item| {
            let topic = response.topics.iter().find(|topic| *topic.name == *partition.topic)?;
            let found =
                topic.partitions.iter().find(|found| found.partition_index == partition.partition.0)?;
            Some(match found.error_code {
                0 => Ok(Offset(found.low_watermark)),
                code => Err((ErrorCode(code), None)),
            })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &Self::Item, error: courant_client::Error) -> courant_client::Error {
        error.at_partition(item.0.topic.clone(), item.0.partition)
    }
}
