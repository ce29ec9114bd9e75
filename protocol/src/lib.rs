//! Apache Kafka's wire protocol: messages, record batches and small types, without IO.
//!
//! | module | what it holds |
//! |---|---|
//! | [`types`] | topics, partitions, offsets, epochs: the small types that every crate shares |
//! | [`wire`] | reading and writing the primitives of the protocol, bounded against hostile peers |
//! | [`api`] | the APIs, their versions and header versions |
//! | [`messages`] | every request and response, generated from the tables in `schemas/` |
//! | [`frame`] | whole frames: size, header and message |
//! | [`embedded`] | what the consumers of a group tell each other inside JoinGroup and SyncGroup |
//! | [`error_code`] | the error codes that brokers answer with |
//! | [`record`] | record batches: written in place, read by borrowing |
//! | [`compression`] | the codecs of record batches, bounded when reading |
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod api;
pub mod compression;
pub mod embedded;
pub mod error_code;
pub mod frame;
pub mod messages;
pub mod record;
pub mod types;
pub mod wire;
