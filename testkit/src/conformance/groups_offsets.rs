//! What a group coordinator must do with committed offsets.
use courant::TopicName;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use courant_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};

use super::groups_wire::{Member, fresh_group, settle};
use super::world::{Subject, topic};

super::case::declare! {
    ($) groups_offsets_suite;
    members_commit_for_their_generation: "C21";
    a_commit_of_another_generation_is_refused: "C21";
    a_stranger_commits_only_where_nobody_is: "C21";
    a_commit_between_join_and_sync_is_refused: "C21";
    members_commit_while_a_rebalance_is_prepared: "C21";
    a_commit_for_a_group_that_is_not_there_is_refused: "C21";
    a_commit_for_an_unknown_topic_is_refused_alone: "C21";
    too_long_metadata_is_refused: "C21";
    a_fenced_member_cannot_commit: "C21" "C19";
    offsets_are_fetched_one_by_one_or_all: "C23";
    offsets_that_members_need_are_not_deleted: "A groups";
    every_version_of_commits_and_fetches_is_served: "C21" "C23";
}

async fn member(subject: &Subject, stem: &str) -> (Member, TopicName) {
    let topic = topic(&subject.kafka().await, stem, 1).await;
    (Member::new(subject, &fresh_group(stem), &topic).await, topic)
}

