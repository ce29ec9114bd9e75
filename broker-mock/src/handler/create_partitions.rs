//! CreatePartitions (37), versions 0–3: a topic grows, it never shrinks (KIP-195).
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::call::Call;
use super::create_topics::{MAX_PARTITIONS, Refused, check_assignment};
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 3);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let grown = match call.injected(&topic.name, -1) {
            Some(error) => Err((error, "injected".to_owned())),
            None => grow(cluster, topic, request.validate_only),
        };
        let (error_code, error_message) = match grown {
            Ok(()) => (0, None),
            Err((error, message)) => (error.0, Some(Str::from(message))),
        };
        results.push(CreatePartitionsTopicResult { name: topic.name.clone(), error_code, error_message });
    }
    CreatePartitionsResponse { results, ..Default::default() }
}

fn grow(cluster: &mut Cluster, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refused> {
    let Some(topic) = cluster.topic(&wanted.name) else {
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "There is no such topic.".to_owned()));
    };
    let (has, replication_factor) =
        (topic.partitions.len(), topic.partitions.first().map_or(1, |partition| partition.replicas.len()));
    let count = usize::try_from(wanted.count).unwrap_or_default();
    if count <= has {
        let message = format!("The topic has {has} partition(s): {} would not be an increase.", wanted.count);
        return Err((ErrorCode::INVALID_PARTITIONS, message));
    }
    if i64::from(wanted.count) > MAX_PARTITIONS {
        return Err((ErrorCode::POLICY_VIOLATION, format!("More than {MAX_PARTITIONS} partitions.")));
    }
    let replicas = match &wanted.assignments {
        None => {
            if replication_factor > cluster.alive().count() {
                let message = format!("Not enough brokers for {replication_factor} replicas.");
                return Err((ErrorCode::INVALID_REPLICATION_FACTOR, message));
            }
            // Without an assignment nothing is placed for a request that only validates.
            if validate_only { Vec::new() } else { cluster.place(count - has, replication_factor) }
        }
        Some(assignments) => {
            if assignments.len() != count - has {
                let message =
                    format!("{} assignment(s) for {} new partition(s).", assignments.len(), count - has);
                return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
            }
            let check = |broker_ids: &[i32]| check_assignment(cluster, broker_ids);
            assignments
                .iter()
                .map(|assignment| check(&assignment.broker_ids))
                .collect::<Result<Vec<Vec<NodeId>>, _>>()?
        }
    };
    if !validate_only {
        cluster.add_partitions(&wanted.name, replicas);
    }
    Ok(())
}
