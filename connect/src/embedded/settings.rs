//! The properties that every connector has, under Connect's names, and those of the worker.
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use courant_client::config::Properties;

use crate::embedded::sink_topics::SinkTopics;
use crate::error::{Error, Result};
use crate::worker::{ErrorPolicy, Tolerance};

/// The properties of a connector, by name.
pub(crate) type PropertyMap = BTreeMap<String, String>;

/// Which way records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectorKind {
    /// Into Kafka.
    Source,
    /// Out of Kafka.
    Sink,
}

/// What every connector can be told, beside what its own configuration says.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorSettings {
    pub(crate) name: String,
    pub(crate) tasks_max: usize,
    pub(crate) tasks_max_enforce: bool,
    pub(crate) policy: ErrorPolicy,
    pub(crate) log_errors: bool,
    pub(crate) dead_letters: Option<DeadLetterSettings>,
    pub(crate) poll_interval: Duration,
    pub(crate) batch_max_records: usize,
    /// What a sink reads; a source has none.
    pub(crate) topics: Option<SinkTopics>,
    /// How topics of a source are created, if they are.
    pub(crate) topic_creation: Option<TopicCreation>,
    pub(crate) producer: Properties,
    pub(crate) consumer: Properties,
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetterSettings {
    pub(crate) topic: String,
    pub(crate) replication_factor: i16,
    pub(crate) with_headers: bool,
}

/// How a topic is created that a source writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicCreation {
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
    pub(crate) configs: Vec<(String, String)>,
}

impl ConnectorSettings {
    /// Reads what is common to all connectors and leaves the connector's own properties.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the property and what it may be.
    pub(crate) fn read(
        name: &str,
        kind: ConnectorKind,
        properties: &PropertyMap,
    ) -> Result<(Self, PropertyMap)> {
        let mut reader = Reader { left: properties.clone() };
        let name = connector_name(name, &mut reader)?;
        let policy = reader.policy()?;
        let settings = Self {
            name,
            tasks_max: reader.number("tasks.max", 1, 1..=10_000)?,
            tasks_max_enforce: reader.boolean("tasks.max.enforce", true)?,
            policy,
            log_errors: reader.boolean("errors.log.enable", false)?,
            dead_letters: reader.dead_letters()?,
            poll_interval: reader.millis("poll.interval.ms", Duration::from_secs(1))?,
            batch_max_records: reader.number("batch.max.records", 1_000, 1..=1_000_000)?,
            topics: if kind == ConnectorKind::Sink { Some(reader.topics()?) } else { None },
            topic_creation: if kind == ConnectorKind::Source { reader.topic_creation()? } else { None },
            producer: reader.prefixed("producer.override."),
            consumer: reader.prefixed("consumer.override."),
        };
        refuse_own_letters(&settings)?;
        for without_effect in ["connector.class", "config.action.reload", "errors.log.include.messages"] {
            reader.left.remove(without_effect);
        }
        Ok((settings, reader.left))
    }
}

/// The names that [`ConnectorSettings`] takes out of a connector's properties; a misspelt one is looked for among them.
pub(crate) const COMMON_PROPERTIES: &[&str] = &[
    "name",
    "connector.class",
    "tasks.max",
    "tasks.max.enforce",
    "key.converter",
    "value.converter",
    "header.converter",
    "transforms",
    "predicates",
    "config.action.reload",
    "errors.retry.timeout",
    "errors.retry.delay.max.ms",
    "errors.tolerance",
    "errors.log.enable",
    "errors.log.include.messages",
    "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.deadletterqueue.context.headers.enable",
    "poll.interval.ms",
    "batch.max.records",
    "topics",
    "topics.regex",
    "topic.creation.default.partitions",
    "topic.creation.default.replication.factor",
];

fn connector_name(name: &str, reader: &mut Reader) -> Result<String> {
    let trimmed = name.trim();
    if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
        let what = format!("`{name}` is no name of a connector: it is empty or has control characters");
        return Err(Error::config(what));
    }
    match reader.take("name") {
        Some(other) if other.trim() != trimmed => {
            let what = format!("property `name` is `{other}`, but the connector is called `{trimmed}`");
            Err(Error::config(what).hinting("leave `name` out"))
        }
        _ => Ok(trimmed.to_owned()),
    }
}

