//! DescribeLogDirs (35), versions 1–5: how much each replica of this broker takes up.
//!
//! A broker has one directory, which is not there, and as much room as a number can say.
use std::collections::BTreeSet;

use courant_protocol::api::VersionRange;
use courant_protocol::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::{Cluster, Topic};

pub(super) const VERSIONS: VersionRange = VersionRange::new(1, 5);

pub(super) fn handle(
    cluster: &Cluster,
    call: &Call,
    request: &DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    if let Some(error) = call.injected_error() {
        return DescribeLogDirsResponse { error_code: error.0, ..Default::default() };
    }
    let wanted: Option<BTreeSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        let pairs = topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| (&*topic.topic, *p)));
        pairs.collect()
    });
    let is_wanted =
        |topic: &str, index: i32| wanted.as_ref().is_none_or(|wanted| wanted.contains(&(topic, index)));
    let sizes = |topic: &Topic| {
        let held = (0..).zip(&topic.partitions).filter(|(index, partition)| {
            partition.replicas.contains(&call.node) && is_wanted(&topic.name, *index)
        });
        held.map(|(partition_index, partition)| DescribeLogDirsPartition {
            partition_index,
            partition_size: i64::try_from(partition.log.size_bytes()).unwrap_or(i64::MAX),
            offset_lag: 0,
            is_future_key: false,
        })
        .collect::<Vec<_>>()
    };
    let topics = cluster.topics().map(|topic| (topic.name.clone(), sizes(topic)));
    let topics = topics.filter(|(_, partitions)| !partitions.is_empty());
    let directory = DescribeLogDirsResult {
        log_dir: Str::from(format!("/mock/broker-{}", call.node)),
        topics: topics.map(|(name, partitions)| DescribeLogDirsTopic { name, partitions }).collect(),
        total_bytes: i64::MAX,
        usable_bytes: i64::MAX,
        ..Default::default()
    };
    DescribeLogDirsResponse { results: vec![directory], ..Default::default() }
}