/// What the group has committed for partition 0, -1 for nothing.
async fn committed(member: &mut Member, topic: &TopicName) -> i64 {
    let topics = vec![OffsetFetchRequestTopics {
        name: (&**topic).into(),
        partition_indexes: vec![0],
        ..Default::default()
    }];
    let group = OffsetFetchRequestGroup {
        group_id: member.join.group_id.clone(),
        topics: Some(topics),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let answer = member.wire.call(&request, 8).await;
    answer.groups[0].topics[0].partitions[0].committed_offset
}

async fn members_commit_for_their_generation(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit").await;
    assert_eq!(committed(&mut member, &topic).await, -1);
    member.alone().await;
    assert_eq!(member.commit(&topic, 42).await, ErrorCode::NONE);
    assert_eq!(committed(&mut member, &topic).await, 42);
}

async fn a_commit_of_another_generation_is_refused(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit-generation").await;
    member.alone().await;
    for generation in [0, 2] {
        member.generation = generation;
        assert_eq!(member.commit(&topic, 1).await, ErrorCode::ILLEGAL_GENERATION);
    }
    member.generation = 1;
    member.join.member_id = "somebody".into();
    assert_eq!(member.commit(&topic, 1).await, ErrorCode::UNKNOWN_MEMBER_ID);
}

async fn a_stranger_commits_only_where_nobody_is(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit-stranger").await;
    let mut stranger = Member::new(&subject, &member.join.group_id, &topic).await;
    assert_eq!(stranger.commit(&topic, 1).await, ErrorCode::NONE, "the group comes into being");
    member.alone().await;
    assert_eq!(stranger.commit(&topic, 2).await, ErrorCode::UNKNOWN_MEMBER_ID);
    member.leave().await;
    assert_eq!(stranger.commit(&topic, 3).await, ErrorCode::NONE);
    assert_eq!(member.commit(&topic, 4).await, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(committed(&mut member, &topic).await, 3);
}

async fn a_commit_between_join_and_sync_is_refused(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit-early").await;
    member.ask_for_id().await;
    member.join().await;
    assert_eq!(member.commit(&topic, 1).await, ErrorCode::REBALANCE_IN_PROGRESS);
}

async fn members_commit_while_a_rebalance_is_prepared(subject: Subject) {
    let (mut leader, topic) = member(&subject, "commit-preparing").await;
    let mut follower = Member::new(&subject, &leader.join.group_id, &topic).await;
    settle(&mut leader, &mut follower).await;
    leader.send_join().await;
    follower.heartbeats_while(&subject, ErrorCode::NONE).await;
    assert_eq!(follower.commit(&topic, 5).await, ErrorCode::NONE);
    follower.join().await;
    leader.joined().await;
    follower.generation = 2;
    assert_eq!(follower.commit(&topic, 6).await, ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(committed(&mut follower, &topic).await, 5);
}

async fn a_commit_for_a_group_that_is_not_there_is_refused(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit-nowhere").await;
    (member.generation, member.join.member_id) = (3, "somebody".into());
    let request = member.commit_request(&topic, 1);
    for (version, error) in [(8, ErrorCode::ILLEGAL_GENERATION), (9, ErrorCode::GROUP_ID_NOT_FOUND)] {
        let answer = member.wire.call(&request, version).await;
        assert_eq!(ErrorCode(answer.topics[0].partitions[0].error_code), error, "version {version}");
    }
}

async fn a_commit_for_an_unknown_topic_is_refused_alone(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit-unknown").await;
    let mut request = member.commit_request(&topic, 1);
    request.topics.extend(member.commit_request("there-is-no-such-topic", 1).topics);
    let mut partition = request.topics[0].partitions[0].clone();
    partition.partition_index = 9;
    request.topics[0].partitions.push(partition);
    let answer = member.wire.call(&request, 9).await;
    let mut errors: Vec<(String, i32, ErrorCode)> = Vec::new();
    for topic in &answer.topics {
        let outcome = |p: &courant_protocol::messages::offset_commit::OffsetCommitResponsePartition| {
            (topic.name.to_string(), p.partition_index, ErrorCode(p.error_code))
        };
        errors.extend(topic.partitions.iter().map(outcome));
    }
    errors.sort();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let wanted = [
        (topic.to_string(), 0, ErrorCode::NONE),
        (topic.to_string(), 9, unknown),
        ("there-is-no-such-topic".to_owned(), 0, unknown),
    ];
    assert_eq!(errors, wanted);
}

async fn too_long_metadata_is_refused(subject: Subject) {
    let (mut member, topic) = member(&subject, "commit-metadata").await;
    for (length, error) in [(4096, ErrorCode::NONE), (4097, ErrorCode::OFFSET_METADATA_TOO_LARGE)] {
        let mut request = member.commit_request(&topic, 1);
        request.topics[0].partitions[0].committed_metadata = Some("x".repeat(length).into());
        let answer = member.wire.call(&request, 9).await;
        assert_eq!(ErrorCode(answer.topics[0].partitions[0].error_code), error, "{length}");
    }
}

async fn a_fenced_member_cannot_commit(subject: Subject) {
    let topic = topic(&subject.kafka().await, "commit-fenced", 1).await;
    let group = fresh_group("commit-fenced");
    let mut old = Member::fixed(&subject, &group, "a").await;
    old.alone().await;
    let mut new = Member::fixed(&subject, &group, "a").await;
    new.join().await;
    new.knows(&topic).await;
    assert_eq!(old.commit(&topic, 1).await, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(new.commit(&topic, 2).await, ErrorCode::NONE);
}

async fn offsets_are_fetched_one_by_one_or_all(subject: Subject) {
    let (mut member, topic) = member(&subject, "fetch").await;
    member.alone().await;
    member.commit(&topic, 7).await;
    let group = |group_id: &str| OffsetFetchRequestGroup {
        group_id: group_id.into(),
        topics: None,
        ..Default::default()
    };
    let groups = vec![group(&member.join.group_id)];
    let answer = member.wire.call(&OffsetFetchRequest { groups, ..Default::default() }, 9).await;
    let found = &answer.groups[0];
    assert_eq!((found.error_code, found.topics.len(), &*found.topics[0].name), (0, 1, &*topic));
    assert_eq!(found.topics[0].partitions[0].committed_offset, 7);
    assert_eq!(found.topics[0].partitions[0].metadata.as_deref(), Some(""));
}

async fn offsets_that_members_need_are_not_deleted(subject: Subject) {
    let (mut member, first) = member(&subject, "delete-offsets").await;
    let second = topic(&subject.kafka().await, "delete-offsets", 1).await;
    member.knows(&second).await;
    member.alone().await;
    assert_eq!(
        (member.commit(&first, 1).await, member.commit(&second, 2).await),
        (ErrorCode::NONE, ErrorCode::NONE)
    );
    let named = |name: &str| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let mut request = OffsetDeleteRequest {
        group_id: member.join.group_id.clone(),
        topics: vec![named(&first), named(&second)],
    };
    let answer = member.wire.call(&request, 0).await;
    let error = |name: &str| {
        let topic = answer.topics.iter().find(|topic| topic.name == *name).expect("answered");
        ErrorCode(topic.partitions[0].error_code)
    };
    assert_eq!((error(&first), error(&second)), (ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE));
    assert_eq!((committed(&mut member, &first).await, committed(&mut member, &second).await), (1, -1));
    member.leave().await;
    assert_eq!(member.wire.call(&request, 0).await.error_code, 0);
    assert_eq!(committed(&mut member, &first).await, -1);
    request.group_id = format!("{}-none", request.group_id).into();
    let mut other = Member::new(&subject, &request.group_id, "t").await;
    assert_eq!(ErrorCode(other.wire.call(&request, 0).await.error_code), ErrorCode::GROUP_ID_NOT_FOUND);
}

async fn every_version_of_commits_and_fetches_is_served(subject: Subject) {
    let (mut member, topic) = member(&subject, "offset-versions").await;
    for version in 2..=9_i16 {
        let request = member.commit_request(&topic, i64::from(version));
        let answer = member.wire.call(&request, version).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "version {version}");
        assert_eq!(committed(&mut member, &topic).await, i64::from(version));
    }
    for version in 1..=7_i16 {
        let topics = vec![OffsetFetchRequestTopic { name: (&*topic).into(), partition_indexes: vec![0] }];
        let request = OffsetFetchRequest {
            group_id: member.join.group_id.clone(),
            topics: Some(topics),
            ..Default::default()
        };
        let answer = member.wire.call(&request, version).await;
        assert_eq!(answer.topics[0].partitions[0].committed_offset, 9, "version {version}");
    }
}
