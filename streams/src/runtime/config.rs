//! The properties of a stream application, by Java's names, and what of them goes to its clients.
use std::time::Duration;

use courant_admin::NewTopic;
use courant_client::config::{COMMON, ConfigError, Importance, Kind, Properties, Row, Table, Unit};
use courant_consumer::CONSUMER;
use courant_producer::PRODUCER;

/// The properties that only a stream application has, with Java's names and defaults (Kafka 4.3), and one of Courant's own.
///
/// Those of its clients can be set as well: by their own names, or with `consumer.`, `main.consumer.`, `restore.consumer.`
/// or `producer.` before them. With `topic.` before it a topic's config holds for all internal topics.
pub const STREAMS: Table = Table::new(&[RUNNING, STATE, ERRORS, WITHOUT_EFFECT]);

const RUNNING: &[Row] = &[
    Row::new("num.stream.threads", Kind::Int, "1")
        .between(1, 1024)
        .importance(Importance::Medium)
        .doc("How many workers run tasks, each with clients of its own."),
    Row::new("processing.guarantee", Kind::String, "at_least_once")
        .one_of(&["at_least_once", "exactly_once_v2"])
        .refuse_values(&[("exactly_once_v2", "transactions come with a later release")])
        .importance(Importance::Medium)
        .doc("Whether a record may be processed again after a failure."),
    Row::new("commit.interval.ms", Kind::Long, "30000")
        .at_least(0)
        .unit(Unit::Millis)
        .doc("How often progress is committed; what came after the last commit is processed again after a failure."),
    Row::new("max.task.idle.ms", Kind::Long, "0")
        .at_least(-1)
        .unit(Unit::Millis)
        .kip(695)
        .importance(Importance::Medium)
        .doc("How long a task waits for a partition that has nothing more, so that records come in order of time; 0 waits only for what the broker is known to have, -1 never."),
    Row::new("buffered.records.per.partition", Kind::Int, "1000")
        .at_least(1)
        .doc("How many records of a partition wait for their turn before it is paused."),
    Row::new("repartition.purge.interval.ms", Kind::Long, "30000")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(811)
        .doc("How often records of repartition topics are deleted that were processed and committed."),
    Row::new("replication.factor", Kind::Int, "-1")
        .at_least(-1)
        .importance(Importance::High)
        .doc("How many replicas internal topics get; -1 for the cluster's own number."),
];

const STATE: &[Row] = &[
    Row::new("windowstore.changelog.additional.retention.ms", Kind::Long, "86400000")
        .at_least(0)
        .unit(Unit::Millis)
        .doc("How much longer than a window store the topic with its changes keeps them."),
    Row::new("statestore.uncommitted.max.bytes", Kind::Long, "67108864")
        .at_least(1)
        .unit(Unit::Bytes)
        .kip(892)
        .doc("How much memory uncommitted changes of a worker's stores take before it commits early."),
];

const ERRORS: &[Row] = &[
    Row::without_default("errors.dead.letter.queue.topic.name", Kind::String)
        .kip(1034)
        .importance(Importance::Medium)
        .doc("Where records go that an error handler leaves out."),
    Row::new("task.timeout.ms", Kind::Long, "300000")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(572)
        .importance(Importance::Medium)
        .doc("How long commits are tried again while brokers do not answer."),
];

const WITHOUT_EFFECT: &[Row] = &[
    Row::new("statestore.cache.max.bytes", Kind::Long, "0")
        .accepted("stores have no cache: every update is seen")
        .doc("How much memory Java's record caches take."),
    Row::new("poll.ms", Kind::Long, "100")
        .accepted("a worker sleeps until there is something to do")
        .doc("How long Java's stream threads wait for records."),
    Row::new("state.dir", Kind::String, "")
        .accepted("state is in memory and comes back from its changelogs")
        .doc("Where Java keeps its stores."),
    Row::new("num.standby.replicas", Kind::Int, "0")
        .refused("standby tasks come with a later release")
        .doc("How many copies of each store are kept ready elsewhere."),
    Row::new("topology.optimization", Kind::String, "none")
        .refused("topologies run as they were written")
        .doc("Which topics Java leaves out."),
    Row::new("application.server", Kind::String, "")
        .refused("stores answer no queries from elsewhere")
        .doc("Where this process answers queries."),
];

