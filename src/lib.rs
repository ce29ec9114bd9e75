//! The facade: every crate of the family behind one name.
//!
#![doc = include_str!("../README.md")]

mod bootstrap;

#[cfg(feature = "admin")]
pub use courant_admin as admin;
#[cfg(feature = "mock")]
pub use courant_broker_mock as mock;
pub use courant_client as client;
#[cfg(feature = "connect")]
pub use courant_connect as connect;
#[cfg(feature = "consumer")]
pub use courant_consumer as consumer;
#[cfg(feature = "handlers")]
pub use courant_handlers as handlers;
#[cfg(feature = "producer")]
pub use courant_producer as producer;
pub use courant_runtime as runtime;
#[cfg(feature = "mock")]
pub use courant_sim as sim;
#[cfg(feature = "streams")]
pub use courant_streams as streams;

pub use bootstrap::connect;
pub use courant_client::Kafka;
#[cfg(feature = "producer")]
pub use courant_producer::{Record, RecordMetadata};
pub use courant_protocol::error_code::ErrorCode;
pub use courant_protocol::types::{
    LeaderEpoch, NodeId, Offset, PartitionId, TopicId, TopicName, TopicPartition, UnixMillis,
};
