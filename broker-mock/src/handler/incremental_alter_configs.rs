//! IncrementalAlterConfigs (44), versions 0–1: single configs of topics and brokers are set, deleted, and lists
//! appended to or subtracted from (KIP-339). What is changed acts at once.
use courant_protocol::api::VersionRange;
use courant_protocol::messages::incremental_alter_configs::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::alter_configs::{Resource, alter};
use super::call::Call;
use crate::cluster::Cluster;
use crate::config::Change;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 1);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let resources = request.resources.iter().map(|resource| Resource {
        kind: resource.resource_type,
        name: &resource.resource_name,
        changes: resource
            .configs
            .iter()
            .map(|config| {
                let change =
                    Change::from_wire(&config.name, config.config_operation, config.value.as_deref())?;
                Ok((&*config.name, change))
            })
            .collect(),
    });
    let outcomes = alter(cluster, call, &resources.collect::<Vec<_>>(), false, request.validate_only);
    let responses = request.resources.iter().zip(outcomes).map(|(resource, (error, message))| {
        AlterConfigsResourceResponse {
            error_code: error.0,
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        }
    });
    IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() }
}