/// What the properties come to.
#[derive(Clone, Debug)]
pub(crate) struct StreamsSettings {
    pub(crate) workers: usize,
    pub(crate) commit_interval: Duration,
    /// `None` for a task that never waits.
    pub(crate) max_task_idle: Option<Duration>,
    pub(crate) buffered_records_per_partition: usize,
    pub(crate) purge_interval: Duration,
    pub(crate) replication_factor: i16,
    pub(crate) additional_retention_ms: i64,
    pub(crate) uncommitted_max_bytes: usize,
    pub(crate) dead_letters: Option<String>,
    pub(crate) task_timeout: Duration,
    pub(crate) consumer: Properties,
    pub(crate) restore_consumer: Properties,
    pub(crate) producer: Properties,
    /// Configs of all internal topics.
    pub(crate) topic: Vec<(String, String)>,
}

impl StreamsSettings {
    /// Checks the properties of an application.
    pub(crate) fn new(given: &Properties) -> Result<Self, ConfigError> {
        let split = Split::new(given);
        let settings = split.own.check(&[&STREAMS])?;
        let idle = settings.whole("max.task.idle.ms")?;
        Ok(Self {
            workers: settings.size("num.stream.threads")?,
            commit_interval: settings.millis("commit.interval.ms")?,
            max_task_idle: u64::try_from(idle).ok().map(Duration::from_millis),
            buffered_records_per_partition: settings.size("buffered.records.per.partition")?,
            purge_interval: settings.millis("repartition.purge.interval.ms")?,
            replication_factor: i16::try_from(settings.int("replication.factor")?).unwrap_or(i16::MAX),
            additional_retention_ms: settings.whole("windowstore.changelog.additional.retention.ms")?,
            uncommitted_max_bytes: settings.size("statestore.uncommitted.max.bytes")?,
            dead_letters: settings.optional_text("errors.dead.letter.queue.topic.name")?.map(str::to_owned),
            task_timeout: settings.millis("task.timeout.ms")?,
            consumer: split.consumer,
            restore_consumer: split.restore_consumer,
            producer: split.producer,
            topic: split.topic,
        })
    }

    /// An internal topic with the configs that hold for all of them.
    pub(super) fn new_topic(&self, name: &str, partitions: i32) -> NewTopic {
        NewTopic::new(name).partitions(partitions).replication_factor(self.replication_factor)
    }
}

/// Properties by the client that they are for.
struct Split {
    own: Properties,
    consumer: Properties,
    restore_consumer: Properties,
    producer: Properties,
    topic: Vec<(String, String)>,
}

impl Split {
    fn new(given: &Properties) -> Self {
        let mut split = Self {
            own: Properties::new(),
            consumer: consumer_defaults(),
            restore_consumer: Properties::new(),
            producer: Properties::new(),
            topic: Vec::new(),
        };
        // Kafka Streams lets its producer wait longer than others do.
        split.producer.set("linger.ms", 100);
        split.restore_consumer.set("max.poll.records", 1000);
        let all = || given.names().filter_map(|name| Some((name, given.value(name)?)));
        all().for_each(|(name, value)| split.without_prefix(name, value));
        // The more exactly a property names its client, the later it is set, over what was set before.
        all().for_each(|(name, value)| split.with_prefix(name, value));
        split.own_main_consumer(given);
        split
    }

