//! The configs of one topic: its own over the brokers' properties over Kafka's defaults.
use std::collections::BTreeMap;

use courant_protocol::error_code::ErrorCode;

use super::broker::BrokerConfig;
use super::change::{Change, Refused};
use super::entry::{Entry, Source, Synonym};
use super::row::Row;
use super::topic_rows::TOPIC_ROWS;

/// What a topic was created with.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicConfig {
    set: BTreeMap<String, String>,
}

impl TopicConfig {
    /// Sets a config, or says why not in the words that CreateTopics answers with.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let Some(row) = row(name) else {
            return Err(format!("Unknown topic config name: {name}"));
        };
        let Some(value) = value else {
            return Err(format!("Null value not supported for topic configs: {name}"));
        };
        row.kind.check(value).map_err(|expected| {
            format!("Invalid value {value} for configuration {name}: expected {expected}")
        })?;
        check_range(name, value)
            .map_err(|reason| format!("Invalid value {value} for configuration {name}: {reason}"))?;
        self.set.insert(name.to_owned(), value.trim().to_owned());
        Ok(())
    }

    /// The configs as changes leave them, all together or not at all; `replaces` drops those that are not named.
    pub(crate) fn altered(
        &self,
        brokers: &BrokerConfig,
        replaces: bool,
        changes: &[(&str, Change<'_>)],
    ) -> Result<Self, Refused> {
        let mut altered = if replaces { Self::default() } else { self.clone() };
        for (name, change) in changes {
            let value = match row(name) {
                Some(row) => {
                    let set = self.set.get(*name).map(String::as_str);
                    change.applied(row, set, &self.value(brokers, name))?
                }
                None => Some(String::new()),
            };
            match value {
                None => drop(altered.set.remove(*name)),
                Some(value) => {
                    altered
                        .set(name, Some(&value))
                        .map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
                }
            }
        }
        altered.check(brokers).map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
        Ok(altered)
    }

    /// What must hold between configs.
    pub(crate) fn check(&self, brokers: &BrokerConfig) -> Result<(), String> {
        let number = |name: &str| self.number(brokers, name);
        let (least, most) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
        if least > most {
            return Err(format!(
                "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
            ));
        }
        Ok(())
    }

    /// Whether the clean-up policy names `policy`.
    pub(crate) fn cleans_by(&self, brokers: &BrokerConfig, policy: &str) -> bool {
        self.value(brokers, "cleanup.policy").split(',').any(|named| named.trim() == policy)
    }

    /// The value in force.
    pub(crate) fn value(&self, brokers: &BrokerConfig, name: &str) -> String {
        self.in_force(brokers, name).0
    }

    /// The value in force as a number.
    pub(crate) fn number(&self, brokers: &BrokerConfig, name: &str) -> i64 {
        self.value(brokers, name).parse().unwrap_or_default()
    }

    /// Every config of the topic, sorted by name.
    pub(crate) fn describe(&self, brokers: &BrokerConfig) -> Vec<Entry> {
        TOPIC_ROWS.iter().map(|row| self.entry(brokers, row)).collect()
    }

    fn in_force(&self, brokers: &BrokerConfig, name: &str) -> (String, Source) {
        let Some(row) = row(name) else { return (String::new(), Source::Default) };
        if let Some(own) = self.set.get(name) {
            return (own.clone(), Source::Topic);
        }
        for fallback in row.fallbacks {
            if let Some((source, value)) = brokers.layers(fallback).next() {
                return (in_milliseconds(fallback, value), source);
            }
        }
        // KIP-966: with eligible leader replicas the cluster keeps this as a dynamic default.
        let source =
            if name == "min.insync.replicas" { Source::DynamicDefaultBroker } else { Source::Default };
        (row.default.unwrap_or_default().to_owned(), source)
    }

    fn entry(&self, brokers: &BrokerConfig, row: &'static Row) -> Entry {
        let (value, source) = self.in_force(brokers, row.name);
        let mut synonyms = Vec::new();
        if let Some(own) = self.set.get(row.name) {
            synonyms.push(Synonym {
                name: row.name.to_owned(),
                value: Some(own.clone()),
                source: Source::Topic,
            });
        }
        // Only the strongest property is named, as Kafka does, though weaker ones may give the value.
        if let Some(property) = row.fallbacks.first() {
            synonyms.extend(super::broker::property_synonyms(brokers, property));
        }
        Entry { row, value: Some(value), source, synonyms }
    }
}

/// Properties in minutes and hours give configs in milliseconds.
fn in_milliseconds(property: &str, value: &str) -> String {
    let unit = if property.ends_with(".hours") {
        3_600_000
    } else if property.ends_with(".minutes") {
        60_000
    } else {
        return value.to_owned();
    };
    value
        .parse::<i64>()
        .map_or_else(|_| value.to_owned(), |n| if n < 0 { n } else { n.saturating_mul(unit) }.to_string())
}

/// Finds a topic config.
pub(crate) fn row(name: &str) -> Option<&'static Row> {
    TOPIC_ROWS.binary_search_by(|row| row.name.cmp(name)).ok().and_then(|index| TOPIC_ROWS.get(index))
}

