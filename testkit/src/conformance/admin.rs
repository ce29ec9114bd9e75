//! What an admin client must do.
use courant::admin::{
    Admin, ConfigResource, ConfigSource, Error, IsolationLevel, NewPartitions, NewTopic, OffsetSpec, Results,
    TopicDescription,
};
use courant::{ErrorCode, Kafka, Offset, TopicName, TopicPartition};

use super::world::{Subject, fill, fresh, numbers, topic, topic_with};

super::case::declare! {
    ($) admin_suite;
    a_created_topic_is_listed_and_described: "A create" "A describe" "G6";
    a_topic_that_exists_is_a_typed_error: "A create";
    an_invalid_name_is_a_typed_error: "A create";
    too_many_replicas_are_a_typed_error: "A create";
    one_bad_topic_does_not_spoil_the_others: "A create";
    validate_only_creates_nothing: "A create";
    an_assignment_by_hand_is_obeyed: "A create";
    a_deleted_topic_is_gone: "A delete";
    deleting_an_unknown_topic_is_a_typed_error: "A delete";
    a_topic_made_again_has_another_id: "A delete" "G6";
    partitions_grow_and_never_shrink: "A partitions";
    configs_are_described_with_their_source: "A configs";
    an_unknown_topic_is_described_as_unknown: "A describe";
    deleted_records_move_the_start_of_the_log: "A records" "C11";
    deleting_past_the_end_is_a_typed_error: "A records";
    the_cluster_describes_its_brokers: "A cluster";
    offsets_are_listed_by_specification: "C11";
}

/// The only result.
fn only<K, V>(results: Results<K, V>) -> Result<V, Error> {
    results.into_iter().next().expect("one result an item").1
}

async fn create(admin: &Admin, topic: NewTopic) -> Result<(), Error> {
    only(admin.create_topics([topic]).await).map(drop)
}

async fn describe(admin: &Admin, name: &TopicName) -> Result<TopicDescription, Error> {
    only(admin.describe_topics([name.clone()]).await)
}

/// Describes a topic once the broker that is asked has heard of its making, its growth or its end.
async fn described_when(
    admin: &Admin,
    name: &TopicName,
    heard: impl Fn(&Result<TopicDescription, Error>) -> bool,
) -> Result<TopicDescription, Error> {
    loop {
        let described = describe(admin, name).await;
        if heard(&described) {
            return described;
        }
        tokio::task::yield_now().await;
    }
}

fn code(error: &Error) -> ErrorCode {
    error.code().unwrap_or_else(|| panic!("a broker's error code: {error}"))
}

async fn listed(kafka: &Kafka, at: &TopicPartition, spec: OffsetSpec) -> Option<Offset> {
    only(Admin::new(kafka).list_offsets([(at.clone(), spec)], IsolationLevel::ReadUncommitted).await)
        .expect("listed")
        .offset
}

async fn a_created_topic_is_listed_and_described(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "described", 5).await;
    let admin = Admin::new(&kafka);
    assert!(admin.list_topics().await.expect("listed").iter().any(|listing| listing.name == name));
    let topic = describe(&admin, &name).await.expect("described");
    assert!(!topic.id.is_zero(), "a topic has an id (KIP-516)");
    let numbers: Vec<i32> = topic.partitions.iter().map(|p| p.partition.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert!(
        topic
            .partitions
            .iter()
            .all(|p| p.leader.is_some() && !p.in_sync_replicas.is_empty() && !p.replicas.is_empty())
    );
}

async fn a_topic_that_exists_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "twice", 1).await;
    let error =
        create(&Admin::new(&kafka), NewTopic::new(name.clone()).partitions(1)).await.expect_err("it exists");
    assert_eq!(code(&error), ErrorCode::TOPIC_ALREADY_EXISTS);
    assert!(error.to_string().contains(&*name), "{error}");
}

