//! What looking after groups and their offsets must do.
use courant::admin::{
    Admin, Error, ErrorKind, GroupDescription, GroupFilter, GroupListing, GroupOffsets, GroupState,
    GroupType, MemberToRemove, OffsetAndMetadata, Results,
};
use courant::{ErrorCode, Kafka, LeaderEpoch, Offset, TopicName, TopicPartition};

use super::members::{Member, join};
use super::world::{Subject, fresh, topic};

super::case::declare! {
    ($) admin_groups_suite;
    a_group_is_listed_with_state_and_type: "A groups";
    groups_are_listed_by_state: "A groups";
    groups_are_listed_by_type: "A groups";
    a_group_of_offsets_is_described_as_empty: "A groups";
    a_running_group_is_described_with_its_members: "A groups";
    an_unknown_group_is_not_found: "A groups";
    altered_offsets_are_listed_with_epoch_and_text: "A group offsets" "C23";
    offsets_of_many_groups_are_listed_by_one_call: "A group offsets";
    a_group_that_never_committed_has_no_offsets: "A group offsets";
    an_offset_for_an_unknown_partition_is_a_typed_error: "A group offsets";
    a_text_that_is_too_long_is_a_typed_error: "A group offsets" "C23";
    offsets_of_a_group_with_members_are_not_altered: "A group offsets";
    deleted_offsets_are_gone: "A group offsets";
    offsets_of_a_subscribed_topic_are_not_deleted: "A group offsets";
    deleting_offsets_of_an_unknown_group_is_a_typed_error: "A group offsets";
    a_deleted_group_is_gone_with_its_offsets: "A groups";
    a_group_with_members_is_not_deleted: "A groups";
    one_bad_group_does_not_spoil_the_others: "A groups";
    a_static_member_is_removed_by_its_name: "A members";
    a_member_is_removed_by_its_id: "A members";
    an_unknown_member_is_a_typed_error: "A members";
    all_members_are_removed: "A members";
}

fn only<K, V>(results: Results<K, V>) -> Result<V, Error> {
    results.into_iter().next().expect("one result an item").1
}

fn code(error: &Error) -> ErrorCode {
    error.code().unwrap_or_else(|| panic!("a broker's error code: {error}"))
}

/// A fresh group that has committed offset 5 of a fresh topic's partition 0.
async fn group(kafka: &Kafka, stem: &str) -> (String, TopicPartition) {
    let at = TopicPartition::new(&topic(kafka, stem, 2).await, 0);
    let group = fresh(stem).to_string();
    altered_when_known(kafka, &group, &at, OffsetAndMetadata::new(5)).await;
    (group, at)
}

/// Alters an offset once the coordinator has heard of the new topic.
async fn altered_when_known(kafka: &Kafka, group: &str, at: &TopicPartition, offset: OffsetAndMetadata) {
    let admin = Admin::new(kafka);
    loop {
        match only(admin.alter_group_offsets(group, [(at.clone(), offset.clone())]).await) {
            Err(error) if error.kind() == ErrorKind::UnknownTopic => tokio::task::yield_now().await,
            altered => return altered.expect("altered"),
        }
    }
}

async fn offsets(kafka: &Kafka, wanted: GroupOffsets) -> Vec<(TopicPartition, Option<OffsetAndMetadata>)> {
    only(Admin::new(kafka).list_group_offsets([wanted]).await).expect("listed").all().expect("each listed")
}

async fn listed(kafka: &Kafka, filter: &GroupFilter, group: &str) -> Option<GroupListing> {
    let groups = Admin::new(kafka).list_groups(filter).await.expect("listed").all().expect("every broker");
    groups.into_iter().find(|listing| listing.group_id == group)
}

async fn describe(kafka: &Kafka, group: &str) -> Result<GroupDescription, Error> {
    only(Admin::new(kafka).describe_groups([group]).await)
}

/// A member of a fresh group, and the topic that it is subscribed to.
async fn running(kafka: &Kafka, stem: &str, instance: Option<&str>) -> (Member, TopicName) {
    let topic = topic(kafka, stem, 2).await;
    (join(kafka, &fresh(stem), instance, &topic).await, topic)
}

