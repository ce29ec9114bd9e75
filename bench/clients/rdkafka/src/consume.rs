//! Records out of partitions that never end.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use bench_harness::{Measured, Parameters, Part, measured, measured_blocking};
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::common;

/// A consumer's settings: the tuned ones, or its own. The group is only named, because it must be.
pub(crate) fn config(parameters: &Parameters) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("group.id", "bench").set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    if !parameters.defaults {
        config
            .set("enable.auto.offset.store", "false")
            .set("check.crcs", "true")
            .set("fetch.wait.max.ms", parameters.max_wait_ms.to_string())
            .set("max.partition.fetch.bytes", "1048576")
            // By default (100000 messages, 1000 ms) it stops fetching for up to a second when its queue is full, which
            // hides what it can do.
            .set("queued.min.messages", "1000000")
            .set("fetch.queue.backoff.ms", "1");
    }
    config.extend(
        common(parameters).config_map().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    config
}

/// All partitions from their beginning.
pub(crate) fn assignment(parameters: &Parameters) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in parameters.all_partitions() {
        list.add_partition_offset(&parameters.topic, partition, Offset::Offset(0))?;
    }
    Ok(list)
}

/// `BaseConsumer::poll`.
pub(crate) fn polled(parameters: &Parameters) -> Result<Measured> {
    let consumer: BaseConsumer = config(parameters).create()?;
    consumer.assign(&assignment(parameters)?)?;
    measured_blocking(parameters, |count| {
        for _ in 0..count {
            let message = consumer.poll(PATIENCE).context("no record came")??;
            black_box(message.payload().map_or(0, <[u8]>::len));
        }
        Ok(Part { records: count, errors: 0 })
    })
}

/// `StreamConsumer::recv`.
pub(crate) async fn awaited(parameters: &Parameters) -> Result<Measured> {
    let consumer: StreamConsumer = config(parameters).create()?;
    consumer.assign(&assignment(parameters)?)?;
    measured(parameters, async |count| {
        for _ in 0..count {
            black_box(consumer.recv().await?.payload().map_or(0, <[u8]>::len));
        }
        Ok(Part { records: count, errors: 0 })
    })
    .await
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
