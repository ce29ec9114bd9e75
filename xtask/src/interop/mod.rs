//! `cargo xtask interop`: foreign clients, unmodified, against the mock on TCP or against real Kafka.
//!
//! Every client writes with every codec, every client reads what every other wrote, and the batches in the log are
//! asked for their codec. `tests/interop/README.md` says what is compared and which lines the programs speak.
//!
//! | file | idea |
//! |---|---|
//! | `record` | a record and its line |
//! | `dataset` | the records that are written |
//! | `client` | the four commands, in each client's way |
//! | `connect` | Java's JsonConverter on recorded messages |
//! | `kcat` | kcat's own command line and JSON |
//! | `groups` | foreign clients as members of groups |
//! | `streams` | Kafka Streams and ours, the same topologies |
//! | `broker` | the mock's binary or real Kafka |
//! | `batches` | reads the log's batch headers by a request of our own |
//! | `tools` | installs what is missing |

mod batches;
mod broker;
mod client;
mod connect;
mod dataset;
mod groups;
mod kcat;
mod record;
mod run;
mod streams;
mod tools;

pub(crate) use broker::build;
pub(crate) use client::Client;
pub(crate) use record::Record;
pub(crate) use run::{Part, run, run_parts};
