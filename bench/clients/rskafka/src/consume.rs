//! Records out of partitions that never end.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use bench_harness::{Measured, Parameters, Part, measured};
use futures::StreamExt;
use rskafka::client::consumer::{StartOffset, StreamConsumer, StreamConsumerBuilder};
use rskafka::client::partition::PartitionClient;

use crate::partitions;

/// A stream and a task for each partition.
pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let mut streams: Vec<StreamConsumer> =
        partitions(parameters).await?.into_iter().map(|partition| stream(partition, parameters)).collect();
    measured(parameters, async |count| {
        let share = count / u64::from(parameters.partitions);
        let mut tasks = Vec::new();
        for mut stream in streams.drain(..) {
            tasks.push(tokio::spawn(async move {
                for _ in 0..share {
                    let (record, _) = stream.next().await.context("the stream ended")??;
                    black_box(record.record.value.map_or(0, |value| value.len()));
                }
                anyhow::Ok(stream)
            }));
        }
        for task in tasks {
            streams.push(task.await??);
        }
        Ok(Part { records: share * u64::from(parameters.partitions), errors: 0 })
    })
    .await
}

/// A partition from its beginning, with the tuned settings or with its own.
pub(crate) fn stream(partition: Arc<PartitionClient>, parameters: &Parameters) -> StreamConsumer {
    let mut builder = StreamConsumerBuilder::new(partition, StartOffset::At(0));
    if !parameters.defaults {
        let wait = i32::try_from(parameters.max_wait_ms).unwrap_or(i32::MAX);
        builder = builder.with_max_batch_size(1 << 20).with_max_wait_ms(wait);
    }
    builder.build()
}
