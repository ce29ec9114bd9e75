//! What altering configs must do.
use courant::admin::{
    Admin, ConfigChanges, ConfigQuery, ConfigResource, ConfigSource, Error, ErrorKind, NewConfigs,
    NewPartitions, ResourceConfig, Results,
};
use courant::{ErrorCode, Kafka, Record, TopicName};

use super::world::{Subject, fresh, producer, topic, topic_with};

super::case::declare! {
    ($) admin_configs_suite;
    an_altered_config_is_the_topics_own: "A configs";
    a_deleted_config_goes_back_to_the_default: "A configs";
    a_list_is_appended_to_and_subtracted_from: "A configs";
    what_a_change_does_not_name_stays_as_it_is: "A configs";
    replaced_configs_take_back_what_they_do_not_name: "A configs";
    an_unknown_config_is_a_typed_error: "A configs";
    a_config_out_of_range_is_a_typed_error: "A configs";
    a_resource_is_altered_as_a_whole_or_not_at_all: "A configs";
    an_unknown_topics_configs_are_a_typed_error: "A configs";
    validated_changes_change_nothing: "A configs";
    a_resource_named_twice_is_refused: "A configs";
    configs_are_described_by_name: "A configs";
    configs_are_described_with_their_documentation: "A configs";
    a_smaller_limit_on_messages_acts: "A configs" "P7";
    validated_growth_lets_nothing_grow: "A partitions";
}

fn only<K, V>(results: Results<K, V>) -> Result<V, Error> {
    results.into_iter().next().expect("one result an item").1
}

fn of(topic: &TopicName) -> ConfigChanges {
    ConfigChanges::of(ConfigResource::topic(topic.clone()))
}

async fn alter(kafka: &Kafka, changes: ConfigChanges) -> Result<(), Error> {
    only(Admin::new(kafka).incremental_alter_configs([changes]).await)
}

/// The topic's configs once the broker that is asked has heard of a change.
async fn configs_when(
    kafka: &Kafka,
    topic: &TopicName,
    heard: impl Fn(&ResourceConfig) -> bool,
) -> ResourceConfig {
    loop {
        let resource = ConfigResource::topic(topic.clone());
        let configs = only(Admin::new(kafka).describe_configs([resource]).await).expect("described");
        if heard(&configs) {
            return configs;
        }
        tokio::task::yield_now().await;
    }
}

/// Value and source of a config, once it is or is not the topic's own.
async fn config(kafka: &Kafka, topic: &TopicName, name: &str, own: bool) -> String {
    let is_own = |configs: &ResourceConfig| {
        configs.get(name).is_some_and(|c| (c.source == ConfigSource::Topic) == own)
    };
    configs_when(kafka, topic, is_own).await.value(name).expect("a value").to_owned()
}

async fn an_altered_config_is_the_topics_own(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "altered", 1).await;
    alter(&kafka, of(&topic).set("max.message.bytes", 54_321)).await.expect("altered");
    assert_eq!(config(&kafka, &topic, "max.message.bytes", true).await, "54321");
}

async fn a_deleted_config_goes_back_to_the_default(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic_with(&kafka, "deleted-config", 1, &[("segment.ms", "60000")]).await;
    assert_eq!(config(&kafka, &topic, "segment.ms", true).await, "60000");
    alter(&kafka, of(&topic).delete("segment.ms")).await.expect("altered");
    assert_eq!(config(&kafka, &topic, "segment.ms", false).await, "604800000");
}

async fn a_list_is_appended_to_and_subtracted_from(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "listed-config", 1).await;
    alter(&kafka, of(&topic).append("cleanup.policy", "compact")).await.expect("appended");
    assert_eq!(config(&kafka, &topic, "cleanup.policy", true).await, "delete,compact");
    alter(&kafka, of(&topic).subtract("cleanup.policy", "delete")).await.expect("subtracted");
    let compacted = |configs: &ResourceConfig| configs.value("cleanup.policy") != Some("delete,compact");
    let configs = configs_when(&kafka, &topic, compacted).await;
    assert_eq!(configs.value("cleanup.policy"), Some("compact"));
}

async fn what_a_change_does_not_name_stays_as_it_is(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic_with(&kafka, "stays", 1, &[("segment.ms", "60000")]).await;
    alter(&kafka, of(&topic).set("max.message.bytes", 54_321)).await.expect("altered");
    assert_eq!(config(&kafka, &topic, "max.message.bytes", true).await, "54321");
    assert_eq!(config(&kafka, &topic, "segment.ms", true).await, "60000");
}

async fn replaced_configs_take_back_what_they_do_not_name(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic_with(&kafka, "replaced", 1, &[("segment.ms", "60000")]).await;
    let resource = ConfigResource::topic(topic.clone());
    let configs = NewConfigs::of(resource).set("max.message.bytes", 54_321).set("retention.ms", -1);
    only(Admin::new(&kafka).alter_configs([configs]).await).expect("replaced");
    assert_eq!(config(&kafka, &topic, "max.message.bytes", true).await, "54321");
    assert_eq!(config(&kafka, &topic, "segment.ms", false).await, "604800000");
}

