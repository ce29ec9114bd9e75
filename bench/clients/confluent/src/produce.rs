//! Records until they are acknowledged.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use bench_harness::{Measured, Parameters, Part, Partitioning, Pool, Ring, measured};
use confluent_kafka::common::serialization::ByteArraySerializer;
use confluent_kafka::common::{Error, KafkaFuture};
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord, RecordMetadata,
};

use crate::common;

/// Callbacks that were called; a callback that captures nothing costs no allocation.
static DONE: AtomicU64 = AtomicU64::new(0);
/// How many of them were told of an error.
static ERRORS: AtomicU64 = AtomicU64::new(0);

/// A callback per record, which counts.
pub(crate) async fn with_callbacks(parameters: &Parameters) -> Result<Measured> {
    let producer = producer(parameters)?;
    let records = Records::new(parameters);
    let mut sent = 0_u64;
    measured(parameters, async |count| {
        let before = ERRORS.load(Relaxed);
        for index in 0..count as usize {
            while sent - DONE.load(Relaxed) >= parameters.window as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let callback: Box<dyn Callback> =
                Box::new(|_: Option<&RecordMetadata>, error: Option<&Error>| {
                    if error.is_some() {
                        ERRORS.fetch_add(1, Relaxed);
                    }
                    DONE.fetch_add(1, Relaxed);
                });
            drop(producer.send(records.at(index)?, Some(callback)).await?);
            sent += 1;
        }
        producer.flush().await?;
        Ok(Part { records: count, errors: ERRORS.load(Relaxed) - before })
    })
    .await
}

/// The future of each record, awaited when the window is full.
pub(crate) async fn with_futures(parameters: &Parameters) -> Result<Measured> {
    let producer = producer(parameters)?;
    let records = Records::new(parameters);
    measured(parameters, async |count| {
        let mut errors = 0;
        let mut window: VecDeque<KafkaFuture<RecordMetadata>> = VecDeque::with_capacity(parameters.window);
        for index in 0..count as usize {
            if window.len() >= parameters.window
                && let Some(oldest) = window.pop_front()
            {
                errors += u64::from(oldest.get().await.is_err());
            }
            window.push_back(producer.send(records.at(index)?, None).await?);
        }
        for delivery in window {
            errors += u64::from(delivery.get().await.is_err());
        }
        Ok(Part { records: count, errors })
    })
    .await
}

/// A producer with the tuned settings, or with its own.
pub(crate) fn producer(parameters: &Parameters) -> Result<KafkaProducer<Vec<u8>, Vec<u8>>> {
    let mut properties = common(parameters);
    let mut set = |name: &str, value: String| {
        properties.entry(name.to_owned()).or_insert(value);
    };
    set("compression.type", parameters.compression.name().to_owned());
    if !parameters.defaults {
        set("acks", "all".to_owned());
        set("enable.idempotence", "true".to_owned());
        set("batch.size", parameters.batch_size.to_string());
        set("buffer.memory", parameters.buffer_memory.to_string());
    }
    if let Some(linger) = parameters.linger() {
        set("linger.ms", linger.as_millis().to_string());
    }
    let (key, value) = (ByteArraySerializer::default(), ByteArraySerializer::default());
    Ok(KafkaProducer::new(ProducerConfig::new(&properties)?, key, value)?)
}

/// What is sent, borrowed.
struct Records<'a> {
    parameters: &'a Parameters,
    values: Ring<Vec<u8>>,
    keys: Ring<Vec<u8>>,
}

impl<'a> Records<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        let pool = Pool::new(parameters);
        Self { parameters, values: pool.values(), keys: pool.keys() }
    }

    fn at(&self, index: usize) -> Result<ProducerRecord<&[u8], &[u8]>> {
        let value = Some(self.values.at(index).as_slice());
        let topic = self.parameters.topic.clone();
        Ok(match self.parameters.partitioning {
            Partitioning::Rr => {
                let partition = Some(self.parameters.partition_of(index));
                ProducerRecord::with_partition_key(topic, partition, None, value)?
            }
            Partitioning::Key => ProducerRecord::with_key(topic, Some(self.keys.at(index).as_slice()), value),
            Partitioning::Sticky => ProducerRecord::new(topic, value),
        })
    }
}
