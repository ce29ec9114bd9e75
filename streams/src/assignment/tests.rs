//! The bytes of a group against those that Kafka Streams wrote.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::assignment_info::AssignmentInfo;
use super::subscription_info::{OffsetSum, SubscriptionInfo};
use crate::task::TaskId;

const GOLDEN: &str = include_str!("golden/group-bytes.txt");
const PROCESS: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// The lines of a kind: version and bytes.
fn golden(kind: &str) -> Vec<(i32, Vec<u8>)> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let parse = |line: &str| {
        let [found, version, hex] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let bytes = || hex.as_bytes().chunks(2).map(byte).collect();
        (found == kind).then(|| (version.parse().unwrap(), bytes()))
    };
    let found: Vec<_> = GOLDEN.lines().filter_map(parse).collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

fn task(sub_topology: i32, partition: i32) -> TaskId {
    TaskId { sub_topology, partition }
}

#[test]
fn every_version_of_a_members_words_is_read_as_java_wrote_it() {
    for (version, bytes) in golden("subscription") {
        let info = SubscriptionInfo::decode(&bytes).unwrap();
        let sum = if version >= 7 { OffsetSum::Upto(258) } else { OffsetSum::Unknown };
        let tasks = BTreeMap::from([(task(0, 1), OffsetSum::Running), (task(1, 0), sum)]);
        assert_eq!((info.version, info.process, &info.tasks), (version, PROCESS, &tasks));
        assert_eq!(info.latest_version, if version < 3 { -1 } else { 11 });
        assert_eq!(&info.endpoint[..], if version < 2 { &b""[..] } else { b"host:9" });
        assert_eq!(info.unique, if version < 8 { 0 } else { 3 });
        if version == 11 {
            assert_eq!(info.tags, [(Bytes::from_static(b"zone"), Bytes::from_static(b"a"))]);
            assert_eq!(info.encode(), bytes);
        }
    }
}

#[test]
fn what_we_say_is_what_java_would_say() {
    let tasks = BTreeMap::from([(task(0, 1), OffsetSum::Running), (task(1, 0), OffsetSum::Upto(258))]);
    let info = SubscriptionInfo::new(PROCESS, tasks, 3);
    for (_, bytes) in golden("subscription-plain") {
        assert_eq!(info.encode(), bytes);
    }
}

#[test]
fn assignments_of_every_version_are_javas() {
    for (version, bytes) in golden("assignment") {
        let mut info = AssignmentInfo::new(version, vec![task(0, 1), task(1, 2)]);
        info.standby.insert(task(0, 0), vec![("orders", 3).into()]);
        info.common_version = 11;
        assert_eq!(info.encode(), bytes, "{version}");
        let read = AssignmentInfo::decode(&bytes).unwrap();
        assert_eq!((read.active, read.standby), (info.active, info.standby), "{version}");
    }
    for (version, bytes) in golden("assignment-hosts") {
        let read = AssignmentInfo::decode(&bytes).unwrap();
        assert_eq!(read.active, [task(0, 1)]);
        assert_eq!(read.error, if version < 4 { 0 } else { 5 }, "{version}");
    }
}
