//! The consumer's properties: Java's `ConsumerConfig`, with its names and defaults, and the plain values they become.
use std::time::Duration;

use courant_client::config::{ConfigError, ConfigErrorKind, Importance, Kind, Properties, Row, Table, Unit};

use crate::assignor::{Assignor, UnknownAssignor};
use crate::machine::isolation::IsolationLevel;
use crate::machine::reset::OffsetReset;

/// The properties of a consumer, beside the common ones that its `Kafka` has.
pub const CONSUMER: Table = Table::new(&[GROUP, FETCH, MEMBERSHIP, JAVA]);

/// What the properties come to.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerSettings {
    pub(crate) group: Option<String>,
    pub(crate) auto_offset_reset: OffsetReset,
    /// How often finished offsets are committed; none where the application commits.
    pub(crate) auto_commit_interval: Option<Duration>,
    pub(crate) isolation: IsolationLevel,
    pub(crate) max_poll_records: usize,
    pub(crate) fetch_min_bytes: i32,
    pub(crate) fetch_max_bytes: i32,
    pub(crate) max_partition_fetch_bytes: i32,
    pub(crate) fetch_max_wait: Duration,
    pub(crate) fetch_buffer_bytes: usize,
    pub(crate) max_decompressed_batch_bytes: usize,
    pub(crate) check_crcs: bool,
    pub(crate) rack: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) exclude_internal_topics: bool,
}

impl ConsumerSettings {
    /// Checks properties and reads them.
    ///
    /// # Errors
    /// The first property that is unknown, refused, or has a value that it does not take.
    pub(crate) fn new(properties: &Properties) -> Result<Self, ConfigError> {
        let settings = properties.check(&[&CONSUMER])?;
        for (name, reason) in settings.without_effect() {
            tracing::warn!(target: "courant::consumer", property = name, reason, "a property has no effect");
        }
        let group = settings.optional_text("group.id")?.filter(|group| !group.is_empty()).map(str::to_owned);
        let auto = settings.flag("enable.auto.commit")?;
        if auto && group.is_none() && settings.is_given("enable.auto.commit") {
            // KIP-289: offsets belong to a group.
            let text = "property `enable.auto.commit` cannot be `true`: offsets are committed for a group, and `group.id` is not set";
            return Err(ConfigError::new(ConfigErrorKind::Value, "enable.auto.commit", text));
        }
        let interval = settings.millis("auto.commit.interval.ms")?;
        let (session_timeout, heartbeat_interval) =
            (settings.millis("session.timeout.ms")?, settings.millis("heartbeat.interval.ms")?);
        if heartbeat_interval >= session_timeout {
            let text = "property `heartbeat.interval.ms` has to be less than `session.timeout.ms`; a third of it is usual";
            return Err(ConfigError::new(ConfigErrorKind::Value, "heartbeat.interval.ms", text));
        }
        Ok(Self {
            group_instance_id: settings.optional_text("group.instance.id")?.map(str::to_owned),
            assignors: assignors(settings.list("partition.assignment.strategy")?)?,
            session_timeout,
            heartbeat_interval,
            max_poll_interval: settings.millis("max.poll.interval.ms")?,
            exclude_internal_topics: settings.flag("exclude.internal.topics")?,
            auto_commit_interval: (auto && group.is_some()).then_some(interval),
            group,
            auto_offset_reset: offset_reset(settings.text("auto.offset.reset")?)?,
            isolation: match settings.text("isolation.level")? {
                "read_committed" => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            },
            max_poll_records: settings.size("max.poll.records")?,
            fetch_min_bytes: settings.int("fetch.min.bytes")?,
            fetch_max_bytes: settings.int("fetch.max.bytes")?,
            max_partition_fetch_bytes: settings.int("max.partition.fetch.bytes")?,
            fetch_max_wait: settings.millis("fetch.max.wait.ms")?,
            fetch_buffer_bytes: settings.size("fetch.buffer.bytes")?,
            max_decompressed_batch_bytes: settings.size("max.decompressed.batch.bytes")?,
            check_crcs: settings.flag("check.crcs")?,
            rack: settings.text("client.rack")?.to_owned(),
        })
    }
}

fn offset_reset(text: &str) -> Result<OffsetReset, ConfigError> {
    const NAME: &str = "auto.offset.reset";
    let wrong = |reason: String| {
        ConfigError::new(
            ConfigErrorKind::Value,
            NAME,
            format!("property `{NAME}` cannot be `{text}`: {reason}"),
        )
    };
    text.trim().parse().or_else(|_| text.trim().to_ascii_lowercase().parse()).map_err(wrong)
}

