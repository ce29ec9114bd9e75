//! How long a `send` takes, with and without a consumer beside it.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bench_harness::{Latencies, Measured, Parameters, paced, stamped};
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_producer::{Record, RecordTopic};

use crate::connect;
use crate::consume::consumer;
use crate::produce::producer;

/// The producer has the `Kafka` to itself.
pub(crate) async fn alone(parameters: &Parameters) -> Result<Measured> {
    sends(parameters, &connect(parameters).await?).await
}

/// A consumer on the same `Kafka` reads what is sent.
pub(crate) async fn beside(parameters: &Parameters) -> Result<Measured> {
    let kafka = connect(parameters).await?;
    let reading = tokio::spawn(read(consumer(&kafka, parameters).await?));
    let measured = sends(parameters, &kafka).await;
    reading.abort();
    measured
}

/// A consumer on a `Kafka` of its own reads what is sent.
pub(crate) async fn apart(parameters: &Parameters) -> Result<Measured> {
    let reading = tokio::spawn(read(consumer(&connect(parameters).await?, parameters).await?));
    let measured = sends(parameters, &connect(parameters).await?).await;
    reading.abort();
    measured
}

/// Sends at the rate that is asked for, each when the one before is acknowledged.
async fn sends(parameters: &Parameters, kafka: &Kafka) -> Result<Measured> {
    let producer = producer(kafka, parameters).await?;
    let topic = RecordTopic::from(&parameters.topic);
    let latencies = Arc::new(Mutex::new(Latencies::new(parameters)));
    let (asked, taken) = (parameters.clone(), Arc::clone(&latencies));
    let send = move |index: usize| {
        let (producer, latencies) = (producer.clone(), Arc::clone(&taken));
        let record = Record::to(topic.clone()).partition(asked.partition_of(index));
        let value = bytes::Bytes::from(stamped(asked.value_size));
        async move {
            producer.send(record.value(value.clone())).await?;
            latencies.lock().unwrap_or_else(PoisonError::into_inner).take(Some(&value))?;
            Ok(())
        }
    };
    send(0).await?;
    let start = paced(parameters, send).await?;
    let latencies = Arc::into_inner(latencies).context("a send goes on")?;
    let latencies = latencies.into_inner().unwrap_or_else(PoisonError::into_inner);
    Measured::at_a_rate(parameters, start, latencies.finish())
}

async fn read(mut consumer: Consumer) -> Result<()> {
    while let Some(batch) = consumer.poll().await? {
        for record in &batch {
            black_box(record.value().map_or(0, <[u8]>::len));
        }
    }
    Ok(())
}