async fn an_unknown_config_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "unknown-config", 1).await;
    let error = alter(&kafka, of(&topic).set("retention.mss", 1)).await.expect_err("unknown");
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, Some(ErrorCode::INVALID_CONFIG)));
    assert!(error.to_string().contains(&*topic), "{error}");
}

async fn a_config_out_of_range_is_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "range", 1).await;
    for (name, value) in [("retention.ms", "soon"), ("cleanup.policy", "shred"), ("min.insync.replicas", "0")]
    {
        let error = alter(&kafka, of(&topic).set(name, value)).await.expect_err("out of range");
        assert_eq!(error.code(), Some(ErrorCode::INVALID_CONFIG), "{name}={value}: {error}");
    }
}

async fn a_resource_is_altered_as_a_whole_or_not_at_all(subject: Subject) {
    let kafka = subject.kafka().await;
    let (bad, good) = (topic(&kafka, "bad", 1).await, topic(&kafka, "good", 1).await);
    let changes = [
        of(&bad).set("max.message.bytes", 54_321).set("retention.ms", "soon"),
        of(&good).set("max.message.bytes", 54_321),
    ];
    let results = Admin::new(&kafka).incremental_alter_configs(changes).await;
    let succeeded: Vec<bool> = results.iter().map(|(_, result)| result.is_ok()).collect();
    assert_eq!(succeeded, [false, true]);
    assert_eq!(config(&kafka, &good, "max.message.bytes", true).await, "54321");
    config(&kafka, &bad, "max.message.bytes", false).await;
}

async fn an_unknown_topics_configs_are_a_typed_error(subject: Subject) {
    let kafka = subject.kafka().await;
    let unknown = fresh("unknown");
    let error = alter(&kafka, of(&unknown).set("retention.ms", 1)).await.expect_err("unknown");
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let described = Admin::new(&kafka).describe_configs([ConfigResource::topic(unknown)]).await;
    assert_eq!(only(described).expect_err("unknown").code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

async fn validated_changes_change_nothing(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "validated", 1).await;
    let admin = Admin::new(&kafka);
    only(admin.validate_config_changes([of(&topic).set("max.message.bytes", 54_321)]).await).expect("valid");
    let bad = only(admin.validate_config_changes([of(&topic).set("retention.ms", "soon")]).await);
    assert_eq!(bad.expect_err("not valid").code(), Some(ErrorCode::INVALID_CONFIG));
    // A change that is made afterwards shows that the one before it was not.
    alter(&kafka, of(&topic).set("segment.ms", 60_000)).await.expect("altered");
    assert_eq!(config(&kafka, &topic, "segment.ms", true).await, "60000");
    config(&kafka, &topic, "max.message.bytes", false).await;
}

async fn a_resource_named_twice_is_refused(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "twice", 1).await;
    let changes = [of(&topic).set("segment.ms", 60_000), of(&topic).set("segment.ms", 70_000)];
    for (_, result) in Admin::new(&kafka).incremental_alter_configs(changes).await {
        assert_eq!(result.expect_err("named twice").code(), Some(ErrorCode::INVALID_REQUEST));
    }
}

async fn configs_are_described_by_name(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "by-name", 1).await;
    let query =
        ConfigQuery::of(ConfigResource::topic(topic)).keys(["retention.ms", "cleanup.policy", "nonsense"]);
    let configs = only(Admin::new(&kafka).describe_configs([query]).await).expect("described");
    let mut names: Vec<_> = configs.entries.iter().map(|entry| &*entry.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["cleanup.policy", "retention.ms"]);
    assert!(configs.entries.iter().all(|entry| entry.documentation.is_none()));
}

async fn configs_are_described_with_their_documentation(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "documented", 1).await;
    let query = ConfigQuery::of(ConfigResource::topic(topic)).keys(["retention.ms"]).documented();
    let configs = only(Admin::new(&kafka).describe_configs([query]).await).expect("described");
    let documentation = configs.get("retention.ms").and_then(|entry| entry.documentation.as_deref());
    assert!(documentation.is_some_and(|text| !text.is_empty()), "{configs:?}");
}

async fn a_smaller_limit_on_messages_acts(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "smaller", 1).await;
    let producer = producer(&kafka).await;
    let large = || Record::to(&topic).partition(0).value(vec![b'x'; 5_000]);
    producer.send(large()).await.expect("below the default limit");
    alter(&kafka, of(&topic).set("max.message.bytes", 1_000)).await.expect("altered");
    // The leader hears of it a moment after the controller has taken it.
    let refused = loop {
        match producer.send(large()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE), "{refused}");
}

async fn validated_growth_lets_nothing_grow(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "no-growth", 2).await;
    let admin = Admin::new(&kafka);
    only(admin.validate_partitions([NewPartitions::to(topic.clone(), 4)]).await).expect("valid");
    let shrinks = only(admin.validate_partitions([NewPartitions::to(topic.clone(), 1)]).await);
    assert_eq!(shrinks.expect_err("a topic never shrinks").code(), Some(ErrorCode::INVALID_PARTITIONS));
    // The one that grows to three could not do so after growing to four.
    only(admin.create_partitions([NewPartitions::to(topic, 3)]).await).expect("grown");
}
