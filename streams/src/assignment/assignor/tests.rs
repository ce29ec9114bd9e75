//! Rounds of a group of stream members.
use super::*;
use courant_consumer::assignor::Subscription;

/// Sub-topology 0 reads two topics without state, 1 a repartition topic with state.
fn assignor(process: u8) -> StreamsPartitionAssignor {
    let topics = |id, topics: &[&str], has_state| SubTopologyTopics {
        id,
        topics: topics.iter().map(TopicName::from).collect(),
        has_state,
    };
    let sub_topologies = vec![topics(0, &["a", "b"], false), topics(1, &["r"], true)];
    StreamsPartitionAssignor::new(sub_topologies, [process; 16], MemberState::default())
}

fn cluster() -> GroupCluster {
    GroupCluster::new().with_topic("a", 2).with_topic("b", 2).with_topic("r", 2)
}

fn member(id: u8, owned: &[TopicPartition], generation: i32) -> GroupMember {
    let mut subscription = Subscription::new(["a", "b", "r"]);
    subscription.user_data = assignor(id).user_data(&BTreeSet::new(), None);
    subscription.owned = owned.to_vec();
    subscription.generation = Some(generation);
    GroupMember::new(format!("m{id}"), subscription)
}

fn next_rebalance(assignment: &Assignment) -> i64 {
    AssignmentInfo::decode(assignment.user_data.as_ref().unwrap()).unwrap().next_rebalance_ms
}

#[test]
fn a_member_alone_gets_all_tasks_with_a_task_for_each_partition() {
    let given = assignor(1).assign(&cluster(), &[member(1, &[], -1)]).unwrap();
    let assignment = &given["m1"];
    let names: Vec<String> = assignment.partitions.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a-0", "a-1", "b-0", "b-1", "r-0", "r-1"]);
    let info = AssignmentInfo::decode(assignment.user_data.as_ref().unwrap()).unwrap();
    let tasks: Vec<String> = info.active.iter().map(ToString::to_string).collect();
    assert_eq!(tasks, ["0_0", "0_1", "0_0", "0_1", "1_0", "1_1"]);
    assert_eq!(info.next_rebalance_ms, i64::MAX);
}

#[test]
fn a_task_is_nobodys_until_its_owner_has_let_go_of_it() {
    let all = assignor(1).assign(&cluster(), &[member(1, &[], -1)]).unwrap()["m1"].partitions.clone();
    let round = assignor(1).assign(&cluster(), &[member(1, &all, 1), member(2, &[], -1)]).unwrap();
    let kept = &round["m1"].partitions;
    assert_eq!(kept.len() % 3, 0, "one task with two partitions and one with one");
    assert!(round["m2"].partitions.is_empty(), "what it is to get is still held");
    assert_eq!((next_rebalance(&round["m2"]), next_rebalance(&round["m1"])), (0, i64::MAX));
    let round = assignor(1).assign(&cluster(), &[member(1, kept, 2), member(2, &[], 2)]).unwrap();
    assert_eq!(&round["m1"].partitions, kept);
    assert_eq!(round["m2"].partitions.len(), 3);
}

#[test]
fn the_younger_generation_owns_what_two_claim() {
    let all: Vec<TopicPartition> = vec![("r", 0).into()];
    let claims = owners(&[member(1, &all, 3), member(2, &all, 5)]);
    assert_eq!(claims[&all[0]], "m2");
    assert_eq!(owners(&[member(1, &all, 3), member(2, &all, 3)]).len(), 0);
}

#[test]
fn what_a_member_says_differs_from_join_to_join() {
    let assignor = assignor(1);
    let topics = BTreeSet::new();
    assert_ne!(assignor.user_data(&topics, None), assignor.user_data(&topics, None));
}

#[test]
fn a_member_that_is_none_is_named() {
    let mut stranger = member(2, &[], -1);
    stranger.subscription.user_data = None;
    let error = assignor(1).assign(&cluster(), &[stranger]).unwrap_err();
    assert!(error.to_string().contains("member m2"), "{error}");
}

#[test]
fn all_speak_the_version_that_the_oldest_member_wrote() {
    let mut old = member(2, &[], -1);
    let mut bytes = vec![0, 0, 0, 7, 0, 0, 0, 7];
    bytes.extend([2; 16]);
    bytes.extend([0; 8]);
    old.subscription.user_data = Some(bytes.into());
    let given = assignor(1).assign(&cluster(), &[member(1, &[], -1), old]).unwrap();
    for assignment in given.values() {
        assert_eq!(AssignmentInfo::decode(assignment.user_data.as_ref().unwrap()).unwrap().version, 7);
    }
}