/// A sink that reads its own dead letters would write them again and again.
fn refuse_own_letters(settings: &ConnectorSettings) -> Result<()> {
    let Some(letters) = &settings.dead_letters else { return Ok(()) };
    if !settings.topics.as_ref().is_some_and(|topics| topics.contains(&letters.topic)) {
        return Ok(());
    }
    let what = format!("property `errors.deadletterqueue.topic.name` is `{}`", letters.topic);
    Err(Error::config(what)
        .hinting("it must not be among the topics that the sink reads: it would read its own dead letters"))
}

/// Takes properties out of a map.
struct Reader {
    left: PropertyMap,
}

impl Reader {
    fn take(&mut self, name: &str) -> Option<String> {
        self.left.remove(name)
    }

    fn parse<T: FromStr>(&mut self, name: &str, default: T, wanted: &str) -> Result<T> {
        match self.take(name) {
            None => Ok(default),
            Some(text) => text.trim().parse().map_err(|_| wrong(name, &text, wanted)),
        }
    }

    fn number<T>(&mut self, name: &str, default: T, range: std::ops::RangeInclusive<T>) -> Result<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.parse(name, default, &wanted)?;
        if range.contains(&number) { Ok(number) } else { Err(wrong(name, &number.to_string(), &wanted)) }
    }

    fn boolean(&mut self, name: &str, default: bool) -> Result<bool> {
        self.parse(name, default, "true or false")
    }

    fn millis(&mut self, name: &str, default: Duration) -> Result<Duration> {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Ok(Duration::from_millis(self.parse(name, default, "a number of milliseconds")?))
    }

    fn prefixed(&mut self, prefix: &str) -> Properties {
        let mut properties = Properties::new();
        self.left.retain(|name, value| match name.strip_prefix(prefix) {
            Some(name) => {
                properties.set(name, value);
                false
            }
            None => true,
        });
        properties
    }

    fn policy(&mut self) -> Result<ErrorPolicy> {
        let retry_timeout = match self.take("errors.retry.timeout") {
            None => None,
            Some(text) => match text.trim().parse::<i64>() {
                Ok(-1) => Some(Duration::MAX),
                Ok(ms @ 0..) => Some(Duration::from_millis(ms.unsigned_abs())),
                _ => {
                    return Err(wrong(
                        "errors.retry.timeout",
                        &text,
                        "milliseconds, 0 for never, -1 for ever",
                    ));
                }
            },
        };
        let tolerance = match self.take("errors.tolerance") {
            None => Tolerance::None,
            Some(text) => match text.trim().to_ascii_lowercase().as_str() {
                "none" => Tolerance::None,
                "all" => Tolerance::All,
                _ => return Err(wrong("errors.tolerance", &text, "none or all")),
            },
        };
        let retry_delay_max = self.millis("errors.retry.delay.max.ms", Duration::from_secs(60))?;
        Ok(ErrorPolicy { retry_timeout, retry_delay_max, tolerance })
    }

    fn dead_letters(&mut self) -> Result<Option<DeadLetterSettings>> {
        let topic = self.take("errors.deadletterqueue.topic.name").unwrap_or_default();
        let replication_factor =
            self.number("errors.deadletterqueue.topic.replication.factor", -1_i16, -1..=i16::MAX)?;
        let with_headers = self.boolean("errors.deadletterqueue.context.headers.enable", false)?;
        let topic = topic.trim().to_owned();
        Ok((!topic.is_empty()).then_some(DeadLetterSettings { topic, replication_factor, with_headers }))
    }

    fn topics(&mut self) -> Result<SinkTopics> {
        SinkTopics::read(self.take("topics").as_deref(), self.take("topics.regex").as_deref())
    }

    fn topic_creation(&mut self) -> Result<Option<TopicCreation>> {
        const PREFIX: &str = "topic.creation.default.";
        if !self.left.keys().any(|name| name.starts_with(PREFIX)) {
            return Ok(None);
        }
        let partitions = self.number("topic.creation.default.partitions", -1, -1..=i32::MAX)?;
        let replication_factor =
            self.number("topic.creation.default.replication.factor", -1_i16, -1..=i16::MAX)?;
        let mut configs = Vec::new();
        self.left.retain(|name, value| match name.strip_prefix(PREFIX) {
            Some(name) => {
                configs.push((name.to_owned(), value.clone()));
                false
            }
            None => true,
        });
        Ok(Some(TopicCreation { partitions, replication_factor, configs }))
    }
}

