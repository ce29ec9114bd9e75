//! How many partitions internal topics get, and whether topics that are joined fit each other.
use std::collections::BTreeMap;

use super::config::StreamsSettings;
use super::error::{Error, ErrorKind};
use crate::topology::{SourceTopic, StoreKind, SubTopology, internal_topic};

/// A topic that the application keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InternalTopic {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) configs: BTreeMap<String, String>,
}

/// The partitions of all topics that are read, by their names on the cluster.
pub(super) type PartitionCounts = BTreeMap<String, i32>;

/// The name that a source's topic has on the cluster.
pub(super) fn topic_of(source: &SourceTopic, application_id: &str) -> String {
    if source.internal { internal_topic(application_id, &source.name) } else { source.name.clone() }
}

/// Finds how many partitions repartition topics get, and adds them to the `counts` of the topics that exist outside
/// (Kafka Streams' `RepartitionTopics` and `CopartitionedTopicsEnforcer`).
///
/// A repartition topic gets as many as its user said, else as many as the largest topic of the sub-topology that writes to
/// it. Where it is joined with a topic from outside it gets that one's number, and among repartition topics the largest.
pub(super) fn count_partitions(
    sub_topologies: &[SubTopology],
    application_id: &str,
    counts: &mut PartitionCounts,
) -> Result<(), Error> {
    let sources = || sub_topologies.iter().flat_map(|of| &of.sources);
    for source in sources().filter(|source| source.internal) {
        if let Some(partitions) = source.partitions {
            counts.insert(topic_of(source, application_id), partitions);
        }
    }
    loop {
        let open: Vec<String> = sources()
            .map(|source| topic_of(source, application_id))
            .filter(|name| !counts.contains_key(name))
            .collect();
        if open.is_empty() {
            break;
        }
        let found: Vec<(String, i32)> = open
            .iter()
            .filter_map(|name| {
                Some((name.clone(), of_writers(sub_topologies, application_id, counts, name)?))
            })
            .collect();
        if found.is_empty() {
            let what = format!("the number of partitions of {} cannot be known", open.join(", "));
            return Err(Error::new(ErrorKind::InternalTopic, what));
        }
        counts.extend(found);
    }
    for of in sub_topologies {
        for group in &of.copartition_groups {
            let sources = group.iter().filter_map(|at| of.sources.get(*at)).collect::<Vec<_>>();
            copartition(&sources, application_id, counts)?;
        }
    }
    Ok(())
}

/// The partitions of the largest topic of a sub-topology that writes to a topic, as far as they are known.
fn of_writers(
    sub_topologies: &[SubTopology],
    application_id: &str,
    counts: &PartitionCounts,
    name: &str,
) -> Option<i32> {
    let writes = |of: &&SubTopology| {
        of.sinks.iter().any(|sink| sink.internal && internal_topic(application_id, &sink.name) == name)
    };
    let read = sub_topologies.iter().filter(writes).flat_map(|of| &of.sources);
    read.filter_map(|source| counts.get(&topic_of(source, application_id)).copied()).max()
}

/// Gives the topics of a co-partition group one number of partitions, or says why that cannot be.
fn copartition(
    group: &[&SourceTopic],
    application_id: &str,
    counts: &mut PartitionCounts,
) -> Result<(), Error> {
    let known = |source: &SourceTopic| counts.get(&topic_of(source, application_id)).copied().unwrap_or(0);
    let fixed = |source: &&&SourceTopic| !source.internal || source.partitions.is_some();
    // Topics from outside decide; without one, numbers that the user set; without one, the largest.
    let outside: Vec<i32> =
        group.iter().filter(|source| !source.internal).map(|source| known(source)).collect();
    let set: Vec<i32> = group.iter().filter(fixed).map(|source| known(source)).collect();
    let all: Vec<i32> = group.iter().map(|source| known(source)).collect();
    let decided = outside.first().or(set.first()).copied().or(all.iter().copied().max()).unwrap_or(0);
    if set.iter().any(|partitions| *partitions != decided) {
        let of =
            |source: &&SourceTopic| format!("{} has {}", topic_of(source, application_id), known(source));
        let numbers = group.iter().map(of).collect::<Vec<_>>().join(", ");
        let what = format!("topics that are joined must have equally many partitions: {numbers}");
        return Err(Error::new(ErrorKind::NotCopartitioned, what).hinting(
            "repartition one of them with the other's number, or create it anew with as many partitions",
        ));
    }
    for source in group.iter().filter(|source| source.internal) {
        counts.insert(topic_of(source, application_id), decided);
    }
    Ok(())
}

/// How many tasks a sub-topology has.
pub(super) fn task_count(of: &SubTopology, application_id: &str, counts: &PartitionCounts) -> i32 {
    let known = |source: &SourceTopic| counts.get(&topic_of(source, application_id)).copied();
    of.sources.iter().filter_map(known).max().unwrap_or(0)
}

/// The topics that an application keeps for itself, with Kafka Streams' configs.
pub(super) fn internal_topics(
    sub_topologies: &[SubTopology],
    application_id: &str,
    counts: &PartitionCounts,
    settings: &StreamsSettings,
) -> Vec<InternalTopic> {
    let mut topics: BTreeMap<String, InternalTopic> = BTreeMap::new();
    for of in sub_topologies {
        for source in of.sources.iter().filter(|source| source.internal) {
            let name = topic_of(source, application_id);
            let partitions = counts.get(&name).copied().unwrap_or(0);
            let configs = configs(REPARTITION, settings, &BTreeMap::new());
            topics.insert(name.clone(), InternalTopic { name, partitions, configs });
        }
        let partitions = task_count(of, application_id, counts);
        for store in &of.stores {
            let Some(logging) = &store.logging else { continue };
            let configs = match store.kind {
                StoreKind::KeyValue => configs(CHANGELOG, settings, logging),
                StoreKind::Window { retention_ms, .. } => {
                    let mut configs = configs(WINDOW_CHANGELOG, settings, logging);
                    let retention_ms = retention_ms.saturating_add(settings.additional_retention_ms);
                    // What the user says for all internal topics holds here as well, unlike in Java.
                    configs.entry("retention.ms".to_owned()).or_insert_with(|| retention_ms.to_string());
                    configs
                }
            };
            let name = store.changelog(application_id);
            topics.insert(name.clone(), InternalTopic { name, partitions, configs });
        }
    }
    topics.into_values().collect()
}

/// The library's configs, then those for all internal topics, then the topic's own.
fn configs(
    library: &[(&str, &str)],
    settings: &StreamsSettings,
    own: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let library = library.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    library
        .chain(settings.topic.iter().cloned())
        .chain(own.iter().map(|(name, value)| (name.clone(), value.clone())))
        .collect()
}

/// `RepartitionTopicConfig`.
const REPARTITION: &[(&str, &str)] = &[
    ("cleanup.policy", "delete"),
    ("message.timestamp.type", "CreateTime"),
    ("retention.ms", "-1"),
    ("segment.bytes", "52428800"),
];
/// `UnwindowedUnversionedChangelogTopicConfig`.
const CHANGELOG: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("message.timestamp.type", "CreateTime")];
/// `WindowedChangelogTopicConfig`.
const WINDOW_CHANGELOG: &[(&str, &str)] =
    &[("cleanup.policy", "compact,delete"), ("message.timestamp.type", "CreateTime")];

#[cfg(test)]
mod tests;