async fn a_group_is_listed_with_state_and_type(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, _) = group(&kafka, "listed").await;
    let listing = listed(&kafka, &GroupFilter::all(), &group).await.expect("listed");
    assert_eq!((listing.state, listing.group_type), (Some(GroupState::Empty), Some(GroupType::Classic)));
    assert_eq!(listing.protocol_type, "", "a group that only has offsets");
    let (member, _) = running(&kafka, "listed-running", None).await;
    let listing = listed(&kafka, &GroupFilter::all(), &member.group).await.expect("listed");
    assert_eq!((listing.state, &*listing.protocol_type), (Some(GroupState::Stable), "consumer"));
    member.leave(&kafka).await;
}

async fn groups_are_listed_by_state(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, _) = group(&kafka, "by-state").await;
    let (member, _) = running(&kafka, "by-state-running", None).await;
    let empty = GroupFilter::all().states([GroupState::Empty]);
    let stable = GroupFilter::all().states([GroupState::Stable]);
    assert!(listed(&kafka, &empty, &group).await.is_some());
    assert!(listed(&kafka, &stable, &group).await.is_none());
    assert!(listed(&kafka, &empty, &member.group).await.is_none());
    assert!(listed(&kafka, &stable, &member.group).await.is_some());
    member.leave(&kafka).await;
}

async fn groups_are_listed_by_type(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, _) = group(&kafka, "by-type").await;
    let classic = GroupFilter::all().types([GroupType::Classic]);
    assert!(listed(&kafka, &classic, &group).await.is_some());
    let newer = GroupFilter::all().types([GroupType::Consumer]);
    assert!(listed(&kafka, &newer, &group).await.is_none());
    let connect = GroupFilter::all().protocol_types(["connect"]);
    assert!(listed(&kafka, &connect, &group).await.is_none());
}

async fn a_group_of_offsets_is_described_as_empty(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, _) = group(&kafka, "described").await;
    let described = describe(&kafka, &group).await.expect("described");
    assert_eq!((described.state, described.group_type), (GroupState::Empty, GroupType::Classic));
    assert_eq!((&*described.protocol_type, described.members.len()), ("", 0));
    assert!(described.coordinator.is_some());
}

async fn a_running_group_is_described_with_its_members(subject: Subject) {
    let kafka = subject.kafka_with(&[("client.id", "till")]).await;
    let (member, topic) = running(&kafka, "members", Some("till-1")).await;
    let described = describe(&kafka, &member.group).await.expect("described");
    assert_eq!((described.state, &*described.protocol_type), (GroupState::Stable, "consumer"));
    assert_eq!(described.protocol, "range");
    let [found] = &described.members[..] else { panic!("one member: {described:?}") };
    assert_eq!((&found.member_id, found.group_instance_id.as_deref()), (&member.id, Some("till-1")));
    assert_eq!((&*found.client_id, found.client_host.starts_with('/')), ("till", true));
    assert_eq!(found.assignment, [TopicPartition::new(&topic, 0)]);
    member.leave(&kafka).await;
}

