//! What the four assignors of Apache Kafka 4.3.1 made of 600 groups, and what they say in their user data.
//!
//! The files under `golden/assignors` hold one JSON object a line: the members, the topics, and Java's assignment. The rounds
//! of one seed follow each other: members own what the round before gave them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use bytes::Bytes;
use courant_consumer::assignor::{
    Assignment, Assignor, GroupAssignment, GroupCluster, GroupMember, LastAssignment, PartitionAssignor,
    Subscription,
};
use courant_protocol::types::TopicPartition;
use serde_json::Value;

fn lines(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/golden/assignors/{file}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unhex(text: &str) -> Bytes {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn partitions(list: &Value) -> Vec<TopicPartition> {
    let partition = |pair: &Value| {
        TopicPartition::new(pair[0].as_str().unwrap(), i32::try_from(pair[1].as_i64().unwrap()).unwrap())
    };
    list.as_array().unwrap().iter().map(partition).collect()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn cluster(case: &Value) -> GroupCluster {
    case["topics"].as_array().unwrap().iter().fold(GroupCluster::new(), |cluster, topic| {
        let name = topic["topic"].as_str().unwrap();
        match topic["replica_racks"].as_array() {
            Some(racks) => cluster.with_racks(name, racks.iter().map(texts)),
            None => cluster.with_topic(name, usize::try_from(topic["partitions"].as_u64().unwrap()).unwrap()),
        }
    })
}

/// A member as its leader sees it: the subscription has gone through the embedded protocol.
fn member(value: &Value) -> GroupMember {
    let mut subscription = Subscription::new(texts(&value["topics"]));
    subscription.user_data = value["user_data"].as_str().map(unhex);
    subscription.owned = partitions(&value["owned"]);
    subscription.generation = i32::try_from(value["generation"].as_i64().unwrap()).ok().filter(|it| *it >= 0);
    subscription.rack = value["rack_id"].as_str().map(str::to_owned);
    for (version, bytes) in value["subscription_bytes"].as_object().into_iter().flatten() {
        let version = version[1..].parse().unwrap();
        assert_eq!(subscription.encode(version).unwrap(), unhex(bytes.as_str().unwrap()), "{value}");
    }
    let subscription = Subscription::decode(subscription.encode(3).unwrap()).unwrap();
    let mut member = GroupMember::new(value["member_id"].as_str().unwrap(), subscription);
    member.group_instance_id = value["group_instance_id"].as_str().map(str::to_owned);
    member
}

fn as_sets(assignment: &GroupAssignment) -> BTreeMap<&str, BTreeSet<String>> {
    let set = |share: &Assignment| share.partitions.iter().map(ToString::to_string).collect();
    assignment.iter().map(|(member_id, share)| (member_id.as_str(), set(share))).collect()
}

/// Each partition that somebody wants has one owner, who wants it.
fn check_valid(what: &str, cluster: &GroupCluster, members: &[GroupMember], assignment: &GroupAssignment) {
    let mut left: BTreeSet<TopicPartition> = BTreeSet::new();
    for topic in cluster.topics() {
        if members.iter().any(|member| member.subscription.topics.contains(topic)) {
            let count = i32::try_from(cluster.partitions(topic)).unwrap();
            left.extend((0..count).map(|partition| TopicPartition::new(topic.clone(), partition)));
        }
    }
    for member in members {
        for partition in &assignment[&member.member_id].partitions {
            assert!(member.subscription.topics.contains(&partition.topic), "{what}: {partition}");
            assert!(left.remove(partition), "{what}: {partition} is given twice");
        }
    }
    assert!(left.is_empty(), "{what}: nobody has {left:?}");
}

/// No member could take a partition from one that has at least two more.
fn check_balanced(what: &str, members: &[GroupMember], assignment: &GroupAssignment) {
    for member in members {
        let has = assignment[&member.member_id].partitions.len();
        for (other, share) in assignment.iter().filter(|(_, share)| share.partitions.len() > has + 1) {
            for partition in &share.partitions {
                let wants = member.subscription.topics.contains(&partition.topic);
                assert!(!wants, "{what}: {} could take {partition} from {other}", member.member_id);
            }
        }
    }
}

fn check_all(assignor: Assignor) {
    let cases = lines(assignor.name());
    assert_eq!(cases.len(), 150);
    let (mut as_java, mut with_bytes) = (0, 0);
    for case in &cases {
        let what = format!("{assignor}, case {}", case["case"]);
        let cluster = cluster(case);
        let members: Vec<GroupMember> = case["members"].as_array().unwrap().iter().map(member).collect();
        let assignment = assignor.assign(&cluster, &members).unwrap();
        if case["member_order_matters"] == true {
            check_valid(&what, &cluster, &members, &assignment);
            check_balanced(&what, &members, &assignment);
            continue;
        }
        let java = case["assignment"].as_object().unwrap();
        let java: GroupAssignment =
            java.iter().map(|(id, list)| (id.clone(), Assignment::new(partitions(list)))).collect();
        assert_eq!(as_sets(&assignment), as_sets(&java), "{what}");
        as_java += 1;
        for (member_id, versions) in case["assignment_bytes"].as_object().into_iter().flatten() {
            for (version, bytes) in versions.as_object().unwrap() {
                let version = version[1..].parse().unwrap();
                let ours = assignment[member_id].encode(version).unwrap();
                assert_eq!(ours, unhex(bytes.as_str().unwrap()), "{what}: the bytes of {member_id}");
                with_bytes += 1;
            }
        }
    }
    let order_matters = usize::from(matches!(assignor, Assignor::Sticky | Assignor::CooperativeSticky));
    assert_eq!(as_java, 150 - order_matters);
    assert!(with_bytes > 100, "{with_bytes}");
}

#[test]
fn range_divides_150_groups_as_java_does() {
    check_all(Assignor::Range);
}

#[test]
fn round_robin_divides_150_groups_as_java_does() {
    check_all(Assignor::RoundRobin);
}

#[test]
fn sticky_divides_150_groups_as_java_does() {
    check_all(Assignor::Sticky);
}

#[test]
fn cooperative_sticky_divides_150_groups_as_java_does() {
    check_all(Assignor::CooperativeSticky);
}

#[test]
fn sticky_assignors_write_the_user_data_that_java_writes() {
    let mut seen = 0;
    for line in lines("embedded-consumer-protocol") {
        let kind = line["kind"].as_str().unwrap();
        let Some(name) = kind.strip_suffix(" user data") else { continue };
        let assignor: Assignor = name.parse().unwrap();
        let last = line["generation"].as_i64().map(|generation| LastAssignment {
            assignment: Assignment::new(partitions(&line["owned"])),
            generation: i32::try_from(generation).unwrap(),
        });
        let ours = assignor.user_data(&BTreeSet::new(), last.as_ref());
        assert_eq!(ours, line["hex"].as_str().map(unhex), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}
