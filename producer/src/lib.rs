//! Writes records to Kafka: in batches, in order, and each one once.
//!
//! ```text
//! producer.rs ─► partitioner/ ─► append/open_batch.rs ─► machine/batch.rs ─► machine/sender.rs ─► driver.rs ─► broker
//!  send(record)  partition       encode in place,        sealed: compress,   picks ready          writes header and
//!                                byte permits,           CRC, stamped late   batches, stamps      bodies to the leader's
//!                                back-pressure here      by epoch, sequence  them, ≤5 in flight   own socket
//! DeliveryFuture ◄──────────── RecordMetadata ◄──────── Sender::handle_response(now, …) ◄───────────────┘
//! ```
//!
//! A task encodes its record straight into its partition's open batch, under one short lock, and gets a
//! [`DeliveryFuture`]: the batch's one completion, and the record's index in it. Nothing is allocated for a record and
//! nothing of it crosses a channel. A batch is closed when it is full, has lingered, or is hurried by a flush or a full
//! buffer. The driver seals it (compression, checksum), and the machines decide when and under which sequence it is
//! sent. Waiting is bounded everywhere: `max.block.ms` for space and metadata, `delivery.timeout.ms` for the rest.
//!
//! Start with [`Producer`]; settings go by Kafka's names ([`PRODUCER`]) or by type ([`ProducerBuilder`]).

mod accepting;
mod append;
mod builder;
mod config;
mod control;
mod delivery;
mod driver;
mod error;
mod interceptor;
mod machine;
mod metrics;
#[cfg(feature = "mock")]
mod mock;
mod partitioner;
mod producer;
mod record;
mod send_batch;
mod sink;
mod sync;
mod typed;
mod typed_sink;
mod unknown;
mod waiting;

pub use accepting::{EnqueueFuture, SendFuture};
pub use builder::{Acks, ProducerBuilder};
pub use config::PRODUCER;
pub use courant_protocol::compression::Codec;
pub use delivery::DeliveryFuture;
pub use error::SendError;
pub use interceptor::{Acknowledgement, Interceptor};
pub use metrics::{NodeMetrics, ProducerMetrics, TopicMetrics};
#[cfg(feature = "mock")]
pub use mock::{MockProducer, MockProducerBuilder};
#[doc(hidden)]
pub use partitioner::partition_for_key;
pub use partitioner::{CustomPartitioner, Partitioner, Unplaced};
pub use producer::Producer;
pub use record::{Record, RecordMetadata, RecordTopic};
pub use send_batch::{SendBatch, SendBatchError};
pub use sink::RecordSink;
pub use typed::{TypedProducer, TypedRecord};
pub use typed_sink::{TypedSendError, TypedSink};
