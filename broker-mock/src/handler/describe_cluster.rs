//! DescribeCluster (60), versions 0–2: the brokers and the controller (KIP-700, KIP-919, KIP-1073).
//!
//! Asked for controllers (endpoint type 2) a broker refuses, as Kafka's does. Fenced brokers are those that crashed.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use courant_protocol::wire::Str;

use super::call::Call;
use super::metadata::{CLUSTER_OPERATIONS, NOT_ASKED};
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 2);

/// The kind of endpoint that a broker has.
const BROKERS: i8 = 1;

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let mismatch = call.version >= 1 && request.endpoint_type != BROKERS;
    let error = call.injected_error().or(mismatch.then_some(ErrorCode::MISMATCHED_ENDPOINT_TYPE));
    if let Some(error) = error {
        return DescribeClusterResponse {
            error_code: error.0,
            error_message: error.name().map(Str::from),
            ..Default::default()
        };
    }
    let shown = cluster.brokers.values().filter(|broker| broker.is_alive || request.include_fenced_brokers);
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: cluster.id.clone(),
        controller_id: cluster.controller().0,
        brokers: shown
            .map(|broker| DescribeClusterBroker {
                broker_id: broker.id.0,
                host: broker.host.clone(),
                port: i32::from(broker.port),
                rack: broker.rack.clone(),
                is_fenced: !broker.is_alive,
            })
            .collect(),
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            NOT_ASKED
        },
        ..Default::default()
    }
}
