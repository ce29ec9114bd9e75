//! Apache Kafka's wire protocol: messages, record batches and small types, without IO.
pub mod types;