fn assignors(names: &[String]) -> Result<Vec<Assignor>, ConfigError> {
    const NAME: &str = "partition.assignment.strategy";
    let parse = |name: &String| {
        name.parse().map_err(|error: UnknownAssignor| {
            ConfigError::new(ConfigErrorKind::Value, NAME, format!("property `{NAME}`: {error}"))
        })
    };
    names.iter().map(parse).collect()
}

const GROUP: &[Row] = &[
    Row::without_default("group.id", Kind::String)
        .importance(Importance::High)
        .doc("The group that offsets are committed for; without one nothing can be committed."),
    Row::new("auto.offset.reset", Kind::String, "latest")
        .importance(Importance::Medium)
        .kip(1106)
        .doc("Where to start without a committed offset, or when it has left the log: earliest, latest, none (an error), or by_duration:PT1H."),
    Row::new("enable.auto.commit", Kind::Bool, "true")
        .importance(Importance::Medium)
        .doc("Whether the offsets of finished records are committed in the background. Finished is what was handed out before the current poll."),
    Row::new("auto.commit.interval.ms", Kind::Int, "5000")
        .at_least(0)
        .unit(Unit::Millis)
        .doc("How often finished offsets are committed in the background."),
    Row::new("isolation.level", Kind::String, "read_uncommitted")
        .one_of_in_any_case(&["read_uncommitted", "read_committed"])
        .importance(Importance::Medium)
        .kip(98)
        .doc("Whether records of open and aborted transactions are handed out."),
];

const FETCH: &[Row] = &[
    Row::new("max.poll.records", Kind::Int, "500")
        .at_least(1)
        .importance(Importance::Medium)
        .kip(41)
        .doc("How many records a poll hands out at most. It slices what was fetched and changes no request."),
    Row::new("fetch.min.bytes", Kind::Int, "1")
        .at_least(0)
        .unit(Unit::Bytes)
        .importance(Importance::High)
        .doc("A broker answers a fetch when it has this much, or when the wait is over."),
    Row::new("fetch.max.bytes", Kind::Int, "52428800")
        .at_least(0)
        .unit(Unit::Bytes)
        .importance(Importance::Medium)
        .kip(74)
        .doc("The most that one fetch brings; a first batch above it still comes."),
    Row::new("max.partition.fetch.bytes", Kind::Int, "1048576")
        .at_least(0)
        .unit(Unit::Bytes)
        .importance(Importance::High)
        .doc("The most that one fetch brings of a partition; a first batch above it still comes. As much may wait to be polled before more is fetched."),
    Row::new("fetch.max.wait.ms", Kind::Int, "500")
        .at_least(0)
        .unit(Unit::Millis)
        .doc("How long a broker waits for `fetch.min.bytes`."),
    Row::new("fetch.buffer.bytes", Kind::Long, "33554432")
        .at_least(1024)
        .unit(Unit::Bytes)
        .importance(Importance::Medium)
        .doc("The memory for everything that was fetched and not finished, decompressed bytes included. Courant's own; Java has no such bound."),
    Row::new("max.decompressed.batch.bytes", Kind::Long, "268435456")
        .at_least(1024)
        .unit(Unit::Bytes)
        .doc("What one batch may decompress to; more is an error. Courant's own."),
    Row::new("check.crcs", Kind::Bool, "true").doc("Whether the checksum of each batch is compared."),
    Row::new("client.rack", Kind::String, "")
        .kip(392)
        .doc("The rack or zone of this client, so that the leader can name a closer replica to fetch from."),
];

