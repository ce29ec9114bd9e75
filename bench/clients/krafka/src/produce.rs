//! Records until they are acknowledged.

use std::collections::VecDeque;

use anyhow::{Result, bail};
use bench_harness::{Codec, Measured, Parameters, Part, Partitioning, Pool, Ring, measured};
use bytes::Bytes;
use krafka::producer::{Acks, DeliveryHandle, Producer};
use krafka::{Compression, Kafka, Record};

use crate::connect;

/// `enqueue`, whose handle is awaited when the window is full.
pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let producer = producer(&connect(parameters).await?, parameters).await?;
    let pool = Pool::new(parameters);
    let (values, keys) = (pool.values(), pool.keys());
    measured(parameters, async |count| {
        let mut errors = 0;
        let mut window: VecDeque<DeliveryHandle> = VecDeque::with_capacity(parameters.window);
        for index in 0..count as usize {
            if window.len() >= parameters.window
                && let Some(oldest) = window.pop_front()
            {
                errors += u64::from(oldest.await.is_err());
            }
            window.push_back(producer.enqueue(record(parameters, index, &values, &keys)).await?);
        }
        for delivery in window {
            errors += u64::from(delivery.await.is_err());
        }
        Ok(Part { records: count, errors })
    })
    .await
}

/// A producer with the tuned settings, or with its own.
pub(crate) async fn producer(kafka: &Kafka, parameters: &Parameters) -> Result<Producer> {
    let mut builder = kafka.producer().compression(match parameters.compression {
        Codec::None => Compression::None,
        Codec::Snappy => Compression::Snappy,
        Codec::Lz4 => Compression::Lz4,
        Codec::Gzip | Codec::Zstd => bail!("krafka is not built with this codec"),
    });
    if !parameters.defaults {
        builder = builder
            .acks(Acks::All)
            .idempotent(true)
            .batch_size(parameters.batch_size)
            .buffer_memory(parameters.buffer_memory);
    }
    if let Some(linger) = parameters.linger() {
        builder = builder.linger(linger);
    }
    Ok(builder.build().await?)
}

fn record(parameters: &Parameters, index: usize, values: &Ring<Bytes>, keys: &Ring<Bytes>) -> Record {
    let record = Record::new(parameters.topic.as_str(), values.at(index).clone());
    match parameters.partitioning {
        Partitioning::Rr => record.partition(parameters.partition_of(index)),
        Partitioning::Key => record.key(keys.at(index).clone()),
        Partitioning::Sticky => record,
    }
}
