//! Records out of partitions that never end.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use bench_harness::{Measured, Parameters, Part, measured};
use krafka::Kafka;
use krafka::consumer::{AutoOffsetReset, Consumer};

use crate::connect;

/// `poll`.
pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let consumer = consumer(&connect(parameters).await?, parameters).await?;
    measured(parameters, async |count| {
        let mut records = 0;
        while records < count {
            for record in consumer.poll(PATIENCE).await? {
                black_box(record.value.as_ref().map_or(0, |value| value.len()));
                records += 1;
            }
        }
        Ok(Part { records, errors: 0 })
    })
    .await
}

/// A consumer of all partitions from their beginning, with the tuned settings or with its own.
pub(crate) async fn consumer(kafka: &Kafka, parameters: &Parameters) -> Result<Consumer> {
    let mut builder = kafka.consumer_without_group().auto_offset_reset(AutoOffsetReset::Earliest);
    if !parameters.defaults {
        builder = builder
            .fetch_max_wait(Duration::from_millis(parameters.max_wait_ms))
            .max_poll_records(i32::try_from(parameters.max_poll)?)
            .max_partition_fetch_bytes(1 << 20);
    }
    let consumer = builder.build().await?;
    consumer.assign(&parameters.topic, parameters.all_partitions().collect()).await?;
    Ok(consumer)
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
