//! ListConfigResources (74), versions 0–1: what has configs, by type (KIP-1142); version 0 knows client metrics alone
//! (KIP-714), of which there are none here, and neither of groups.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 1);

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
const ALL: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let wanted = match request.resource_types.as_slice() {
        _ if call.version == 0 => &[CLIENT_METRICS],
        [] => ALL.as_slice(),
        types => types,
    };
    let unknown = wanted.iter().any(|wanted| !ALL.contains(wanted));
    let refused = call.injected_error().or(unknown.then_some(ErrorCode::UNSUPPORTED_VERSION));
    if let Some(error) = refused {
        return ListConfigResourcesResponse { error_code: error.0, ..Default::default() };
    }
    let mut config_resources = Vec::new();
    for resource_type in ALL.into_iter().filter(|kind| wanted.contains(kind)) {
        let names: Vec<Str> = match resource_type {
            TOPIC => cluster.topics().map(|topic| topic.name.clone()).collect(),
            BROKER | BROKER_LOGGER => {
                cluster.alive().map(|broker| Str::from(broker.id.to_string())).collect()
            }
            _ => Vec::new(),
        };
        let resource = |resource_name| ConfigResource { resource_name, resource_type };
        config_resources.extend(names.into_iter().map(resource));
    }
    ListConfigResourcesResponse { config_resources, ..Default::default() }
}
