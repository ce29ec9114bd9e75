//! Records out of partitions that never end.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use bench_harness::{Measured, Parameters, Part, measured};
use bytes::Bytes;
use confluent_kafka::common::TopicPartition;
use confluent_kafka::common::serialization::BytesDeserializer;
use confluent_kafka::consumer::{Consumer, ConsumerConfig, KafkaConsumer};

use crate::common;

/// `poll`.
pub(crate) async fn run(parameters: &Parameters) -> Result<Measured> {
    let mut consumer = consumer(parameters).await?;
    measured(parameters, async |count| {
        let mut records = 0;
        while records < count {
            for record in &consumer.poll(PATIENCE).await? {
                black_box(record.value().map_or(0, |value| value.len()));
                records += 1;
            }
        }
        Ok(Part { records, errors: 0 })
    })
    .await
}

/// A consumer of all partitions from their beginning, with the tuned settings or with its own.
pub(crate) async fn consumer(parameters: &Parameters) -> Result<KafkaConsumer<Bytes, Bytes>> {
    let mut properties = common(parameters);
    let mut set = |name: &str, value: String| {
        properties.entry(name.to_owned()).or_insert(value);
    };
    // It refuses "classic", its default; there is no group here.
    set("group.protocol", "consumer".to_owned());
    set("enable.auto.commit", "false".to_owned());
    set("auto.offset.reset", "earliest".to_owned());
    if !parameters.defaults {
        set("check.crcs", "true".to_owned());
        set("fetch.max.wait.ms", parameters.max_wait_ms.to_string());
        set("max.partition.fetch.bytes", (1 << 20).to_string());
        set("max.poll.records", parameters.max_poll.to_string());
    }
    let (key, value) = (BytesDeserializer::new(), BytesDeserializer::new());
    let mut consumer = KafkaConsumer::new(ConsumerConfig::new(&properties)?, key, value)?;
    let partitions: Vec<TopicPartition> = parameters
        .all_partitions()
        .map(|partition| TopicPartition::new(parameters.topic.clone(), partition))
        .collect();
    consumer.assign(partitions.clone()).await?;
    for partition in partitions {
        consumer.seek_with_offset(partition, 0).await?;
    }
    Ok(consumer)
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
