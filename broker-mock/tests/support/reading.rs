//! Fetch and ListOffsets of one partition of `orders`, as small as can be.
use courant_protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use courant_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use courant_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use courant_protocol::messages::{FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};
use courant_protocol::record::{Batches, ReadOptions};

use super::Client;

/// The newest version of Fetch that names topics by name.
pub(crate) const FETCH: i16 = 12;

/// A fetch from an offset that does not wait.
pub(crate) fn fetch_from(offset: i64) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    FetchRequest {
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: "orders".into(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The same for readers of committed records.
pub(crate) fn committed_from(offset: i64) -> FetchRequest {
    FetchRequest { isolation_level: 1, ..fetch_from(offset) }
}

/// What a fetch says of the only partition.
pub(crate) async fn fetched(client: &mut Client, request: &FetchRequest) -> PartitionData {
    client.call(request, FETCH).await.responses.remove(0).partitions.remove(0)
}

/// The offsets of all records, those of control batches included.
pub(crate) fn offsets(data: &PartitionData) -> Vec<i64> {
    let batches = Batches::new(data.records.clone().unwrap().into_bytes(), ReadOptions::default());
    batches
        .flat_map(|batch| {
            let header = *batch.unwrap().header();
            header.base_offset.0..=header.last_offset.0
        })
        .collect()
}

/// The aborted transactions: producer id and first offset.
pub(crate) fn aborted(data: &PartitionData) -> Vec<(i64, i64)> {
    let list = data.aborted_transactions.iter().flatten();
    list.map(|txn| (txn.producer_id, txn.first_offset)).collect()
}

/// Error and offset that ListOffsets gives for a time.
pub(crate) async fn listed(client: &mut Client, timestamp: i64, isolation_level: i8) -> (i16, i64) {
    let partitions = vec![ListOffsetsPartition { timestamp, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: "orders".into(), partitions, ..Default::default() }];
    let request = ListOffsetsRequest { replica_id: -1, isolation_level, topics, ..Default::default() };
    let answer = client.call(&request, 9).await.topics.remove(0).partitions.remove(0);
    (answer.error_code, answer.offset)
}

/// Where an epoch ended, to a client that knows `current` as the leader's.
pub(crate) async fn epoch_end(client: &mut Client, current: i32, leader_epoch: i32) -> EpochEndOffset {
    let partition =
        OffsetForLeaderPartition { current_leader_epoch: current, leader_epoch, ..Default::default() };
    let topics = vec![OffsetForLeaderTopic {
        topic: "orders".into(),
        partitions: vec![partition],
        ..Default::default()
    }];
    let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
    client.call(&request, 4).await.topics.remove(0).partitions.remove(0)
}
