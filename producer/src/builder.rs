//! Settings by name or by type, until the producer starts.
use std::fmt;
use std::time::Duration;

use courant_client::config::Properties;
use courant_client::{Error, Kafka};
use courant_protocol::compression::Codec;

use crate::config::ProducerSettings;
use crate::interceptor::Interceptors;
use crate::{Interceptor, Partitioner, Producer};

/// How many replicas must have a record before it counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acks {
    /// None: a record counts as sent when it was written to the socket. It may be lost, and has no offset.
    None,
    /// The leader alone: the record may be lost if the leader fails.
    Leader,
    /// All in-sync replicas.
    All,
}

impl Acks {
    fn as_property(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
    }
}

/// Collects a producer's settings; [`Producer::builder`] makes one.
///
/// A typed setter and [`set`](Self::set) with Kafka's name mean the same, and the last one wins. All are checked
/// together by [`start`](Self::start).
#[must_use = "call start()"]
pub struct ProducerBuilder {
    kafka: Kafka,
    properties: Properties,
    partitioner: Option<Partitioner>,
    interceptors: Vec<Box<dyn Interceptor>>,
}

impl fmt::Debug for ProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerBuilder")
            .field("properties", &self.properties)
            .field("partitioner", &self.partitioner)
            .field("interceptors", &self.interceptors.len())
            .finish_non_exhaustive()
    }
}

impl ProducerBuilder {
    pub(crate) fn new(kafka: &Kafka) -> Self {
        Self {
            kafka: kafka.clone(),
            properties: Properties::new(),
            partitioner: None,
            interceptors: Vec::new(),
        }
    }

    /// Sets a property under Kafka's name, such as `linger.ms`.
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Takes properties that were read from a map or a file; those of other clients among them are passed over.
    pub fn properties(mut self, properties: &Properties) -> Self {
        self.properties.merge(properties);
        self
    }

    /// How long a batch waits for more records before it is sent (`linger.ms`; 5 ms).
    pub fn linger(mut self, linger: Duration) -> Self {
        self.properties.set_millis("linger.ms", linger);
        self
    }

    /// How many replicas must have a record (`acks`; all).
    pub fn acks(self, acks: Acks) -> Self {
        self.set("acks", acks.as_property())
    }

    /// Whether retries can neither double nor reorder records (`enable.idempotence`; true).
    pub fn idempotence(self, enabled: bool) -> Self {
        self.set("enable.idempotence", enabled)
    }

    /// How large a batch becomes before compression (`batch.size`; 16 KiB).
    pub fn batch_size_bytes(self, bytes: usize) -> Self {
        self.set("batch.size", bytes)
    }

    /// How many bytes of records may be on their way (`buffer.memory`; 32 MiB).
    pub fn buffer_memory_bytes(self, bytes: usize) -> Self {
        self.set("buffer.memory", bytes)
    }

    /// How large a record may be before compression, and a request (`max.request.size`; 1 MiB).
    pub fn max_request_size_bytes(self, bytes: usize) -> Self {
        self.set("max.request.size", bytes)
    }

    /// How batches are compressed (`compression.type`; not at all). Where a broker does not know the codec, the next of lz4,
    /// snappy, gzip and none that it knows is used from then on; a batch that would grow goes out as it is.
    pub fn compression(self, codec: Codec) -> Self {
        self.set("compression.type", codec.name())
    }

    /// How long enqueueing may wait for metadata and buffer space together (`max.block.ms`; 60 s).
    pub fn max_block(mut self, max_block: Duration) -> Self {
        self.properties.set_millis("max.block.ms", max_block);
        self
    }

    /// How long a record may take until it is acknowledged (`delivery.timeout.ms`; 2 min).
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.properties.set_millis("delivery.timeout.ms", timeout);
        self
    }

    /// How records find their partition; replaces `partitioner.class`.
    pub fn partitioner(mut self, partitioner: Partitioner) -> Self {
        self.partitioner = Some(partitioner);
        self
    }

    /// Adds an interceptor, behind those that were added before.
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(Box::new(interceptor));
        self
    }

    /// Checks the settings and starts the producer. No broker is asked anything before the first record.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](courant_client::ErrorKind::Config) for a setting that is unknown, out of range, or in
    /// conflict with another; the text says which and why.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped future has started nothing.
    pub async fn start(self) -> Result<Producer, Error> {
        let request_timeout = self.kafka.settings().request_timeout;
        let (settings, given) = ProducerSettings::check(&self.properties, request_timeout)?;
        for (name, reason) in given.without_effect() {
            tracing::info!(target: "courant::producer", property = name, "set without effect: {reason}");
        }
        let partitioner = self.partitioner.unwrap_or_else(|| settings.partitioner.clone());
        Ok(Producer::start(self.kafka, settings, partitioner, Interceptors::new(self.interceptors)))
    }
}
