//! How long the broker asks a connection to be silent, read from a response whatever its type (KIP-219).
use std::time::Duration;

use bytes::Bytes;
use courant_protocol::api::ApiKey;
use courant_protocol::frame::decode_response_header;
use courant_protocol::wire::Reader;

/// The throttle time of this response, zero if it has none.
///
/// From its KIP-219 version on, an API answers at once and leaves the waiting to the client; before, the broker had
/// already waited. The responses of almost all APIs begin with the time. That of Produce ends with it: the producer, which
/// reads the response anyway, tells the link.
pub(super) fn throttle_of(api: ApiKey, version: i16, frame: &Bytes) -> Duration {
    let Some(first) = first_version(api).filter(|first| version >= *first) else { return Duration::ZERO };
    debug_assert!(first >= 0, "versions count from 0");
    let mut reader = Reader::new(frame.clone());
    let throttled = decode_response_header(&mut reader, api, version).and_then(|_| reader.i32());
    Duration::from_millis(throttled.ok().and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0))
}

/// The version from which on the client waits, of the APIs whose response begins with the throttle time.
// tidy: one match
fn first_version(api: ApiKey) -> Option<i16> {
    match api {
        ApiKey::Fetch => Some(8),
        ApiKey::Metadata => Some(6),
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => Some(4),
        ApiKey::ListOffsets | ApiKey::JoinGroup | ApiKey::CreateTopics => Some(3),
        ApiKey::FindCoordinator | ApiKey::Heartbeat | ApiKey::LeaveGroup | ApiKey::SyncGroup => Some(2),
        ApiKey::DescribeGroups | ApiKey::ListGroups | ApiKey::DeleteTopics | ApiKey::DescribeConfigs => {
            Some(2)
        }
        ApiKey::DeleteRecords | ApiKey::InitProducerId | ApiKey::AddPartitionsToTxn => Some(1),
        ApiKey::AddOffsetsToTxn | ApiKey::EndTxn | ApiKey::TxnOffsetCommit | ApiKey::CreatePartitions => {
            Some(1)
        }
        ApiKey::DescribeAcls | ApiKey::CreateAcls | ApiKey::DeleteAcls | ApiKey::AlterConfigs => Some(1),
        ApiKey::DescribeCluster | ApiKey::DescribeTopicPartitions | ApiKey::IncrementalAlterConfigs => {
            Some(0)
        }
        _ => None,
    }
}
