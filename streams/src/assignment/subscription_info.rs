//! What a member says when it joins: who it is and whose state it has.
use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::bytes_in::{LATEST_VERSION, Malformed, NAMED_TOPOLOGIES, list, take};
use crate::task::TaskId;

/// How far a member's state of a task reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OffsetSum {
    /// The member runs the task.
    Running,
    /// It has state of the task: the changelog offsets that it goes up to, added up.
    Upto(i64),
    /// It has state, and nobody knows how much.
    Unknown,
}

impl OffsetSum {
    fn to_wire(self) -> i64 {
        match self {
            Self::Running => RUNNING,
            Self::Upto(sum) => sum,
            Self::Unknown => UNKNOWN,
        }
    }

    fn from_wire(sum: i64) -> Self {
        match sum {
            RUNNING => Self::Running,
            sum if sum >= 0 => Self::Upto(sum),
            _ => Self::Unknown,
        }
    }
}

/// The user data of a stream member's subscription (Kafka Streams' `SubscriptionInfo`).
///
/// ```text
/// version int32 · latest version int32 (3+) · process uuid
/// running tasks, other tasks [sub-topology int32, partition int32] (1–6)
/// endpoint bytes (2+)
/// offset sums [sub-topology int32, (partition int32, sum int64, name nullable string) (10+) | [partition, sum] (7–9)] (7+)
/// unique int8 (8+) · error int32 (9+) · tags [bytes, bytes] (11+)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionInfo {
    /// The version of these bytes.
    pub(crate) version: i32,
    /// The newest version that the member knows.
    pub(crate) latest_version: i32,
    /// Which process the member belongs to: those of one share its state.
    pub(crate) process: [u8; 16],
    /// Where the process answers queries, `host:port`; empty if nowhere.
    pub(crate) endpoint: Bytes,
    /// The tasks that the member runs or has state of.
    pub(crate) tasks: BTreeMap<TaskId, OffsetSum>,
    /// Differs from join to join, so that no broker takes a new one for a repetition.
    pub(crate) unique: i8,
    /// What the member wants the group to do, if not 0.
    pub(crate) error: i32,
    /// Where it runs, in the words of its owner.
    pub(crate) tags: Vec<(Bytes, Bytes)>,
}

impl SubscriptionInfo {
    /// A member of the newest version.
    pub(crate) fn new(process: [u8; 16], tasks: BTreeMap<TaskId, OffsetSum>, unique: i8) -> Self {
        Self {
            version: LATEST_VERSION,
            latest_version: LATEST_VERSION,
            process,
            endpoint: Bytes::new(),
            tasks,
            unique,
            error: 0,
            tags: Vec::new(),
        }
    }

    /// The bytes, in the newest version.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i32(LATEST_VERSION);
        bytes.put_i32(self.latest_version);
        bytes.put_slice(&self.process);
        put_bytes(&mut bytes, &self.endpoint);
        bytes.put_i32(count(self.tasks.len()));
        for (task, sum) in &self.tasks {
            bytes.put_i32(task.sub_topology);
            bytes.put_i32(task.partition);
            bytes.put_i64(sum.to_wire());
            bytes.put_i16(-1);
        }
        bytes.put_i8(self.unique);
        bytes.put_i32(self.error);
        bytes.put_i32(count(self.tags.len()));
        for (key, value) in &self.tags {
            put_bytes(&mut bytes, key);
            put_bytes(&mut bytes, value);
        }
        bytes.freeze()
    }

    /// Reads any version; of one that is newer than all known, only the versions are read, as Kafka Streams does.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        let version = bytes.try_get_i32()?;
        if version < 1 {
            return Err(Malformed::UnknownVersion(version));
        }
        let latest_version = if version >= 3 { bytes.try_get_i32()? } else { -1 };
        let mut info = Self { version, latest_version, ..Self::new([0; 16], BTreeMap::new(), 0) };
        if version > LATEST_VERSION {
            return Ok(info);
        }
        info.process.copy_from_slice(take(bytes, 16)?);
        if version < FIRST_WITH_SUMS {
            let running = list(bytes, task)?;
            let others = list(bytes, task)?;
            info.tasks.extend(others.into_iter().map(|task| (task, OffsetSum::Unknown)));
            info.tasks.extend(running.into_iter().map(|task| (task, OffsetSum::Running)));
        }
        if version >= 2 {
            info.endpoint = bytes_field(bytes)?;
        }
        if version >= FIRST_WITH_SUMS {
            info.tasks = list(bytes, |bytes| sums(bytes, version))?.into_iter().flatten().collect();
        }
        info.unique = if version >= 8 { bytes.try_get_i8()? } else { 0 };
        info.error = if version >= 9 { bytes.try_get_i32()? } else { 0 };
        if version >= 11 {
            info.tags = list(bytes, |bytes| Ok((bytes_field(bytes)?, bytes_field(bytes)?)))?;
        }
        Ok(info)
    }
}

