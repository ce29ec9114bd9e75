//! A deliberately minimal Kafka endpoint, to measure what a *client* can do when the broker costs next to nothing.
//!
//! - Produce is acknowledged at once; nothing is stored or checked.
//! - Fetch is answered for ever with one batch that was built before ([`Config`] says how large), whose base offset is
//!   patched so that it continues at the offset that was asked for. Its bytes are never copied.
//! - With `store` it keeps what it is sent in memory and wakes fetches that wait, for latency end to end.
//!
//! One node; any topic exists, with as many partitions as were asked for. It serves programs that it trusts: it is no
//! broker to develop against, which is what `courant-broker-mock` is for.

mod broker;
mod config;
mod connection;
mod control;
mod endless;
mod output;
mod produce;
mod stats;
mod store;

pub use broker::Broker;
pub use config::Config;
pub use stats::Stats;
