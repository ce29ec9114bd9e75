//! AlterConfigs (33), versions 0–2: all configs of a topic or a broker anew; what is not named goes back to its default.
//!
//! What is changed acts at once. Client metrics and groups have no configs here.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;
use crate::config::{Change, Refused};

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 2);

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// The changes of one resource, in whatever form they came.
pub(super) struct Resource<'a> {
    pub(super) kind: i8,
    pub(super) name: &'a str,
    pub(super) changes: Result<Vec<(&'a str, Change<'a>)>, Refused>,
}

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &AlterConfigsRequest,
) -> AlterConfigsResponse {
    let resources = request.resources.iter().map(|resource| Resource {
        kind: resource.resource_type,
        name: &resource.resource_name,
        changes: resource
            .configs
            .iter()
            .map(|config| Ok((&*config.name, Change::from_wire(&config.name, 0, config.value.as_deref())?)))
            .collect(),
    });
    let outcomes = alter(cluster, call, &resources.collect::<Vec<_>>(), true, request.validate_only);
    let responses = request.resources.iter().zip(outcomes).map(|(resource, (error, message))| {
        AlterConfigsResourceResponse {
            error_code: error.0,
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        }
    });
    AlterConfigsResponse { responses: responses.collect(), ..Default::default() }
}

/// Changes each resource or says why not, in their order.
pub(super) fn alter(
    cluster: &mut Cluster,
    call: &Call,
    resources: &[Resource<'_>],
    replaces: bool,
    validate_only: bool,
) -> Vec<(ErrorCode, Option<Str>)> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<(i8, &str)> = resources
        .iter()
        .map(|resource| (resource.kind, resource.name))
        .filter(|key| !seen.insert(*key))
        .collect();
    let mut outcomes = Vec::with_capacity(resources.len());
    for resource in resources {
        let altered = if twice.contains(&(resource.kind, resource.name)) {
            Err(invalid("Each resource must appear at most once."))
        } else {
            alter_one(cluster, call, resource, replaces, validate_only)
        };
        outcomes.push(match altered {
            Ok(()) => (ErrorCode::NONE, None),
            Err((error, message)) => (error, Some(Str::from(message))),
        });
    }
    outcomes
}

fn invalid(message: impl Into<String>) -> Refused {
    (ErrorCode::INVALID_REQUEST, message.into())
}

fn alter_one(
    cluster: &mut Cluster,
    call: &Call,
    resource: &Resource<'_>,
    replaces: bool,
    validate_only: bool,
) -> Result<(), Refused> {
    let name = resource.name;
    if let Some(error) = call.injected(name, -1) {
        return Err((error, "injected".to_owned()));
    }
    let changes = resource.changes.as_ref().map_err(Clone::clone)?;
    let names: BTreeSet<&str> = changes.iter().map(|(name, _)| *name).collect();
    if names.len() < changes.len() {
        return Err(invalid("Error due to duplicate config keys"));
    }
    match resource.kind {
        TOPIC if name.is_empty() => Err(invalid("Default topic resources are not allowed.")),
        TOPIC => {
            let missing =
                || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{name}' does not exist."));
            // Kafka looks at the configs first, so that a wrong one is told even where the topic is not there.
            let held = cluster.topic(name).map(|topic| topic.config.clone());
            let altered = held.clone().unwrap_or_default().altered(&cluster.config, replaces, changes)?;
            held.ok_or_else(missing)?;
            if !validate_only {
                cluster.alter_topic(name, altered);
            }
            Ok(())
        }
        BROKER => {
            let node = match name {
                "" => None,
                name if name == call.node.to_string() => Some(call.node),
                name => {
                    let expected = call.node;
                    return Err(invalid(match name.parse::<i32>() {
                        Ok(_) => format!("Unexpected broker id, expected {expected}, but received {name}"),
                        Err(_) => format!("Node id must be an integer, but it is: {name}"),
                    }));
                }
            };
            let altered = cluster.config.altered(node, replaces, changes)?;
            if !validate_only {
                cluster.alter_brokers(altered);
            }
            Ok(())
        }
        other => Err(invalid(format!("Unknown resource type {other}"))),
    }
}
