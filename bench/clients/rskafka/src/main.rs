//! rskafka: a batching producer and a stream for each partition. It has no partitioner, so it drives round robin only.

mod consume;
mod e2e;
mod produce;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use bench_harness::{Measured, Operation, Parameters, Partitioning, no_driver, run, runtime};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{PartitionClient, UnknownTopicHandling};

fn main() -> ExitCode {
    run(|parameters| runtime(parameters)?.block_on(drive(parameters)))
}

async fn drive(parameters: &Parameters) -> Result<Measured> {
    match (parameters.op, parameters.partitioning) {
        _ if parameters.client != "rskafka" => no_driver(parameters),
        (Operation::Produce, Partitioning::Rr) => produce::run(parameters).await,
        (Operation::Consume, _) => consume::run(parameters).await,
        (Operation::E2e, _) => e2e::run(parameters).await,
        _ => no_driver(parameters),
    }
}

/// A client for each partition.
async fn partitions(parameters: &Parameters) -> Result<Vec<Arc<PartitionClient>>> {
    let client = ClientBuilder::new(vec![parameters.brokers.clone()]).build().await?;
    let mut partitions = Vec::new();
    for partition in parameters.all_partitions() {
        let topic = parameters.topic.clone();
        let partition = client.partition_client(topic, partition, UnknownTopicHandling::Retry).await?;
        partitions.push(Arc::new(partition));
    }
    Ok(partitions)
}
