//! Records out of partitions that never end.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use bench_harness::{Measured, Parameters, Part, measured};
use courant_client::Kafka;
use courant_consumer::Consumer;

use crate::connect;

/// Records of their own.
pub(crate) async fn owned(parameters: &Parameters) -> Result<Measured> {
    let mut consumer = consumer(&connect(parameters).await?, parameters).await?;
    measured(parameters, async |count| {
        let mut records = 0;
        while records < count {
            let batch = consumer.poll().await?.context("the consumer was closed")?;
            for record in &batch {
                black_box(record.to_owned().value().map_or(0, <[u8]>::len));
                records += 1;
            }
        }
        Ok(Part { records, errors: 0 })
    })
    .await
}

/// Records borrowed from their batch.
pub(crate) async fn borrowed(parameters: &Parameters) -> Result<Measured> {
    let mut consumer = consumer(&connect(parameters).await?, parameters).await?;
    measured(parameters, async |count| {
        let mut records = 0;
        while records < count {
            let batch = consumer.poll().await?.context("the consumer was closed")?;
            for record in &batch {
                black_box(record.value().map_or(0, <[u8]>::len));
                records += 1;
            }
        }
        Ok(Part { records, errors: 0 })
    })
    .await
}

/// A consumer of all partitions from their beginning, with the tuned settings or with its own.
pub(crate) async fn consumer(kafka: &Kafka, parameters: &Parameters) -> Result<Consumer> {
    let partitions = parameters.all_partitions().map(|partition| (parameters.topic.as_str(), partition));
    let mut builder = Consumer::builder(kafka).assign(partitions).auto_offset_reset("earliest");
    if !parameters.defaults {
        builder = builder
            .fetch_max_wait(Duration::from_millis(parameters.max_wait_ms))
            .max_partition_fetch_bytes(1 << 20)
            .max_poll_records(parameters.max_poll);
    }
    for (name, value) in &parameters.properties {
        builder = builder.set(name, value);
    }
    Ok(builder.start().await?)
}
