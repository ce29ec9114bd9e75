//! CreateTopics (19), versions 2–7: topics with partitions, replicas and configs (KIP-4, KIP-464, KIP-525).
//!
//! A topic is there when the answer goes out: the timeout is of no use, and a validate-only request leaves nothing.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::{Cluster, check_topic_name};
use crate::config::{Entry, TopicConfig};

pub(super) const VERSIONS: VersionRange = VersionRange::new(2, 7);

/// An error with its text.
pub(super) type Refused = (ErrorCode, String);

/// More partitions than this in one request are refused, as a broker's controller does.
pub(super) const MAX_PARTITIONS: i64 = 10_000;

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&Str> =
        request.topics.iter().map(|t| &t.name).filter(|name| !seen.insert(*name)).collect();
    let mut answered = BTreeSet::new();
    let mut room = MAX_PARTITIONS;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics.iter().filter(|topic| answered.insert(&topic.name)) {
        let created = if twice.contains(&topic.name) {
            Err((ErrorCode::INVALID_REQUEST, "Duplicate topic name.".to_owned()))
        } else if let Some(error) = call.injected(&topic.name, -1) {
            Err((error, "injected".to_owned()))
        } else {
            create(cluster, topic, request.validate_only, &mut room)
        };
        topics.push(created.unwrap_or_else(|(error, message)| CreatableTopicResult {
            name: topic.name.clone(),
            error_code: error.0,
            error_message: Some(Str::from(message)),
            num_partitions: -1,
            replication_factor: -1,
            ..Default::default()
        }));
    }
    CreateTopicsResponse { topics, ..Default::default() }
}

fn create(
    cluster: &mut Cluster,
    topic: &CreatableTopic,
    validate_only: bool,
    room: &mut i64,
) -> Result<CreatableTopicResult, Refused> {
    check_name(cluster, &topic.name)?;
    let mut config = TopicConfig::default();
    for entry in &topic.configs {
        config
            .set(&entry.name, entry.value.as_deref())
            .map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
    }
    config.check(&cluster.config).map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
    let replicas =
        if topic.assignments.is_empty() { placed(cluster, topic, room)? } else { assigned(cluster, topic)? };
    let described = config.describe(&cluster.config).into_iter().map(shown).collect();
    let mut result = CreatableTopicResult {
        name: topic.name.clone(),
        num_partitions: i32::try_from(replicas.len()).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas.first().map_or(0, Vec::len)).unwrap_or(i16::MAX),
        configs: Some(described),
        error_message: None,
        ..Default::default()
    };
    if !validate_only {
        result.topic_id = cluster.create_topic(&topic.name, replicas, config);
    }
    Ok(result)
}

fn check_name(cluster: &Cluster, name: &str) -> Result<(), Refused> {
    check_topic_name(name).map_err(|message| (ErrorCode::INVALID_TOPIC_EXCEPTION, message))?;
    if cluster.topic(name).is_some() {
        return Err((ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{name}' already exists.")));
    }
    // Metric names do not tell the two characters apart.
    let folded = name.replace('.', "_");
    match cluster.topics().find(|topic| topic.name.replace('.', "_") == folded) {
        Some(other) => Err((
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            format!("Topic '{name}' differs from the existing topic '{}' only in '.' and '_'.", other.name),
        )),
        None => Ok(()),
    }
}

fn placed(
    cluster: &mut Cluster,
    topic: &CreatableTopic,
    room: &mut i64,
) -> Result<Vec<Vec<NodeId>>, Refused> {
    let partitions = match i64::from(topic.num_partitions) {
        -1 => cluster.config.number("num.partitions"),
        partitions => partitions,
    };
    if partitions < 1 {
        return Err((
            ErrorCode::INVALID_PARTITIONS,
            "The number of partitions must be larger than 0.".to_owned(),
        ));
    }
    if partitions > *room {
        return Err((ErrorCode::POLICY_VIOLATION, format!("More than {MAX_PARTITIONS} partitions at once.")));
    }
    *room -= partitions;
    let replication_factor = match i64::from(topic.replication_factor) {
        -1 => cluster.config.number("default.replication.factor"),
        factor => factor,
    };
    check_replication(cluster, replication_factor)?;
    let (partitions, factor) = (usize::try_from(partitions), usize::try_from(replication_factor));
    Ok(cluster.place(partitions.unwrap_or(1), factor.unwrap_or(1)))
}

fn check_replication(cluster: &Cluster, factor: i64) -> Result<(), Refused> {
    if factor < 1 {
        let message = "The replication factor must be larger than 0, or -1 for the default.".to_owned();
        return Err((ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    let brokers = cluster.alive().count();
    if usize::try_from(factor).is_ok_and(|factor| factor > brokers) {
        let message = format!(
            "Replication factor {factor} cannot be reached: only {brokers} broker(s) are registered."
        );
        return Err((ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    Ok(())
}

fn assigned(cluster: &Cluster, topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refused> {
    let invalid = |message: &str| (ErrorCode::INVALID_REPLICA_ASSIGNMENT, message.to_owned());
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let message = "With a manual assignment, partitions and replication factor must be -1.".to_owned();
        return Err((ErrorCode::INVALID_REQUEST, message));
    }
    let mut replicas = vec![Vec::new(); topic.assignments.len()];
    for assignment in &topic.assignments {
        let place =
            usize::try_from(assignment.partition_index).ok().and_then(|index| replicas.get_mut(index));
        let place = place.ok_or_else(|| invalid("Partitions must be numbered from 0 without a gap."))?;
        if !place.is_empty() {
            return Err(invalid("A partition is assigned twice."));
        }
        *place = check_assignment(cluster, &assignment.broker_ids)?;
    }
    let first = replicas.first().map_or(0, Vec::len);
    if replicas.iter().any(|nodes| nodes.len() != first) {
        return Err(invalid("All partitions must have the same number of replicas."));
    }
    Ok(replicas)
}

/// The replicas of one partition as a client assigned them.
pub(super) fn check_assignment(cluster: &Cluster, broker_ids: &[i32]) -> Result<Vec<NodeId>, Refused> {
    let invalid = |message: String| (ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    if broker_ids.is_empty() {
        return Err(invalid("A partition is assigned to no broker.".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for id in broker_ids {
        if !cluster.brokers.contains_key(&NodeId(*id)) {
            return Err(invalid(format!("There is no broker {id}.")));
        }
        if !seen.insert(id) {
            return Err(invalid(format!("Broker {id} is assigned twice.")));
        }
    }
    Ok(broker_ids.iter().map(|id| NodeId(*id)).collect())
}

fn shown(entry: Entry) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: Str::from_static(entry.row.name),
        read_only: !entry.row.dynamic,
        config_source: entry.source.wire(),
        is_sensitive: entry.is_sensitive(),
        value: entry.value.map(Str::from),
    }
}
