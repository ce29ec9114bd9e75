//! What a leader tells a member: which tasks are behind its partitions.
use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use courant_protocol::types::TopicPartition;

use super::bytes_in::{LATEST_VERSION, Malformed, NAMED_TOPOLOGIES, list, task_id, text};
use super::subscription_info::count;
use crate::task::TaskId;

/// The user data of a stream member's assignment (Kafka Streams' `AssignmentInfo`).
///
/// ```text
/// version int32 · latest version of all int32 (3+)
/// active tasks [task], one for each assigned partition · standby tasks [task, [topic utf, partition int32]]
/// partitions by host (2+; from 5 on with a dictionary of topics, from 6 on for standbys as well)
/// error int32 (4+) · next rebalance int64 (7+)
/// task = sub-topology int32, partition int32, length of a name int32 (10+)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AssignmentInfo {
    /// The version of these bytes.
    pub(crate) version: i32,
    /// The newest version that all members know.
    pub(crate) common_version: i32,
    /// The task of each assigned partition, in the order of the partitions.
    pub(crate) active: Vec<TaskId>,
    /// Tasks whose state the member is to keep up with.
    pub(crate) standby: BTreeMap<TaskId, Vec<TopicPartition>>,
    /// Why there is no assignment, if not 0.
    pub(crate) error: i32,
    /// When the member is to join again: 0 for at once, [`NEVER`] for not of itself.
    pub(crate) next_rebalance_ms: i64,
}

impl AssignmentInfo {
    /// Active tasks alone.
    pub(crate) fn new(version: i32, active: Vec<TaskId>) -> Self {
        let common_version = version;
        Self { version, common_version, active, standby: BTreeMap::new(), error: 0, next_rebalance_ms: NEVER }
    }

    /// The bytes. Nobody of ours answers queries, so there are no partitions by host.
    pub(crate) fn encode(&self) -> Bytes {
        let version = self.version.clamp(1, LATEST_VERSION);
        let mut bytes = BytesMut::new();
        bytes.put_i32(version);
        if version >= 3 {
            bytes.put_i32(self.common_version);
        }
        bytes.put_i32(count(self.active.len()));
        for task in &self.active {
            put_task(&mut bytes, *task, version);
        }
        bytes.put_i32(count(self.standby.len()));
        for (task, partitions) in &self.standby {
            put_task(&mut bytes, *task, version);
            bytes.put_i32(count(partitions.len()));
            for partition in partitions {
                // A topic's name has at most 249 characters, all ASCII.
                bytes.put_u16(u16::try_from(partition.topic.len()).unwrap_or(u16::MAX));
                bytes.put_slice(partition.topic.as_bytes());
                bytes.put_i32(partition.partition.0);
            }
        }
        // No hosts: one empty list, a dictionary beside it, and from version 6 on one for standbys.
        bytes.put_bytes(0, 4 * [0, 0, 1, 1, 1, 2, 3].get(version as usize).copied().unwrap_or(3_usize));
        if version >= 4 {
            bytes.put_i32(self.error);
        }
        if version >= 7 {
            bytes.put_i64(self.next_rebalance_ms);
        }
        bytes.freeze()
    }

    /// Reads any version.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        let version = bytes.try_get_i32()?;
        if !(1..=LATEST_VERSION).contains(&version) {
            return Err(Malformed::UnknownVersion(version));
        }
        let mut info = Self::new(version, Vec::new());
        info.common_version = if version >= 3 { bytes.try_get_i32()? } else { -1 };
        info.active = list(bytes, |bytes| task_id(bytes, version))?;
        let standby = list(bytes, |bytes| Ok((task_id(bytes, version)?, list(bytes, partition)?)))?;
        info.standby = standby.into_iter().collect();
        skip_hosts(bytes, version)?;
        info.error = if version >= 4 { bytes.try_get_i32()? } else { 0 };
        info.next_rebalance_ms = if version >= 7 { bytes.try_get_i64()? } else { NEVER };
        Ok(info)
    }
}

fn put_task(bytes: &mut BytesMut, task: TaskId, version: i32) {
    bytes.put_i32(task.sub_topology);
    bytes.put_i32(task.partition);
    if version >= NAMED_TOPOLOGIES {
        bytes.put_i32(0);
    }
}

fn partition(bytes: &mut &[u8]) -> Result<TopicPartition, Malformed> {
    Ok(TopicPartition::new(text(bytes)?, bytes.try_get_i32()?))
}

/// Passes over the partitions by host, which matter for queries alone.
fn skip_hosts(bytes: &mut &[u8], version: i32) -> Result<(), Malformed> {
    let host = |bytes: &mut &[u8]| -> Result<(), Malformed> {
        text(bytes)?;
        bytes.try_get_i32()?;
        Ok(())
    };
    match version {
        1 => {}
        2..=4 => {
            list(bytes, |bytes| host(bytes).and_then(|()| list(bytes, partition)))?;
        }
        _ => {
            let pair = |bytes: &mut &[u8]| Ok((bytes.try_get_i32()?, bytes.try_get_i32()?));
            list(bytes, |bytes| Ok((bytes.try_get_i32()?, text(bytes)?)))?;
            for _ in 0..if version == 5 { 1 } else { 2 } {
                list(bytes, |bytes| host(bytes).and_then(|()| list(bytes, pair)))?;
            }
        }
    }
    Ok(())
}

/// No rebalance is planned.
pub(crate) const NEVER: i64 = i64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId { sub_topology: 1, partition: 2 };

    #[test]
    fn the_newest_version_is_written_as_java_writes_it() {
        let mut info = AssignmentInfo::new(11, vec![TASK]);
        info.next_rebalance_ms = 0;
        let expected = [
            &[0, 0, 0, 11, 0, 0, 0, 11][..],
            &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0], // active
            &[0, 0, 0, 0],                                     // standby
            &[0; 12],                                          // dictionary, hosts, hosts of standbys
            &[0; 4],                                           // error
            &[0; 8],                                           // next rebalance
        ]
        .concat();
        assert_eq!(&info.encode()[..], expected);
        assert_eq!(AssignmentInfo::decode(&expected), Ok(info));
    }

    #[test]
    fn every_version_comes_back() {
        for version in 1..=LATEST_VERSION {
            let mut info = AssignmentInfo::new(version, vec![TASK, TASK]);
            info.standby.insert(TaskId { sub_topology: 0, partition: 0 }, vec![("orders", 3).into()]);
            if version < 3 {
                info.common_version = -1;
            }
            let bytes = info.encode();
            assert_eq!(AssignmentInfo::decode(&bytes), Ok(info), "{version}");
            for length in 0..bytes.len() {
                assert!(AssignmentInfo::decode(&bytes[..length]).is_err(), "{version} {length}");
            }
        }
    }

    #[test]
    fn hosts_of_a_java_leader_are_passed_over() {
        let whole = [
            &[0, 0, 0, 6, 0, 0, 0, 11][..],
            &[0, 0, 0, 0, 0, 0, 0, 0],             // no tasks
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 1, b't'], // dictionary: 0 = t
            &[0, 0, 0, 1, 0, 1, b'h', 0, 0, 0, 9], // one host, h:9
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4], // with t-4
            &[0, 0, 0, 0],                         // no standbys
            &[0, 0, 0, 5],                         // error
        ]
        .concat();
        assert_eq!(AssignmentInfo::decode(&whole).unwrap().error, 5);
    }
}
