//! Connectors for Apache Kafka, and the worker that runs them.
pub mod data;
