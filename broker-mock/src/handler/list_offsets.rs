//! ListOffsets (2), versions 1–11: offsets for times.
//!
//! -1 latest, -2 earliest, -3 the record with the largest time (KIP-734), -4 earliest local (KIP-405), -5 latest tiered
//! (KIP-1005), -6 earliest pending upload (KIP-1023): nothing is tiered, so the last two find nothing.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use courant_protocol::types::{Offset, UnixMillis};

use super::call::Call;
use crate::cluster::{Cluster, Partition};
use crate::log::{Found, Isolation};

pub(super) const VERSIONS: VersionRange = VersionRange::new(1, 11);

/// The first version that tells the epoch of the offset.
const FIRST_WITH_EPOCH: i16 = 4;

/// The first version that tells a leader that is not ready from one that is not there (KIP-207).
const FIRST_WITH_NOT_AVAILABLE: i16 = 5;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(super) fn handle(cluster: &Cluster, call: &Call, request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = Isolation::from(request.isolation_level);
    let twice = twice(request);
    let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|wanted| {
                let index = wanted.partition_index;
                let partition = call.led(cluster, &topic.name, index, wanted.current_leader_epoch);
                let version = call.version;
                if twice.contains(&(&*topic.name, index)) {
                    return answer(version, index, Err(ErrorCode::INVALID_REQUEST));
                }
                let found =
                    partition.and_then(|partition| find(partition, wanted.timestamp, isolation, version));
                answer(version, index, found)
            })
            .collect(),
    });
    ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
}

/// Partitions that are asked for more than once, which no answer could tell apart.
fn twice(request: &ListOffsetsRequest) -> BTreeSet<(&str, i32)> {
    let mut seen = BTreeSet::new();
    let all = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|wanted| (&*topic.name, wanted.partition_index)));
    all.filter(|partition| !seen.insert(*partition)).collect()
}

fn find(
    partition: &Partition,
    timestamp: i64,
    isolation: Isolation,
    version: i16,
) -> Result<Found, ErrorCode> {
    let log = &partition.log;
    let at =
        |offset: Offset| Found { offset, timestamp: UnixMillis::NONE, leader_epoch: log.epochs().of(offset) };
    let end = match isolation {
        Isolation::ReadUncommitted => log.high_watermark(),
        Isolation::ReadCommitted => log.last_stable_offset(),
    };
    match timestamp {
        LATEST => {
            catches_up(partition, version)?;
            Ok(Found { offset: end, timestamp: UnixMillis::NONE, leader_epoch: partition.epoch })
        }
        EARLIEST => Ok(at(log.log_start())),
        MAX_TIMESTAMP if version >= 7 => below(log.largest_timestamp(), end, partition, version),
        EARLIEST_LOCAL if version >= 8 => Ok(at(log.log_start())),
        LATEST_TIERED if version >= 9 => Ok(Found::NOTHING),
        EARLIEST_PENDING_UPLOAD if version >= 11 => Ok(Found::NOTHING),
        timestamp if timestamp < 0 => Err(ErrorCode::UNSUPPORTED_VERSION),
        timestamp => below(log.first_at_or_after(UnixMillis(timestamp)), end, partition, version),
    }
}

/// A record behind what the reader may see counts as none.
fn below(found: Found, end: Offset, partition: &Partition, version: i16) -> Result<Found, ErrorCode> {
    if found.offset < end {
        return Ok(found);
    }
    catches_up(partition, version)?;
    Ok(Found::NOTHING)
}

/// A new leader does not say where its log ends for readers before that is in its own epoch (KIP-207).
fn catches_up(partition: &Partition, version: i16) -> Result<(), ErrorCode> {
    if partition.epoch_start <= partition.log.high_watermark() {
        Ok(())
    } else if version >= FIRST_WITH_NOT_AVAILABLE {
        Err(ErrorCode::OFFSET_NOT_AVAILABLE)
    } else {
        Err(ErrorCode::LEADER_NOT_AVAILABLE)
    }
}

fn answer(
    version: i16,
    partition_index: i32,
    found: Result<Found, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let (error_code, found) = match found {
        Ok(found) => (0, found),
        Err(error) => (error.0, Found::NOTHING),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code,
        timestamp: found.timestamp.0,
        offset: found.offset.0,
        leader_epoch: if version >= FIRST_WITH_EPOCH { found.leader_epoch.0 } else { -1 },
        ..Default::default()
    }
}