const MEMBERSHIP: &[Row] = &[
    Row::without_default("group.instance.id", Kind::String)
        .not_empty()
        .importance(Importance::Medium)
        .kip(345)
        .doc("A name by which a restarted member gets its partitions back; each member of a group needs another."),
    Row::new("group.protocol", Kind::String, "classic")
        .one_of_in_any_case(&["classic", "consumer"])
        .refuse_values(&[("consumer", "the protocol of KIP-848 is not supported yet")])
        .importance(Importance::High)
        .kip(848)
        .doc("Which protocol members of a group speak."),
    Row::without_default("group.remote.assignor", Kind::String)
        .kip(848)
        .importance(Importance::Medium)
        .accepted("it belongs to group.protocol=consumer, which is not supported yet")
        .doc("Which assignor the brokers use."),
    Row::new("partition.assignment.strategy", Kind::List, "range,cooperative-sticky")
        .importance(Importance::Medium)
        .doc("Which assignors a member offers, best first: range, roundrobin, sticky, cooperative-sticky, or Java's names of them."),
    Row::new("session.timeout.ms", Kind::Int, "45000")
        .at_least(1)
        .unit(Unit::Millis)
        .importance(Importance::High)
        .kip(735)
        .doc("After this time without a heartbeat a member is taken for dead."),
    Row::new("heartbeat.interval.ms", Kind::Int, "3000")
        .at_least(1)
        .unit(Unit::Millis)
        .importance(Importance::High)
        .doc("How often a member sends a heartbeat; less than the session timeout, a third of it at most."),
    Row::new("max.poll.interval.ms", Kind::Int, "300000")
        .at_least(1)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(62)
        .doc("After this time without a poll a member leaves its group; as long does the group wait for it in a rebalance."),
    Row::new("exclude.internal.topics", Kind::Bool, "true")
        .importance(Importance::Medium)
        .doc("Whether a subscription by names that match leaves Kafka's own topics out."),
];

const JAVA: &[Row] = &[
    Row::new("allow.auto.create.topics", Kind::Bool, "true")
        .importance(Importance::Medium)
        .kip(361)
        .accepted("a consumer never creates topics; create them with the admin client")
        .doc("Whether asking for a topic may create it."),
    Row::without_default("key.deserializer", Kind::Class)
        .importance(Importance::High)
        .accepted("records are handed out as bytes")
        .doc("A Java class that reads keys."),
    Row::without_default("value.deserializer", Kind::Class)
        .importance(Importance::High)
        .accepted("records are handed out as bytes")
        .doc("A Java class that reads values."),
    Row::new("interceptor.classes", Kind::List, "")
        .refused("they are Java classes")
        .doc("Java classes that see records before the application does."),
    Row::new("share.acknowledgement.mode", Kind::String, "implicit")
        .one_of(&["implicit", "explicit"])
        .importance(Importance::Medium)
        .kip(932)
        .accepted("this is not a share consumer")
        .doc("How a share consumer acknowledges records."),
    Row::new("share.acquire.mode", Kind::String, "BATCH_OPTIMIZED")
        .one_of_in_any_case(&["BATCH_OPTIMIZED", "RECORD_LIMIT"])
        .importance(Importance::Medium)
        .kip(1206)
        .accepted("this is not a share consumer")
        .doc("How a share consumer acquires records."),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ConsumerSettings, ConfigError> {
        let mut properties = Properties::new();
        for (name, value) in pairs {
            properties.set(*name, value);
        }
        ConsumerSettings::new(&properties)
    }

    #[test]
    fn the_defaults_are_javas() {
        let settings = read(&[("group.id", "g")]).unwrap();
        assert_eq!(settings.auto_offset_reset, OffsetReset::Latest);
        assert_eq!(settings.auto_commit_interval, Some(Duration::from_millis(5000)));
        assert_eq!(settings.isolation, IsolationLevel::ReadUncommitted);
        assert_eq!((settings.max_poll_records, settings.fetch_min_bytes), (500, 1));
        assert_eq!((settings.fetch_max_bytes, settings.max_partition_fetch_bytes), (52_428_800, 1_048_576));
        assert!(settings.check_crcs);
    }

    #[test]
    fn without_a_group_nothing_is_committed_in_the_background() {
        assert_eq!(read(&[]).unwrap().auto_commit_interval, None);
        let error = read(&[("enable.auto.commit", "true")]).unwrap_err();
        assert!(error.to_string().contains("`group.id` is not set"), "{error}");
    }

    #[test]
    fn wrong_values_and_names_are_told_with_what_is_right() {
        let error = read(&[("auto.offset.reset", "erliest")]).unwrap_err();
        assert!(error.to_string().contains("expected earliest, latest, none, or by_duration:"), "{error}");
        let error = read(&[("max.pol.records", "5")]).unwrap_err();
        assert!(error.to_string().contains("did you mean `max.poll.records`?"), "{error}");
        assert!(read(&[("max.poll.records", "0")]).is_err());
        assert!(read(&[("group.protocol", "consumer")]).is_err());
        assert!(read(&[("session.timeout.ms", "3000")]).is_err());
        let error = read(&[("partition.assignment.strategy", "rang")]).unwrap_err();
        assert!(error.to_string().contains("range, roundrobin"), "{error}");
        assert!(read(&[("auto.offset.reset", "by_duration:PT1H")]).is_ok());
    }
}