fn task(bytes: &mut &[u8]) -> Result<TaskId, Malformed> {
    Ok(TaskId { sub_topology: bytes.try_get_i32()?, partition: bytes.try_get_i32()? })
}

fn sums(bytes: &mut &[u8], version: i32) -> Result<Vec<(TaskId, OffsetSum)>, Malformed> {
    let sub_topology = bytes.try_get_i32()?;
    let of = |bytes: &mut &[u8]| {
        let partition = bytes.try_get_i32()?;
        Ok((TaskId { sub_topology, partition }, OffsetSum::from_wire(bytes.try_get_i64()?)))
    };
    if version < NAMED_TOPOLOGIES {
        return list(bytes, of);
    }
    let sum = of(bytes)?;
    let name = bytes.try_get_i16()?;
    take(bytes, usize::try_from(name).unwrap_or(0))?;
    Ok(vec![sum])
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(count(bytes.len()));
    out.put_slice(bytes);
}

fn bytes_field(bytes: &mut &[u8]) -> Result<Bytes, Malformed> {
    let length = usize::try_from(bytes.try_get_i32()?).map_err(|_| Malformed::NegativeCount)?;
    Ok(Bytes::copy_from_slice(take(bytes, length)?))
}

/// Lengths are counted in 32 bits; what does not fit cannot be in memory either.
pub(super) fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// `Task.LATEST_OFFSET`.
const RUNNING: i64 = -2;
/// `SubscriptionInfo.UNKNOWN_OFFSET_SUM`.
const UNKNOWN: i64 = -3;
/// From here on state is told by offsets and not by lists of tasks.
const FIRST_WITH_SUMS: i32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn task(sub_topology: i32, partition: i32) -> TaskId {
        TaskId { sub_topology, partition }
    }

    #[test]
    fn the_newest_version_is_written_as_java_writes_it() {
        let tasks = BTreeMap::from([(task(0, 1), OffsetSum::Running), (task(1, 0), OffsetSum::Upto(258))]);
        let info = SubscriptionInfo::new([7; 16], tasks, 3);
        let expected = [
            &[0, 0, 0, 11, 0, 0, 0, 11][..], // versions
            &[7; 16],                        // process
            &[0, 0, 0, 0],                   // endpoint
            &[0, 0, 0, 2],                   // offset sums
            &[0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 254, 255, 255],
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 255, 255],
            &[3, 0, 0, 0, 0], // unique, error
            &[0, 0, 0, 0],    // tags
        ]
        .concat();
        assert_eq!(&info.encode()[..], expected);
        assert_eq!(SubscriptionInfo::decode(&expected), Ok(info));
    }

    #[test]
    fn old_versions_are_read() {
        // Version 2: running 0_1, other 0_2, endpoint "h:1".
        let two = [
            &[0, 0, 0, 2][..],
            &[9; 16],
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 0, 0, 3, b'h', b':', b'1'],
        ]
        .concat();
        let info = SubscriptionInfo::decode(&two).unwrap();
        assert_eq!((info.version, info.latest_version, &info.endpoint[..]), (2, -1, &b"h:1"[..]));
        assert_eq!(
            info.tasks,
            BTreeMap::from([(task(0, 1), OffsetSum::Running), (task(0, 2), OffsetSum::Unknown)])
        );
        // Version 8: of sub-topology 3 the partitions 0 and 1.
        let eight = [
            &[0, 0, 0, 8, 0, 0, 0, 11][..],
            &[9; 16],
            &[0, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5],
            &[0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 253],
            &[4],
        ]
        .concat();
        let info = SubscriptionInfo::decode(&eight).unwrap();
        assert_eq!(info.unique, 4);
        assert_eq!(
            info.tasks,
            BTreeMap::from([(task(3, 0), OffsetSum::Upto(5)), (task(3, 1), OffsetSum::Unknown)])
        );
    }

    #[test]
    fn broken_bytes_are_an_error_at_every_length() {
        let whole =
            SubscriptionInfo::new([1; 16], BTreeMap::from([(task(0, 0), OffsetSum::Running)]), 0).encode();
        for length in 0..whole.len() {
            assert!(SubscriptionInfo::decode(&whole[..length]).is_err(), "{length}");
        }
        let newer = SubscriptionInfo::decode(&[0, 0, 0, 99, 0, 0, 0, 99]).unwrap();
        assert_eq!((newer.version, newer.tasks.len()), (99, 0));
        let huge = [&[0, 0, 0, 2][..], &[0; 16], &[127, 255, 255, 255]].concat();
        assert_eq!(SubscriptionInfo::decode(&huge), Err(Malformed::TooShort));
    }
}