async fn an_unknown_group_is_not_found(subject: Subject) {
    let kafka = subject.kafka().await;
    let unknown = fresh("unknown").to_string();
    let error = describe(&kafka, &unknown).await.expect_err("unknown");
    assert_eq!(code(&error), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(error.group(), Some(&*unknown));
    let error = only(Admin::new(&kafka).delete_groups([unknown]).await).expect_err("unknown");
    assert_eq!(code(&error), ErrorCode::GROUP_ID_NOT_FOUND);
}

async fn altered_offsets_are_listed_with_epoch_and_text(subject: Subject) {
    let kafka = subject.kafka().await;
    let at = TopicPartition::new(&topic(&kafka, "altered", 2).await, 1);
    let group = fresh("altered").to_string();
    let offset = OffsetAndMetadata::after(Offset(7), LeaderEpoch(0)).with_metadata("page 3");
    altered_when_known(&kafka, &group, &at, offset.clone()).await;
    assert_eq!(offsets(&kafka, group.as_str().into()).await, [(at.clone(), Some(offset.clone()))]);
    let other = TopicPartition::new(&at.topic, 0);
    let wanted = GroupOffsets::of(group).partitions([other.clone(), at.clone()]).require_stable();
    assert_eq!(offsets(&kafka, wanted).await, [(other, None), (at, Some(offset))]);
}

async fn offsets_of_many_groups_are_listed_by_one_call(subject: Subject) {
    let kafka = subject.kafka().await;
    let mut groups = Vec::new();
    for stem in ["many-a", "many-b", "many-c"] {
        groups.push(group(&kafka, stem).await);
    }
    let ids = groups.iter().map(|(group, _)| group.as_str());
    let listed = Admin::new(&kafka).list_group_offsets(ids).await.all().expect("listed");
    for ((group, at), (id, offsets)) in groups.iter().zip(listed) {
        let offsets = offsets.all().expect("each listed");
        assert_eq!((group, offsets), (&id, vec![(at.clone(), Some(OffsetAndMetadata::new(5)))]));
    }
}

async fn a_group_that_never_committed_has_no_offsets(subject: Subject) {
    let kafka = subject.kafka().await;
    let group = fresh("never").to_string();
    assert_eq!(offsets(&kafka, group.as_str().into()).await, []);
    let at = TopicPartition::new(&topic(&kafka, "never", 1).await, 0);
    let wanted = GroupOffsets::of(group).partitions([at.clone()]);
    assert_eq!(offsets(&kafka, wanted).await, [(at, None)]);
}

async fn an_offset_for_an_unknown_partition_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, at) = group(&kafka, "no-partition").await;
    let unknown = TopicPartition::new(fresh("no-topic"), 0);
    let offsets = [(unknown, 1), (TopicPartition::new(&at.topic, 99), 1), (at, 6)];
    let results = Admin::new(&kafka).alter_group_offsets(group, offsets).await;
    let kinds: Vec<_> = results.iter().map(|(_, result)| result.as_ref().err().map(Error::kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::UnknownTopic), Some(ErrorKind::UnknownTopic), None]);
}

async fn a_text_that_is_too_long_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, at) = group(&kafka, "long-text").await;
    let offset = OffsetAndMetadata::new(6).with_metadata("x".repeat(5_000));
    let error =
        only(Admin::new(&kafka).alter_group_offsets(group, [(at, offset)]).await).expect_err("too long");
    assert_eq!(code(&error), ErrorCode::OFFSET_METADATA_TOO_LARGE);
}

async fn offsets_of_a_group_with_members_are_not_altered(subject: Subject) {
    let kafka = subject.kafka().await;
    let (member, topic) = running(&kafka, "not-altered", None).await;
    let at = TopicPartition::new(&topic, 0);
    let error = only(Admin::new(&kafka).alter_group_offsets(member.group.as_str(), [(at, 3)]).await);
    assert_eq!(error.expect_err("it has members").kind(), ErrorKind::UnknownMember);
    member.leave(&kafka).await;
}

async fn deleted_offsets_are_gone(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, at) = group(&kafka, "gone").await;
    let admin = Admin::new(&kafka);
    let unknown = TopicPartition::new(&at.topic, 99);
    let results = admin.delete_group_offsets(group.as_str(), [at.clone(), unknown.clone()]).await;
    assert!(results.get(&at).expect("asked for").is_ok());
    let error = results.get(&unknown).expect("asked for").as_ref().expect_err("no such partition");
    assert_eq!(code(error), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(offsets(&kafka, GroupOffsets::of(group).partitions([at.clone()])).await, [(at, None)]);
}

