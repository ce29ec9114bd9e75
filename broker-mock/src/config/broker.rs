//! The properties of the brokers: Kafka's defaults under what `--config` or the builder set.
use std::collections::BTreeMap;

use super::broker_rows::BROKER_ROWS;
use super::entry::{Entry, Source, Synonym};
use super::row::Row;
use super::topic_rows::TOPIC_ROWS;

/// A property that no broker takes, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value}: {reason}")]
pub struct ConfigError {
    /// The property's name.
    pub name: String,
    /// The refused value.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What was set on all brokers of a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokerConfig {
    set: BTreeMap<String, String>,
}

impl BrokerConfig {
    /// Sets a property under Kafka's name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let refused = |reason: String| ConfigError { name: name.to_owned(), value: value.to_owned(), reason };
        let Some(row) = row(name) else {
            return Err(refused("no broker property has this name".to_owned()));
        };
        row.kind.check(value).map_err(|expected| refused(format!("expected {expected}")))?;
        // A broker property that topics fall back to obeys the topic config's own limits.
        if let Some(topic) = TOPIC_ROWS.iter().find(|topic| topic.fallbacks.first() == Some(&name)) {
            super::topic::check_range(topic.name, value).map_err(refused)?;
        }
        self.set.insert(name.to_owned(), value.trim().to_owned());
        Ok(())
    }

    /// What was set, not the default.
    pub(crate) fn explicit(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// The value in force.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.explicit(name).or_else(|| row(name)?.default)
    }

    /// The value in force as a number; 0 for one that is none, which the checks of [`Self::set`] rule out.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.value(name).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// The value in force as a size or a count; nothing below 0.
    pub(crate) fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or_default()
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some("true")
    }

    /// Every property of one broker, `identity` being those that differ from broker to broker.
    pub(crate) fn describe(&self, identity: &BTreeMap<&'static str, String>) -> Vec<Entry> {
        BROKER_ROWS.iter().map(|row| self.entry(row, identity.get(row.name))).collect()
    }

    fn entry(&self, row: &'static Row, own: Option<&String>) -> Entry {
        let mut synonyms = Vec::new();
        if let Some(value) = own.map(String::as_str).or_else(|| self.explicit(row.name)) {
            let name = row.name.to_owned();
            synonyms.push(Synonym { name, value: Some(value.to_owned()), source: Source::StaticBroker });
        } else if row.name == "min.insync.replicas" {
            // KIP-966: with eligible leader replicas the cluster keeps this as a dynamic default.
            let (name, value) = (row.name.to_owned(), row.default.map(str::to_owned));
            synonyms.push(Synonym { name, value, source: Source::DynamicDefaultBroker });
        }
        if let Some(value) = row.default {
            let name = row.name.to_owned();
            synonyms.push(Synonym { name, value: Some(value.to_owned()), source: Source::Default });
        }
        let (value, source) =
            synonyms.first().map_or((None, Source::Default), |first| (first.value.clone(), first.source));
        Entry { row, value, source, synonyms }
    }
}

/// Finds a broker property.
pub(crate) fn row(name: &str) -> Option<&'static Row> {
    BROKER_ROWS.binary_search_by(|row| row.name.cmp(name)).ok().and_then(|index| BROKER_ROWS.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_name_so_that_a_search_finds_them() {
        assert!(BROKER_ROWS.is_sorted_by_key(|row| row.name));
        assert!(TOPIC_ROWS.is_sorted_by_key(|row| row.name));
        for row in BROKER_ROWS.iter().chain(TOPIC_ROWS) {
            let default = row.default.unwrap_or("0");
            assert!(row.default.is_none() || row.kind.check(default).is_ok(), "{}", row.name);
        }
    }

    #[test]
    fn a_property_that_was_set_hides_kafkas_default() {
        let mut config = BrokerConfig::default();
        assert_eq!(config.number("num.partitions"), 1);
        config.set("num.partitions", "6").unwrap();
        assert_eq!(config.number("num.partitions"), 6);
        let described = config.describe(&BTreeMap::new());
        let entry = described.iter().find(|entry| entry.row.name == "num.partitions").unwrap();
        assert_eq!(entry.source, Source::StaticBroker);
        assert_eq!(entry.synonyms.len(), 2);
    }

    #[test]
    fn a_misspelt_name_and_a_value_of_another_kind_are_refused() {
        let mut config = BrokerConfig::default();
        assert!(config.set("num.partition", "6").is_err());
        assert!(config.set("num.partitions", "six").is_err());
        assert!(config.set("log.message.timestamp.type", "Now").is_err());
    }
}
