//! Records until they are acknowledged.

use std::collections::VecDeque;

use anyhow::Result;
use bench_harness::{Measured, Parameters, Part, Partitioning, Pool, Ring, measured};
use bytes::Bytes;
use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer, Record};
use futures::future::maybe_done;

use crate::connect;

/// `enqueue`, whose handle is awaited when the window is full.
pub(crate) async fn with_handles(parameters: &Parameters) -> Result<Measured> {
    let producer = producer(&connect(parameters).await?, parameters).await?;
    let records = Records::new(parameters);
    measured(parameters, async |count| {
        let mut errors = 0;
        let mut window: VecDeque<DeliveryFuture> = VecDeque::with_capacity(parameters.window);
        for index in 0..count as usize {
            if window.len() >= parameters.window
                && let Some(oldest) = window.pop_front()
            {
                errors += u64::from(oldest.await.is_err());
            }
            window.push_back(producer.enqueue(records.at(index)).await?);
        }
        for delivery in window {
            errors += u64::from(delivery.await.is_err());
        }
        Ok(Part { records: count, errors })
    })
    .await
}

/// `send`, whose future is polled once, which sends the record, and awaited when the window is full.
pub(crate) async fn with_futures(parameters: &Parameters) -> Result<Measured> {
    let producer = producer(&connect(parameters).await?, parameters).await?;
    let records = Records::new(parameters);
    // A place is used again by the future that comes a window later: the driver allocates nothing for a record.
    let mut window = Vec::with_capacity(parameters.window);
    measured(parameters, async |count| {
        let mut errors = 0;
        for index in 0..count as usize {
            let place = index % parameters.window;
            let send = maybe_done(producer.send(records.at(index)));
            match window.get_mut(place) {
                None => window.push(Box::pin(send)),
                Some(oldest) => {
                    if index >= parameters.window {
                        oldest.as_mut().await;
                        errors += u64::from(!matches!(oldest.as_mut().take_output(), Some(Ok(_))));
                    }
                    oldest.set(send);
                }
            }
            if let Some(newest) = window.get_mut(place) {
                let _ = futures::poll!(newest.as_mut());
            }
        }
        for send in window.iter_mut().take(count as usize) {
            send.as_mut().await;
            errors += u64::from(!matches!(send.as_mut().take_output(), Some(Ok(_))));
        }
        Ok(Part { records: count, errors })
    })
    .await
}

/// A producer with the tuned settings, or with its own.
pub(crate) async fn producer(kafka: &Kafka, parameters: &Parameters) -> Result<Producer> {
    let mut builder = Producer::builder(kafka).set("compression.type", parameters.compression.name());
    if !parameters.defaults {
        builder =
            builder.batch_size_bytes(parameters.batch_size).buffer_memory_bytes(parameters.buffer_memory);
    }
    if let Some(linger) = parameters.linger() {
        builder = builder.linger(linger);
    }
    for (name, value) in &parameters.properties {
        builder = builder.set(name, value);
    }
    Ok(builder.start().await?)
}

/// The records of a run, one after the other.
pub(crate) struct Records<'a> {
    parameters: &'a Parameters,
    /// A constant, as topics mostly are.
    topic: &'static str,
    values: Ring<Bytes>,
    keys: Ring<Bytes>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(parameters: &'a Parameters) -> Self {
        let pool = Pool::new(parameters);
        let topic = parameters.topic.clone().leak();
        Self { parameters, topic, values: pool.values(), keys: pool.keys() }
    }

    #[inline]
    fn at(&self, index: usize) -> Record {
        let record = Record::to(self.topic).value(self.values.at(index).clone());
        match self.parameters.partitioning {
            Partitioning::Rr => record.partition(self.parameters.partition_of(index)),
            Partitioning::Key => record.key(self.keys.at(index).clone()),
            Partitioning::Sticky => record,
        }
    }
}
