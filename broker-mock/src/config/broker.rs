//! The properties of the brokers: Kafka's defaults under what `--config` or the builder set.
use std::borrow::Cow;
use std::collections::BTreeMap;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::NodeId;

use super::broker_rows::BROKER_ROWS;
use super::change::{Change, Refused};
use super::entry::{Entry, Source, Synonym};
use super::nearest::nearest;
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

/// What was set on the brokers of a cluster: in their files, and while they run for all of them or for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokerConfig {
    fixed: BTreeMap<String, String>,
    cluster: BTreeMap<String, String>,
    own: BTreeMap<NodeId, BTreeMap<String, String>>,
    /// The broker whose own values count.
    viewer: Option<NodeId>,
}

impl BrokerConfig {
    /// Sets a property under Kafka's name in the files of all brokers.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let refused = |reason: String| ConfigError { name: name.to_owned(), value: value.to_owned(), reason };
        let Some(row) = row(name) else {
            let hint = nearest(name, BROKER_ROWS.iter().map(|row| row.name));
            let hint = hint.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            return Err(refused(format!("no broker property has this name{hint}")));
        };
        check(row, value).map_err(refused)?;
        self.fixed.insert(name.to_owned(), value.trim().to_owned());
        Ok(())
    }

    /// As one broker has it; without one of their own all have the same.
    pub(crate) fn at(&self, node: NodeId) -> Cow<'_, Self> {
        if self.own.contains_key(&node) {
            Cow::Owned(Self { viewer: Some(node), ..self.clone() })
        } else {
            Cow::Borrowed(self)
        }
    }

    /// Changes properties while the brokers run: of one broker, or the default of all.
    ///
    /// A name that Kafka does not know may belong to a plug-in: it is taken, and means nothing here.
    pub(crate) fn altered(
        &self,
        node: Option<NodeId>,
        replaces: bool,
        changes: &[(&str, Change<'_>)],
    ) -> Result<Self, Refused> {
        let invalid = |message: String| (ErrorCode::INVALID_REQUEST, message);
        let mut altered = self.clone();
        let held = match node {
            Some(node) => altered.own.entry(node).or_default(),
            None => &mut altered.cluster,
        };
        let before = held.clone();
        if replaces {
            held.clear();
        }
        for (name, change) in changes {
            let Some(row) = row(name) else { continue };
            if !row.dynamic {
                return Err(invalid(format!("Cannot update these configs dynamically: [{name}]")));
            }
            let set = before.get(*name).map(String::as_str);
            match change.applied(row, set, row.default.unwrap_or_default())? {
                None => drop(held.remove(*name)),
                Some(value) => {
                    check(row, &value).map_err(|reason| {
                        invalid(format!("Invalid value {value} for configuration {name}: {reason}"))
                    })?;
                    held.insert((*name).to_owned(), value.trim().to_owned());
                }
            }
        }
        altered.own.retain(|_, own| !own.is_empty());
        Ok(altered)
    }

    /// What was set, the strongest first, with its source.
    pub(super) fn layers(&self, name: &str) -> impl Iterator<Item = (Source, &str)> {
        let own = self.viewer.and_then(|node| self.own.get(&node)).and_then(|own| own.get(name));
        let layers = [
            (Source::DynamicBroker, own),
            (Source::DynamicDefaultBroker, self.cluster.get(name)),
            (Source::StaticBroker, self.fixed.get(name)),
        ];
        layers.into_iter().filter_map(|(source, value)| value.map(|value| (source, value.as_str())))
    }

    /// What was set, not the default.
    pub(crate) fn explicit(&self, name: &str) -> Option<&str> {
        self.layers(name).next().map(|(_, value)| value)
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

    /// The defaults that were set for all brokers while they run.
    pub(crate) fn describe_cluster(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = BROKER_ROWS.iter().map(|row| self.entry(row, None)).collect();
        for entry in &mut entries {
            entry.synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
        }
        entries.retain(|entry| !entry.synonyms.is_empty());
        entries
    }

    fn entry(&self, row: &'static Row, identity: Option<&String>) -> Entry {
        let mut synonyms = property_synonyms(self, row.name);
        if let Some(value) = identity {
            let name = row.name.to_owned();
            let synonym = Synonym { name, value: Some(value.clone()), source: Source::StaticBroker };
            synonyms.retain(|synonym| synonym.source != Source::StaticBroker);
            let at = synonyms.iter().filter(|synonym| synonym.source != Source::Default).count();
            synonyms.insert(at, synonym);
        }
        let (value, source) =
            synonyms.first().map_or((None, Source::Default), |first| (first.value.clone(), first.source));
        Entry { row, value, source, synonyms }
    }
}

/// Every value that a property has anywhere, the strongest first.
pub(super) fn property_synonyms(brokers: &BrokerConfig, property: &str) -> Vec<Synonym> {
    let synonym =
        |value: &str, source| Synonym { name: property.to_owned(), value: Some(value.to_owned()), source };
    let default = row(property).and_then(|row| row.default);
    let mut synonyms: Vec<Synonym> =
        brokers.layers(property).map(|(source, value)| synonym(value, source)).collect();
    if let (true, "min.insync.replicas", Some(value)) = (synonyms.is_empty(), property, default) {
        // KIP-966: with eligible leader replicas the cluster keeps this as a dynamic default.
        synonyms.push(synonym(value, Source::DynamicDefaultBroker));
    }
    synonyms.extend(default.map(|value| synonym(value, Source::Default)));
    synonyms
}

fn check(row: &Row, value: &str) -> Result<(), String> {
    row.kind.check(value).map_err(|expected| format!("expected {expected}"))?;
    // A broker property that topics fall back to obeys the topic config's own limits.
    match TOPIC_ROWS.iter().find(|topic| topic.fallbacks.first() == Some(&row.name)) {
        Some(topic) => super::topic::check_range(topic.name, value),
        None => Ok(()),
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
    fn what_is_altered_on_one_broker_hides_what_is_altered_on_all() {
        let mut config = BrokerConfig::default();
        config.set("message.max.bytes", "1000").unwrap();
        let all = config.altered(None, false, &[("message.max.bytes", Change::Set("2000"))]).unwrap();
        let one = all.altered(Some(NodeId(1)), false, &[("message.max.bytes", Change::Set("3000"))]).unwrap();
        let number = |config: &BrokerConfig| config.number("message.max.bytes");
        assert_eq!(
            (number(&one), number(&one.at(NodeId(1))), number(&one.at(NodeId(2)))),
            (2000, 3000, 2000)
        );
        let sources: Vec<Source> = one.at(NodeId(1)).layers("message.max.bytes").map(|(at, _)| at).collect();
        assert_eq!(sources, [Source::DynamicBroker, Source::DynamicDefaultBroker, Source::StaticBroker]);
        let back = one.altered(Some(NodeId(1)), true, &[]).unwrap();
        assert_eq!(number(&back.at(NodeId(1))), 2000);
        let fixed = config.altered(None, false, &[("num.partitions", Change::Set("3"))]).unwrap_err();
        assert!(fixed.1.contains("dynamically"), "{fixed:?}");
    }

    #[test]
    fn a_misspelt_name_and_a_value_of_another_kind_are_refused() {
        let mut config = BrokerConfig::default();
        let misspelt = config.set("num.partition", "6").unwrap_err();
        assert!(misspelt.reason.contains("did you mean num.partitions?"), "{misspelt}");
        assert!(config.set("num.partitions", "six").is_err());
        assert!(config.set("log.message.timestamp.type", "Now").is_err());
    }
}
