//! The deterministic core: brokers, topics, sessions and connections as plain data, moved by time and frames.
//!
//! ```text
//! shell ─► machine.rs (one request of a connection at a time) ─► handler/* ─► state.rs (topics, brokers, offsets)
//!   ▲          │ parked fetches, delayed answers, faults              │ partitions that were touched
//!   └──────────┴── outputs: frames and closed connections ◄───────────┘
//! ```
//!
//! Nothing here reads a clock, spawns or draws a number of its own: the same calls give the same bytes.
mod broker;
mod connection;
mod fetch_session;
mod machine;
mod request_log;
mod state;
mod topic;
mod topic_name;
mod upkeep;

pub(crate) use broker::{Broker, FrozenView};
pub(crate) use connection::{Authentication, ConnectionId, ParkedFetch};
pub(crate) use fetch_session::{SessionFetch, SessionPartition, TopicKey};
pub(crate) use machine::{Machine, Output};
pub use request_log::LoggedRequest;
pub(crate) use state::{Cluster, Spec, Touched};
pub(crate) use topic::{Partition, Topic};
pub(crate) use topic_name::check_topic_name;
