//! `cargo xtask soak`: what runs before a release or a large claim, in parts of at most an hour.
//!
//! | part | what it does |
//! |---|---|
//! | `seeds` | 10,000 seeds of every simulation family |
//! | `planted` | every planted defect |
//! | `kafka` | conformance on Kafka 3.9.2 and 4.4.0 |
//! | `foreign` | every foreign client on the mock and on Kafka 4.3.1 |
//! | `chain` | ten minutes of a million keyed records through three hops of handlers, whose members and nodes are killed |
//! | `kill` | ten minutes of records into a cluster whose nodes are killed, paused and stopped one after another |
//! | `silence` | what is read of two nodes while the third is paused for half a minute is read as soon as before |
//! | `bench` | every driver of the benchmark, other people's too, once with few records |
//!
//! A finished part is remembered for its commit under `target/soak/`, unless the work tree differs from it.

mod chain;
mod kill;
mod memory;
mod run;
mod silence;
mod verdict;

pub(crate) use run::{Part, run};