fn wrong(name: &str, value: &str, wanted: &str) -> Error {
    Error::config(format!("property `{name}` is `{value}`")).hinting(format!("it must be {wanted}"))
}

/// What the worker itself can be told.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSettings {
    pub(crate) offsets_topic: String,
    pub(crate) offsets_partitions: i32,
    pub(crate) offsets_replication_factor: i16,
    pub(crate) offsets_configs: Vec<(String, String)>,
    pub(crate) flush_interval: Duration,
    pub(crate) flush_timeout: Duration,
}

impl WorkerSettings {
    /// Reads the worker's properties; what is left over are defaults for its connectors.
    ///
    /// # Errors
    /// As [`ConnectorSettings::read`].
    pub(crate) fn read(properties: &PropertyMap) -> Result<(Self, PropertyMap)> {
        let mut reader = Reader { left: properties.clone() };
        let settings = Self {
            offsets_topic: reader
                .take("offset.storage.topic")
                .unwrap_or_else(|| "connect-offsets".to_owned()),
            offsets_partitions: reader.number("offset.storage.partitions", 25, -1..=i32::MAX)?,
            offsets_replication_factor: reader.number(
                "offset.storage.replication.factor",
                -1_i16,
                -1..=i16::MAX,
            )?,
            flush_interval: reader.millis("offset.flush.interval.ms", Duration::from_secs(60))?,
            flush_timeout: reader.millis("offset.flush.timeout.ms", Duration::from_secs(5))?,
            offsets_configs: Vec::new(),
        };
        let mut configs = Vec::new();
        reader.left.retain(|name, value| match name.strip_prefix("offset.storage.") {
            Some(name) => {
                configs.push((name.to_owned(), value.clone()));
                false
            }
            None => true,
        });
        Ok((Self { offsets_configs: configs, ..settings }, reader.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(properties: &[(&str, &str)]) -> PropertyMap {
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_common_is_read_and_the_rest_is_the_connectors_own() {
        let properties = map(&[
            ("name", " flights "),
            ("connector.class", "CsvSource"),
            ("file", "a.csv"),
            ("errors.tolerance", "ALL"),
            ("errors.retry.timeout", "-1"),
            ("errors.deadletterqueue.topic.name", "dead"),
            ("topic.creation.default.partitions", "6"),
            ("topic.creation.default.retention.ms", "-1"),
            ("producer.override.linger.ms", "20"),
        ]);
        let (settings, own) = ConnectorSettings::read("flights", ConnectorKind::Source, &properties).unwrap();
        assert_eq!(own, map(&[("file", "a.csv")]));
        assert_eq!(settings.policy.tolerance, Tolerance::All);
        assert_eq!(settings.policy.retry_timeout, Some(Duration::MAX));
        let creation = settings.topic_creation.unwrap();
        assert_eq!((creation.partitions, creation.replication_factor), (6, -1));
        assert_eq!(creation.configs, [("retention.ms".to_owned(), "-1".to_owned())]);
        assert_eq!(settings.dead_letters.unwrap().topic, "dead");
    }

    #[test]
    fn errors_name_the_property_and_what_it_may_be() {
        for (name, value, wanted) in [
            ("tasks.max", "0", "from 1 to"),
            ("errors.tolerance", "some", "none or all"),
            ("errors.retry.timeout", "soon", "-1 for ever"),
            ("errors.log.enable", "yes", "true or false"),
            ("name", "other", "leave `name` out"),
        ] {
            let properties = map(&[(name, value), ("topics", "t")]);
            let error =
                ConnectorSettings::read("c", ConnectorKind::Sink, &properties).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn the_workers_own_properties_leave_defaults_for_its_connectors() {
        let properties = map(&[("offset.storage.partitions", "3"), ("value.converter", "json")]);
        let (settings, rest) = WorkerSettings::read(&properties).unwrap();
        assert_eq!((settings.offsets_partitions, &*settings.offsets_topic), (3, "connect-offsets"));
        assert_eq!(rest, map(&[("value.converter", "json")]));
    }
}
