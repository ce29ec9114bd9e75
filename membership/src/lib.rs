//! Group membership of Apache Kafka as pure state machines.
