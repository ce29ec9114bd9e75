//! Records until they are acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use bench_harness::{Codec, Measured, Parameters, Part, Pool, Ring, measured};
use futures::stream::{FuturesUnordered, StreamExt};
use rskafka::client::partition::{Compression, PartitionClient};
use rskafka::client::producer::aggregator::RecordAggregator;
use rskafka::client::producer::{BatchProducer, BatchProducerBuilder};
use rskafka::record::Record;

use crate::partitions;

/// A producer of one partition.
pub(crate) type Producer = BatchProducer<RecordAggregator>;

/// A task for each partition, each with its share of the window.
pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let values: Arc<Ring<Vec<u8>>> = Arc::new(Pool::new(parameters).values());
    let mut producers = Vec::new();
    for partition in partitions(parameters).await? {
        producers.push(Arc::new(producer(partition, parameters)?));
    }
    measured(parameters, async |count| {
        let share = count / u64::from(parameters.partitions);
        let mut tasks = Vec::new();
        for (partition, producer) in producers.iter().enumerate() {
            let (producer, values, parameters) =
                (Arc::clone(producer), Arc::clone(&values), parameters.clone());
            tasks.push(tokio::spawn(async move {
                one_partition(&producer, &parameters, partition, &values, share).await
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok(Part { records: share * u64::from(parameters.partitions), errors: 0 })
    })
    .await
}

async fn one_partition(
    producer: &Producer,
    parameters: &Parameters,
    partition: usize,
    values: &Ring<Vec<u8>>,
    share: u64,
) -> Result<()> {
    let partitions = parameters.partitions as usize;
    let mut window = FuturesUnordered::new();
    for index in 0..share as usize {
        let value = values.at(index * partitions + partition).clone();
        // The first poll is what enqueues the record.
        let mut sent = Box::pin(producer.produce(record(value)));
        if futures::poll!(&mut sent).is_pending() {
            window.push(sent);
        }
        if window.len() >= parameters.window / partitions
            && let Some(sent) = window.next().await
        {
            sent?;
        }
    }
    while let Some(sent) = window.next().await {
        sent?;
    }
    Ok(())
}

/// A producer with the tuned settings, or with its own. What an aggregator holds has no default.
pub(crate) fn producer(partition: Arc<PartitionClient>, parameters: &Parameters) -> Result<Producer> {
    let mut builder = BatchProducerBuilder::new(partition).with_compression(match parameters.compression {
        Codec::None => Compression::NoCompression,
        Codec::Lz4 => Compression::Lz4,
        _ => bail!("rskafka is not built with this codec"),
    });
    if let Some(linger) = parameters.linger() {
        builder = builder.with_linger(linger);
    }
    Ok(builder.build(RecordAggregator::new(parameters.batch_size)))
}

pub(crate) fn record(value: Vec<u8>) -> Record {
    Record { key: None, value: Some(value), headers: BTreeMap::new(), timestamp: chrono::Utc::now() }
}