async fn an_invalid_name_is_a_typed_error(subject: Subject) {
    let admin = Admin::new(&subject.kafka().await);
    for name in ["with space", "..", "a/b"] {
        let error = create(&admin, NewTopic::new(name).partitions(1)).await.expect_err("refused");
        assert_eq!(code(&error), ErrorCode::INVALID_TOPIC_EXCEPTION, "{name}");
    }
}

async fn too_many_replicas_are_a_typed_error(subject: Subject) {
    let admin = Admin::new(&subject.kafka().await);
    let topic = NewTopic::new(fresh("replicas")).partitions(1).replication_factor(99);
    assert_eq!(
        code(&create(&admin, topic).await.expect_err("refused")),
        ErrorCode::INVALID_REPLICATION_FACTOR
    );
}

async fn one_bad_topic_does_not_spoil_the_others(subject: Subject) {
    let admin = Admin::new(&subject.kafka().await);
    let good = fresh("good");
    let topics = [NewTopic::new(good.clone()).partitions(1), NewTopic::new("bad name").partitions(1)];
    let results = admin.create_topics(topics).await;
    let succeeded = |name: &str| results.get(name).expect("one result a topic").is_ok();
    assert!(succeeded(&good) && !succeeded("bad name"));
}

async fn validate_only_creates_nothing(subject: Subject) {
    let kafka = subject.kafka().await;
    let admin = Admin::new(&kafka);
    let name = fresh("validated");
    only(admin.validate_topics([NewTopic::new(name.clone()).partitions(2)]).await)
        .expect("it would be created");
    create(&admin, NewTopic::new(name.clone()).partitions(2)).await.expect("it was not there yet");
}

async fn an_assignment_by_hand_is_obeyed(subject: Subject) {
    let kafka = subject.kafka().await;
    let admin = Admin::new(&kafka);
    let brokers = admin.describe_cluster().await.expect("described").brokers;
    let node = brokers.last().expect("a broker").id;
    let name = fresh("by-hand");
    create(&admin, NewTopic::new(name.clone()).assignments([vec![node], vec![node]])).await.expect("created");
    let topic = described_when(&admin, &name, Result::is_ok).await.expect("described");
    assert_eq!(
        topic.partitions.iter().map(|p| p.replicas.clone()).collect::<Vec<_>>(),
        [vec![node], vec![node]]
    );
}