    fn without_prefix(&mut self, name: &str, value: &str) {
        if STREAMS.row(name).is_some() {
            self.own.set(name, value);
            return;
        }
        let (for_consumer, for_producer) = (CONSUMER.row(name).is_some(), PRODUCER.row(name).is_some());
        if for_consumer {
            self.consumer.set(name, value);
        }
        if for_producer {
            self.producer.set(name, value);
        }
        let known = for_consumer || for_producer || COMMON.row(name).is_some() || name == "application.id";
        if !known && !PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            self.own.set(name, value);
        }
    }

    fn with_prefix(&mut self, name: &str, value: &str) {
        if let Some(name) = name.strip_prefix("consumer.") {
            self.consumer.set(name, value);
            self.restore_consumer.set(name, value);
        } else if let Some(name) = name.strip_prefix("producer.") {
            self.producer.set(name, value);
        } else if let Some(name) = name.strip_prefix("topic.") {
            self.topic.push((name.to_owned(), value.to_owned()));
        }
    }

    fn own_main_consumer(&mut self, given: &Properties) {
        for name in given.names() {
            let Some(value) = given.value(name) else { continue };
            if let Some(name) = name.strip_prefix("main.consumer.") {
                self.consumer.set(name, value);
            } else if let Some(name) = name.strip_prefix("restore.consumer.") {
                self.restore_consumer.set(name, value);
            }
        }
    }
}

/// What Kafka Streams sets for its main consumer.
fn consumer_defaults() -> Properties {
    let mut consumer = Properties::new();
    consumer.set("auto.offset.reset", "earliest").set("max.poll.records", 1000);
    consumer
}

/// What may stand before a client's property.
const PREFIXES: &[&str] = &[
    "consumer.",
    "main.consumer.",
    "restore.consumer.",
    "global.consumer.",
    "producer.",
    "admin.",
    "topic.",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> Result<StreamsSettings, ConfigError> {
        let mut properties = Properties::new();
        for (name, value) in given {
            properties.set(*name, value);
        }
        StreamsSettings::new(&properties)
    }

    #[test]
    fn defaults_are_javas() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.commit_interval, Duration::from_secs(30));
        assert_eq!((settings.workers, settings.replication_factor), (1, -1));
        assert_eq!(settings.max_task_idle, Some(Duration::ZERO));
        assert_eq!(settings.consumer.value("auto.offset.reset"), Some("earliest"));
        assert_eq!(
            (settings.consumer.value("max.poll.records"), settings.producer.value("linger.ms")),
            (Some("1000"), Some("100"))
        );
    }

    #[test]
    fn properties_go_to_the_client_that_they_name() {
        let settings = settings(&[
            ("linger.ms", "7"),
            ("consumer.fetch.max.wait.ms", "20"),
            ("main.consumer.fetch.max.wait.ms", "30"),
            ("max.poll.records", "5"),
            ("topic.retention.ms", "-1"),
        ])
        .unwrap();
        assert_eq!(settings.producer.value("linger.ms"), Some("7"));
        assert_eq!(settings.consumer.value("fetch.max.wait.ms"), Some("30"));
        assert_eq!(settings.restore_consumer.value("fetch.max.wait.ms"), Some("20"));
        assert_eq!(settings.consumer.value("max.poll.records"), Some("5"));
        assert_eq!(settings.topic, [("retention.ms".to_owned(), "-1".to_owned())]);
    }

    #[test]
    fn what_cannot_be_is_answered_with_what_can() {
        let refusal = |name, value| settings(&[(name, value)]).unwrap_err().to_string();
        assert!(refusal("comit.interval.ms", "1").contains("did you mean `commit.interval.ms`?"));
        assert!(refusal("processing.guarantee", "exactly_once_v2").contains("later release"));
        assert!(refusal("num.standby.replicas", "1").contains("later release"));
        assert_eq!(settings(&[("max.task.idle.ms", "-1")]).unwrap().max_task_idle, None);
    }

    #[test]
    fn every_row_takes_its_own_default() {
        for row in STREAMS.rows() {
            if let Some(default) = row.default {
                assert!(settings(&[(row.name, default)]).is_ok(), "{}", row.name);
            }
        }
    }
}
