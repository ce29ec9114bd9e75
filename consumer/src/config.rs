//! The consumer's properties: Java's `ConsumerConfig`, with its names and defaults, and the plain values they become.
use std::time::Duration;

use courant_client::config::{ConfigError, ConfigErrorKind, Importance, Kind, Properties, Row, Table, Unit};

use crate::assignor::{Assignor, UnknownAssignor};
use crate::machine::isolation::IsolationLevel;
use crate::machine::reset::OffsetReset;
use crate::machine::stretch::ReadRules;

/// The properties that only a consumer has, with Java's names and defaults (Kafka 4.3), beside the common ones of its
/// [`Kafka`](courant_client::Kafka).
///
#[doc = include_str!("../PROPERTIES.md")]
pub const CONSUMER: Table = Table::new(&[GROUP, FETCH, MEMBERSHIP, CALLS, JAVA]);

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
    /// Whether control records are handed out.
    pub(crate) keeps_control_records: bool,
    pub(crate) rack: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) exclude_internal_topics: bool,
    /// Whether brokers may create topics that are asked for.
    pub(crate) creates_topics: bool,
    /// How long calls may take; none where the `Kafka` underneath says it.
    pub(crate) api_timeout: Option<Duration>,
    /// Whether a dynamic member says farewell.
    pub(crate) leaves_group: bool,
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
            creates_topics: settings.is_given("allow.auto.create.topics")
                && settings.flag("allow.auto.create.topics")?,
            api_timeout: match settings.is_given("default.api.timeout.ms") {
                true => Some(settings.millis("default.api.timeout.ms")?),
                false => None,
            },
            leaves_group: settings.flag("internal.leave.group.on.close")?,
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
            keeps_control_records: settings.flag("keep.control.records")?,
            rack: settings.text("client.rack")?.to_owned(),
        })
    }
}

/// The part of the budget that decompressing may need on top of what was fetched into it.
const SURPLUS_SHARE: usize = 16;

impl ConsumerSettings {
    /// How batches are read.
    pub(crate) fn read_rules(&self) -> ReadRules {
        ReadRules {
            check_crcs: self.check_crcs,
            keeps_control_records: self.keeps_control_records,
            max_decompressed_bytes: self.max_decompressed_batch_bytes,
            max_surplus_bytes: self.fetch_buffer_bytes / SURPLUS_SHARE,
        }
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
    let word = text.trim();
    if let Some((theirs, kafkas, reset)) = LIBRDKAFKAS_WORDS.iter().find(|(theirs, ..)| *theirs == word) {
        tracing::info!(target: "courant::consumer", "librdkafka's `{NAME}={theirs}` is Kafka's `{kafkas}`");
        return Ok(*reset);
    }
    word.parse().or_else(|_| word.to_ascii_lowercase().parse()).map_err(wrong)
}

/// What librdkafka calls the values of `auto.offset.reset`, beside Kafka's words.
const LIBRDKAFKAS_WORDS: &[(&str, &str, OffsetReset)] = &[
    ("smallest", "earliest", OffsetReset::Earliest),
    ("beginning", "earliest", OffsetReset::Earliest),
    ("largest", "latest", OffsetReset::Latest),
    ("end", "latest", OffsetReset::Latest),
    ("error", "none", OffsetReset::None),
];

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
        .doc("The memory for everything that was fetched and not finished, decompressed bytes included; a poll for which decompressing costs a sixteenth of it hands out fewer records. Courant's own; Java has no such bound."),
    Row::new("max.decompressed.batch.bytes", Kind::Long, "268435456")
        .at_least(1024)
        .unit(Unit::Bytes)
        .doc("What one batch may decompress to; more is an error. Courant's own."),
    Row::new("check.crcs", Kind::Bool, "true").doc("Whether the checksum of each batch is compared."),
    Row::new("keep.control.records", Kind::Bool, "false")
        .doc("Whether the records by which brokers end transactions are handed out among the others, for tools that copy or show a log. Courant's own."),
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
    Row::new("internal.leave.group.on.close", Kind::Bool, "true")
        .doc("Whether a consumer that is closed leaves its group at once, as Kafka Streams' do not; a property that Java keeps to itself. `close_with(..)` says it for one time."),
];

const CALLS: &[Row] = &[
    Row::new("allow.auto.create.topics", Kind::Bool, "true")
        .importance(Importance::Medium)
        .kip(361)
        .doc("Whether brokers that are set so create a topic because it is asked for. Unlike Java's consumer this one asks them to only where the property is set to true, and not by default."),
    Row::new("default.api.timeout.ms", Kind::Int, "60000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(266)
        .doc("How long calls that have no timeout of their own may take; without it, as long as the `Kafka` underneath says."),
];

const JAVA: &[Row] = &[
    Row::without_default("key.deserializer", Kind::Class)
        .importance(Importance::High)
        .accepted("records are handed out as bytes; `typed(..)` takes codecs for them")
        .doc("A Java class that reads keys."),
    Row::without_default("value.deserializer", Kind::Class)
        .importance(Importance::High)
        .accepted("records are handed out as bytes; `typed(..)` takes codecs for them")
        .doc("A Java class that reads values."),
    Row::new("interceptor.classes", Kind::List, "")
        .refused("Java classes cannot be loaded; hand an interceptor over with `interceptor(..)`")
        .doc("Java classes that see records before the application does, and offsets that were committed."),
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
mod tests;