async fn a_deleted_topic_is_gone(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "deleted", 1).await;
    let admin = Admin::new(&kafka);
    only(admin.delete_topics([name.clone()]).await).expect("deleted");
    let error = described_when(&admin, &name, Result::is_err).await.expect_err("it is gone");
    assert_eq!(code(&error), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

async fn deleting_an_unknown_topic_is_a_typed_error(subject: Subject) {
    let admin = Admin::new(&subject.kafka().await);
    let error = only(admin.delete_topics([fresh("never-made")]).await).expect_err("unknown");
    assert_eq!(code(&error), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

async fn a_topic_made_again_has_another_id(subject: Subject) {
    let kafka = subject.kafka().await;
    let admin = Admin::new(&kafka);
    let name = topic(&kafka, "again", 1).await;
    let first = describe(&admin, &name).await.expect("described").id;
    only(admin.delete_topics([name.clone()]).await).expect("deleted");
    create(&admin, NewTopic::new(name.clone()).partitions(1)).await.expect("created again");
    let second = described_when(&admin, &name, |d| d.as_ref().is_ok_and(|topic| topic.id != first)).await;
    assert!(!second.expect("described").id.is_zero());
}

async fn partitions_grow_and_never_shrink(subject: Subject) {
    let kafka = subject.kafka().await;
    let admin = Admin::new(&kafka);
    let name = topic(&kafka, "growing", 2).await;
    only(admin.create_partitions([NewPartitions::to(name.clone(), 4)]).await).expect("grown");
    let grown =
        |d: &Result<TopicDescription, Error>| d.as_ref().is_ok_and(|topic| topic.partitions.len() > 2);
    assert_eq!(described_when(&admin, &name, grown).await.expect("described").partitions.len(), 4);
    let error = only(admin.create_partitions([NewPartitions::to(name.clone(), 3)]).await);
    assert_eq!(code(&error.expect_err("a topic never shrinks")), ErrorCode::INVALID_PARTITIONS);
}

async fn configs_are_described_with_their_source(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic_with(&kafka, "configs", 1, &[("max.message.bytes", "54321")]).await;
    let configs =
        only(Admin::new(&kafka).describe_configs([ConfigResource::topic(name)]).await).expect("described");
    let source = |name: &str| configs.get(name).unwrap_or_else(|| panic!("{name} is described")).source;
    assert_eq!(configs.value("max.message.bytes"), Some("54321"));
    assert_eq!(source("max.message.bytes"), ConfigSource::Topic);
    assert_eq!(
        (configs.value("cleanup.policy"), source("cleanup.policy")),
        (Some("delete"), ConfigSource::Default)
    );
}

async fn an_unknown_topic_is_described_as_unknown(subject: Subject) {
    let admin = Admin::new(&subject.kafka().await);
    let name = fresh("unknown");
    let error = describe(&admin, &name).await.expect_err("unknown");
    assert_eq!(code(&error), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(error.to_string().contains(&*name), "{error}");
}

async fn deleted_records_move_the_start_of_the_log(subject: Subject) {
    let kafka = subject.kafka().await;
    let at = TopicPartition::new(&topic(&kafka, "records", 1).await, 0);
    fill(&kafka, &at.topic, 0, numbers(10)).await;
    let admin = Admin::new(&kafka);
    let start = only(admin.delete_records([(at.clone(), Offset(4))]).await).expect("deleted");
    assert_eq!(start, Offset(4));
    assert_eq!(listed(&kafka, &at, OffsetSpec::Earliest).await, Some(Offset(4)));
    assert_eq!(listed(&kafka, &at, OffsetSpec::Latest).await, Some(Offset(10)));
}

async fn deleting_past_the_end_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let at = TopicPartition::new(&topic(&kafka, "records-end", 1).await, 0);
    fill(&kafka, &at.topic, 0, numbers(3)).await;
    let deleted = only(Admin::new(&kafka).delete_records([(at, Offset(99))]).await);
    assert_eq!(code(&deleted.expect_err("past the end")), ErrorCode::OFFSET_OUT_OF_RANGE);
}

async fn the_cluster_describes_its_brokers(subject: Subject) {
    let described = Admin::new(&subject.kafka().await).describe_cluster().await.expect("described");
    assert_eq!(described.brokers.len(), subject.brokers);
    assert!(described.cluster_id.is_some());
    assert!(described.controller.is_some());
}

async fn offsets_are_listed_by_specification(subject: Subject) {
    let kafka = subject.kafka().await;
    let at = TopicPartition::new(&topic(&kafka, "listed", 1).await, 0);
    assert_eq!(listed(&kafka, &at, OffsetSpec::Latest).await, Some(Offset(0)));
    let producer = super::world::producer(&kafka).await;
    for time in [1_000, 3_000, 2_000, 4_000] {
        let record = courant::Record::to(&at.topic).partition(0).timestamp(time).value("v");
        producer.send(record).await.expect("acknowledged");
    }
    assert_eq!(listed(&kafka, &at, OffsetSpec::Earliest).await, Some(Offset(0)));
    assert_eq!(listed(&kafka, &at, OffsetSpec::Latest).await, Some(Offset(4)));
    assert_eq!(listed(&kafka, &at, OffsetSpec::MaxTimestamp).await, Some(Offset(3)));
    assert_eq!(
        listed(&kafka, &at, OffsetSpec::ForTimestamp(2_500.into())).await,
        Some(Offset(1)),
        "the first at or after the time"
    );
    assert_eq!(listed(&kafka, &at, OffsetSpec::ForTimestamp(9_000.into())).await, None, "none is that late");
}