/// The limits and the closed lists of Kafka's `LogConfig`.
pub(crate) fn check_range(name: &str, value: &str) -> Result<(), String> {
    let one_of = |allowed: &[&str]| {
        if allowed.contains(&value) {
            Ok(())
        } else {
            Err(format!("String must be one of: {}", allowed.join(", ")))
        }
    };
    let at_least = |least: i64| match value.parse::<i64>() {
        Ok(number) if number < least => Err(format!("Value must be at least {least}")),
        _ => Ok(()),
    };
    match name {
        "message.timestamp.type" => one_of(&["CreateTime", "LogAppendTime"]),
        "compression.type" => one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "cleanup.policy" => cleanup_policy(value),
        "retention.ms" => at_least(-1),
        "local.retention.ms" | "local.retention.bytes" => at_least(-2),
        "min.insync.replicas" | "segment.ms" | "flush.messages" | "max.compaction.lag.ms" => at_least(1),
        "segment.bytes" => at_least(1_048_576),
        "segment.index.bytes" => at_least(4),
        "max.message.bytes"
        | "segment.jitter.ms"
        | "flush.ms"
        | "index.interval.bytes"
        | "delete.retention.ms"
        | "min.compaction.lag.ms"
        | "file.delete.delay.ms"
        | "message.timestamp.before.max.ms"
        | "message.timestamp.after.max.ms" => at_least(0),
        "min.cleanable.dirty.ratio" => match value.parse::<f64>() {
            Ok(ratio) if !(0.0..=1.0).contains(&ratio) => Err("Value must be between 0 and 1".to_owned()),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn cleanup_policy(value: &str) -> Result<(), String> {
    let known = value.split(',').map(str::trim).filter(|policy| !policy.is_empty());
    for policy in known {
        if !matches!(policy, "compact" | "delete") {
            return Err("String must be one of: compact, delete".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_own_value_goes_before_the_brokers_and_the_brokers_before_kafkas() {
        let (mut brokers, mut topic) = (BrokerConfig::default(), TopicConfig::default());
        assert_eq!(topic.value(&brokers, "retention.ms"), "604800000");
        brokers.set("log.retention.hours", "2").unwrap();
        assert_eq!(topic.value(&brokers, "retention.ms"), "7200000");
        brokers.set("log.retention.ms", "-1").unwrap();
        let described = topic.describe(&brokers);
        let entry = described.iter().find(|entry| entry.row.name == "retention.ms").unwrap();
        assert_eq!((entry.value.as_deref(), entry.source), (Some("-1"), Source::StaticBroker));
        topic.set("retention.ms", Some("5")).unwrap();
        assert_eq!(topic.number(&brokers, "retention.ms"), 5);
    }

    #[test]
    fn unknown_names_and_values_out_of_range_are_refused_with_a_reason() {
        let mut topic = TopicConfig::default();
        assert!(topic.set("retention", Some("1")).unwrap_err().contains("Unknown topic config name"));
        assert!(topic.set("cleanup.policy", Some("shred")).is_err());
        assert!(topic.set("min.insync.replicas", Some("0")).is_err());
        assert!(topic.set("retention.ms", None).is_err());
        assert!(topic.set("cleanup.policy", Some("compact,delete")).is_ok());
    }
}
