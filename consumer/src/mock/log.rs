//! The records of one partition of a mock.
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, Offset, TopicPartition, UnixMillis};

use crate::machine::fetch_session::FetchTarget;
use crate::machine::fetcher::{PartitionAnswer, TopicKey};
use crate::machine::reset::{EARLIEST, LATEST};
use crate::requests::ListedOffset;

/// Batches of one record each by their offsets, between a beginning and an end.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: BTreeMap<i64, (UnixMillis, Bytes)>,
    pub(super) beginning: i64,
    pub(super) end: i64,
}

impl Log {
    pub(super) fn push(&mut self, timestamp: UnixMillis, batch: Bytes) {
        self.records.insert(self.end, (timestamp, batch));
        self.end += 1;
    }

    /// Records before it are gone.
    pub(super) fn set_beginning(&mut self, offset: i64) {
        self.records.retain(|at, _| *at >= offset);
        self.beginning = offset;
        self.end = self.end.max(offset);
    }

    /// Records behind it are gone; those that will be added come there.
    pub(super) fn set_end(&mut self, offset: i64) {
        self.records.retain(|at, _| *at < offset);
        self.end = offset;
        self.beginning = self.beginning.min(offset);
    }

    /// The answer to a question about a time, or about an end.
    pub(super) fn offset_at(&self, time: UnixMillis) -> Option<ListedOffset> {
        let listed = |offset, timestamp| ListedOffset {
            offset: Offset(offset),
            timestamp,
            leader_epoch: LeaderEpoch(0),
        };
        match time {
            EARLIEST => Some(listed(self.beginning, UnixMillis::NONE)),
            LATEST => Some(listed(self.end, UnixMillis::NONE)),
            time => {
                let mut records = self.records.iter();
                records.find(|(_, (at, _))| *at >= time).map(|(offset, (at, _))| listed(*offset, *at))
            }
        }
    }

    /// The answer to a fetch.
    pub(super) fn answer(&self, target: &FetchTarget) -> PartitionAnswer {
        let TopicPartition { topic, partition } = target.partition.clone();
        let is_inside = (self.beginning..=self.end).contains(&target.offset.0);
        PartitionAnswer {
            topic: TopicKey::Name(topic),
            partition,
            error: if is_inside { ErrorCode::NONE } else { ErrorCode::OFFSET_OUT_OF_RANGE },
            high_watermark: Offset(self.end),
            last_stable_offset: Offset(self.end),
            log_start_offset: Offset(self.beginning),
            aborted: Vec::new(),
            preferred_replica: None,
            diverging: None,
            leader: None,
            records: if is_inside { self.records_from(target) } else { Bytes::new() },
        }
    }

    fn records_from(&self, target: &FetchTarget) -> Bytes {
        let limit = usize::try_from(target.max_bytes).unwrap_or(0);
        let mut bytes = BytesMut::new();
        for (_, batch) in self.records.range(target.offset.0..).map(|(_, record)| record) {
            if !bytes.is_empty() && bytes.len() + batch.len() > limit {
                break;
            }
            bytes.extend_from_slice(batch);
        }
        bytes.freeze()
    }
}
