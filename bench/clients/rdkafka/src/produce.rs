//! Records until they are acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use bench_harness::{Measured, Parameters, Part, Partitioning, Pool, Ring, measured, measured_blocking};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::future_producer::OwnedDeliveryResult;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryFuture, FutureProducer, FutureRecord, Producer, ProducerContext,
};
use rdkafka::types::RDKafkaErrorCode;

use crate::common;

/// Counts what could not be delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures(Arc<AtomicU64>);

impl Failures {
    fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Relaxed);
        }
    }
}

/// A producer's settings: the tuned ones, or its own.
pub(crate) fn config(parameters: &Parameters) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("compression.codec", parameters.compression.name());
    if !parameters.defaults {
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("batch.size", parameters.batch_size.to_string())
            .set("batch.num.messages", "1000000")
            .set("queue.buffering.max.messages", parameters.window.to_string())
            .set("queue.buffering.max.kbytes", (parameters.buffer_memory / 1024).to_string());
    }
    if let Some(linger) = parameters.linger() {
        config.set("linger.ms", linger.as_millis().to_string());
    }
    config.extend(
        common(parameters).config_map().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    config
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

    /// Partition, key and value.
    fn at(&self, index: usize) -> (Option<i32>, Option<&[u8]>, &[u8]) {
        let value = self.values.at(index).as_slice();
        match self.parameters.partitioning {
            Partitioning::Rr => (Some(self.parameters.partition_of(index)), None, value),
            Partitioning::Key => (None, Some(self.keys.at(index)), value),
            Partitioning::Sticky => (None, None, value),
        }
    }
}

/// `BaseProducer`: polled, its callback counts.
pub(crate) fn polled(parameters: &Parameters) -> Result<Measured> {
    let failures = Failures::default();
    let producer: BaseProducer<Failures> = config(parameters).create_with_context(failures.clone())?;
    let records = Records::new(parameters);
    measured_blocking(parameters, |count| {
        let before = failures.count();
        for index in 0..count as usize {
            let (partition, key, value) = records.at(index);
            let mut record = BaseRecord::<[u8], [u8]>::to(&parameters.topic).payload(value);
            record.partition = partition;
            record.key = key;
            while let Err((error, back)) = producer.send(record) {
                if !is_full(&error) {
                    return Err(error.into());
                }
                record = back;
                producer.poll(Duration::from_millis(2));
            }
            if index & 0x3ff == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        producer.flush(FLUSH)?;
        Ok(Part { records: count, errors: failures.count() - before })
    })
}

/// `FutureProducer`: the future of each record, awaited when the window is full.
pub(crate) async fn with_futures(parameters: &Parameters) -> Result<Measured> {
    let producer: FutureProducer = config(parameters).create()?;
    let records = Records::new(parameters);
    measured(parameters, async |count| {
        let mut errors = 0;
        let mut window: VecDeque<DeliveryFuture> = VecDeque::with_capacity(parameters.window);
        for index in 0..count as usize {
            let (partition, key, value) = records.at(index);
            let mut record = FutureRecord::<[u8], [u8]>::to(&parameters.topic).payload(value);
            record.partition = partition;
            record.key = key;
            if window.len() >= parameters.window
                && let Some(oldest) = window.pop_front()
            {
                errors += failed(oldest.await);
            }
            let delivery = loop {
                match producer.send_result(record) {
                    Ok(delivery) => break delivery,
                    Err((error, _)) if !is_full(&error) => return Err(error.into()),
                    Err((_, back)) => record = back,
                }
                match window.pop_front() {
                    Some(oldest) => errors += failed(oldest.await),
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            };
            window.push_back(delivery);
        }
        for delivery in window {
            errors += failed(delivery.await);
        }
        Ok(Part { records: count, errors })
    })
    .await
}

fn is_full(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull))
}

fn failed<E>(delivery: Result<OwnedDeliveryResult, E>) -> u64 {
    u64::from(!matches!(delivery, Ok(Ok(_))))
}

const FLUSH: Duration = Duration::from_secs(60);