async fn offsets_of_a_subscribed_topic_are_not_deleted(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, other) = group(&kafka, "subscribed").await;
    let topic = topic(&kafka, "subscribed", 1).await;
    let member = join(&kafka, &group, None, &topic).await;
    let at = TopicPartition::new(&topic, 0);
    let results = Admin::new(&kafka).delete_group_offsets(group, [at.clone(), other.clone()]).await;
    let error = results.get(&at).expect("asked for").as_ref().expect_err("subscribed");
    assert_eq!(code(error), ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    assert!(results.get(&other).expect("asked for").is_ok());
    member.leave(&kafka).await;
}

async fn deleting_offsets_of_an_unknown_group_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let at = TopicPartition::new(&topic(&kafka, "no-group", 1).await, 0);
    let deleted = Admin::new(&kafka).delete_group_offsets(fresh("no-group").to_string(), [at]).await;
    assert_eq!(code(&only(deleted).expect_err("unknown")), ErrorCode::GROUP_ID_NOT_FOUND);
}

async fn a_deleted_group_is_gone_with_its_offsets(subject: Subject) {
    let kafka = subject.kafka().await;
    let (group, _) = group(&kafka, "deleted").await;
    only(Admin::new(&kafka).delete_groups([group.as_str()]).await).expect("deleted");
    assert!(listed(&kafka, &GroupFilter::all(), &group).await.is_none());
    assert_eq!(offsets(&kafka, group.as_str().into()).await, []);
}

async fn a_group_with_members_is_not_deleted(subject: Subject) {
    let kafka = subject.kafka().await;
    let (member, _) = running(&kafka, "not-deleted", None).await;
    let error =
        only(Admin::new(&kafka).delete_groups([member.group.as_str()]).await).expect_err("it has members");
    assert_eq!(code(&error), ErrorCode::NON_EMPTY_GROUP);
    member.leave(&kafka).await;
}

async fn one_bad_group_does_not_spoil_the_others(subject: Subject) {
    let kafka = subject.kafka().await;
    let (first, _) = group(&kafka, "fine-a").await;
    let (second, _) = group(&kafka, "fine-b").await;
    let unknown = fresh("unknown").to_string();
    let results = Admin::new(&kafka).delete_groups([first, unknown, second]).await;
    let succeeded: Vec<bool> = results.iter().map(|(_, result)| result.is_ok()).collect();
    assert_eq!(succeeded, [true, false, true]);
}

async fn a_static_member_is_removed_by_its_name(subject: Subject) {
    let kafka = subject.kafka().await;
    let (member, _) = running(&kafka, "static", Some("till-1")).await;
    let named = [MemberToRemove::instance("till-1")];
    only(Admin::new(&kafka).remove_members(member.group.as_str(), named, "moved").await).expect("removed");
    assert_eq!(describe(&kafka, &member.group).await.expect("described").state, GroupState::Empty);
}

async fn a_member_is_removed_by_its_id(subject: Subject) {
    let kafka = subject.kafka().await;
    let (member, _) = running(&kafka, "dynamic", None).await;
    let named = [MemberToRemove::id(member.id.as_str())];
    only(Admin::new(&kafka).remove_members(member.group.as_str(), named, "").await).expect("removed");
    assert_eq!(describe(&kafka, &member.group).await.expect("described").members.len(), 0);
}

async fn an_unknown_member_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let (member, _) = running(&kafka, "unknown-member", Some("till-1")).await;
    let named = [MemberToRemove::instance("till-9"), MemberToRemove::id("nobody")];
    let results = Admin::new(&kafka).remove_members(member.group.as_str(), named, "").await;
    for (_, result) in results {
        assert_eq!(code(&result.expect_err("unknown")), ErrorCode::UNKNOWN_MEMBER_ID);
    }
    member.leave(&kafka).await;
}

async fn all_members_are_removed(subject: Subject) {
    let kafka = subject.kafka().await;
    let (member, _) = running(&kafka, "all-members", Some("till-1")).await;
    let removed = Admin::new(&kafka).remove_all_members(member.group.as_str(), "").await.expect("described");
    assert_eq!(removed.all().expect("removed").len(), 1);
    assert_eq!(describe(&kafka, &member.group).await.expect("described").state, GroupState::Empty);
}
