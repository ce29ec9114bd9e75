//! What tasks have written goes to the producer, and what became of it comes back.
use std::collections::VecDeque;
use std::num::NonZeroU32;

use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer, Record, partition_for_key};
use courant_protocol::types::UnixMillis;

use super::error::Error;
use crate::operator::{ProcessError, ProcessErrorKind};
use crate::task::{Destination, ErrorHandlers, OutgoingRecord, TaskId, Verdict};

/// The records of a worker's tasks that are on their way.
pub(super) struct Outbox {
    producer: Producer,
    kafka: Kafka,
    /// In the order in which they were sent; most are answered in that order.
    underway: VecDeque<Underway>,
}

struct Underway {
    task: TaskId,
    /// The store whose changelog the record is in, if it is one of a changelog.
    store: Option<usize>,
    delivery: DeliveryFuture,
}

/// A changelog record that is on the brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) task: TaskId,
    pub(super) store: usize,
    pub(super) offset: i64,
}

impl Outbox {
    pub(super) fn new(producer: Producer, kafka: Kafka) -> Self {
        Self { producer, kafka, underway: VecDeque::new() }
    }

    /// Hands a record to the producer; waits while there is no buffer space.
    pub(super) async fn send(
        &mut self,
        task: TaskId,
        outgoing: OutgoingRecord,
        handlers: &ErrorHandlers,
    ) -> Result<(), Error> {
        let (store, topic) = (outgoing.store, outgoing.topic.clone());
        let record = self.record(outgoing).await?;
        match self.producer.enqueue(record).await {
            Ok(delivery) => {
                self.underway.push_back(Underway { task, store, delivery });
                Ok(())
            }
            // A change of a store that is not in its changelog would be lost with the next restore.
            Err(refused) if store.is_none() && refused.kind() == courant_client::ErrorKind::InvalidInput => {
                let error = ProcessError::refused(&topic, refused);
                match handlers.production.decide(&error) {
                    Verdict::Fail => Err(error.into()),
                    Verdict::Continue => {
                        tracing::warn!(target: "courant::streams", %task, %error, "a record is not written");
                        Ok(())
                    }
                }
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Takes the answers that have come, the oldest first; what a changelog has is told.
    pub(super) fn take_answers(&mut self, mut logged: impl FnMut(Logged)) -> Result<(), Error> {
        while let Some(Underway { task, store, delivery }) = self.underway.front() {
            let Some(answer) = delivery.now() else { break };
            let metadata = answer?;
            if let Some(store) = store.filter(|_| metadata.offset.is_some()) {
                logged(Logged { task: *task, store, offset: metadata.offset.0 });
            }
            self.underway.pop_front();
        }
        Ok(())
    }

    /// Waits until all that was sent is on the brokers.
    pub(super) async fn flush(&mut self, logged: impl FnMut(Logged)) -> Result<(), Error> {
        if !self.underway.is_empty() {
            self.producer.flush().await?;
        }
        self.take_answers(logged)
    }

    /// The producer, to close it.
    pub(super) fn producer(&self) -> &Producer {
        &self.producer
    }

    /// The record as the producer takes it.
    async fn record(&self, outgoing: OutgoingRecord) -> Result<Record, Error> {
        let OutgoingRecord { topic, destination, key, value, timestamp, headers, .. } = outgoing;
        let partition = match destination {
            Destination::ByKey => None,
            Destination::Partition(partition) => Some(partition),
            Destination::ByHashOf(bytes) => {
                let deadline = self.kafka.world().now() + self.kafka.settings().default_api_timeout;
                let count = self.kafka.cluster().topic(&topic, deadline).await?.partition_count();
                let count = u32::try_from(count).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
                Some(partition_for_key(&bytes, count).0)
            }
        };
        let mut record = Record::to(topic).timestamp(UnixMillis(timestamp));
        if let Some(partition) = partition {
            record = record.partition(partition);
        }
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.value(value);
        }
        for (name, value) in headers.as_slice() {
            record = match value {
                Some(value) => record.header(name.clone(), value.clone()),
                None => record.null_header(name.clone()),
            };
        }
        Ok(record)
    }
}

impl ProcessError {
    /// The producer does not take a record: it is too large, say.
    fn refused(topic: &str, refused: courant_producer::SendError) -> Self {
        Self::of_record(ProcessErrorKind::Production, format!("to {topic}"), refused.error)
    }
}
