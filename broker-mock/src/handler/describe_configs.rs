//! DescribeConfigs (32), versions 1–4: topics and brokers with sources, synonyms (KIP-226), types and documentation
//! (KIP-569).
//!
//! The documentation is our own. Broker loggers, client metrics and groups are refused: they are not kept yet.
use std::collections::{BTreeMap, BTreeSet};

use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::{Broker, Cluster};
use crate::config::Entry;

pub(super) const VERSIONS: VersionRange = VersionRange::new(1, 4);

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    // A resource that is named again is answered once, so that a small request cannot ask for a huge answer.
    let mut seen = BTreeSet::new();
    let resources = request.resources.iter().filter(|r| seen.insert((r.resource_type, &r.resource_name)));
    let results = resources.map(|resource| {
        let blank = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..Default::default()
        };
        match entries(cluster, call, resource) {
            Ok(entries) => DescribeConfigsResult {
                error_message: Some(Str::new()),
                configs: entries
                    .into_iter()
                    .filter(|entry| is_wanted(resource, entry))
                    .map(|e| shown(request, e))
                    .collect(),
                ..blank
            },
            Err((error, message)) => DescribeConfigsResult {
                error_code: error.0,
                error_message: Some(Str::from(message)),
                ..blank
            },
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..Default::default() }
}

fn entries(
    cluster: &Cluster,
    call: &Call,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Entry>, (ErrorCode, String)> {
    let name = &resource.resource_name;
    if let Some(error) = call.injected(name, -1) {
        return Err((error, "injected".to_owned()));
    }
    match resource.resource_type {
        TOPIC => match cluster.topic(name) {
            Some(topic) => Ok(topic.config.describe(&cluster.config.at(call.node))),
            None => Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("There is no topic '{name}'."))),
        },
        // Without a name the resource is the cluster-wide default.
        BROKER if name.is_empty() => Ok(cluster.config.describe_cluster()),
        BROKER => match name.parse().ok().and_then(|id| cluster.brokers.get(&NodeId(id))) {
            Some(broker) if broker.id == call.node => {
                Ok(cluster.config.at(call.node).describe(&identity(broker)))
            }
            _ => Err((
                ErrorCode::INVALID_REQUEST,
                format!("Broker '{name}' can only be described by itself; this is broker {}.", call.node),
            )),
        },
        other => Err((ErrorCode::INVALID_REQUEST, format!("Resource type {other} is not served."))),
    }
}

/// The properties that differ from broker to broker.
fn identity(broker: &Broker) -> BTreeMap<&'static str, String> {
    let listener = format!("PLAINTEXT://{}:{}", broker.host, broker.port);
    let mut identity = BTreeMap::from([
        ("node.id", broker.id.to_string()),
        ("broker.id", broker.id.to_string()),
        ("advertised.listeners", listener.clone()),
        ("listeners", listener),
        ("process.roles", "broker,controller".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
    ]);
    if let Some(rack) = &broker.rack {
        identity.insert("broker.rack", rack.to_string());
    }
    identity
}

fn is_wanted(resource: &DescribeConfigsResource, entry: &Entry) -> bool {
    let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
    keys.is_none_or(|keys| keys.iter().any(|key| *key == *entry.row.name))
}

fn shown(request: &DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult {
    let is_sensitive = entry.is_sensitive();
    let secret = |value: Option<String>| if is_sensitive { None } else { value.map(Str::from) };
    let synonym = |synonym: crate::config::Synonym| DescribeConfigsSynonym {
        name: Str::from(synonym.name),
        value: secret(synonym.value),
        source: synonym.source.wire(),
    };
    DescribeConfigsResourceResult {
        name: Str::from_static(entry.row.name),
        read_only: !entry.row.dynamic,
        config_source: entry.source.wire(),
        is_sensitive,
        synonyms: if request.include_synonyms {
            entry.synonyms.into_iter().map(synonym).collect()
        } else {
            Vec::new()
        },
        config_type: entry.row.kind.wire(),
        documentation: request.include_documentation.then(|| Str::from_static(entry.row.doc)),
        value: secret(entry.value),
        ..Default::default()
    }
}
