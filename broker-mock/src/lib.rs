//! An in-memory Apache Kafka cluster that speaks the real wire protocol: in the process, for tests on one thread and
//! in virtual time, or over TCP, for any client (`courant-broker-mock` is the same as a program).
//!
//! ```text
//! client ─► shell/ (in-process or TCP) ─► cluster/machine.rs ─► handler/* ─► cluster/state.rs ─► log/   batches as they came
//!                    frames                (now, frame) → replies     one file per API     └────────► group/ members, offsets
//! time ──────────────────────────────────► timers of groups, waits of fetches, retention and compaction
//! ```
//!
//! The brokers announce and serve what Kafka 4.3.1 does, for the APIs that are here; each file of `handler` says how
//! far it goes. Everything is deterministic: the same seed, clock and requests give the same bytes.
//!
//! ```
//! use courant_broker_mock::MockCluster;
//! use courant_protocol::types::NodeId;
//!
//! let cluster = MockCluster::builder().brokers(3).topic("orders", 6).config("num.partitions", "6").build()?;
//! assert_eq!(cluster.bootstrap(), "mock-1:9092,mock-2:9092,mock-3:9092");
//! assert_eq!(cluster.log_end("orders", 0), Some(0.into()));
//!
//! // A client reaches it through `cluster.world()`, or over TCP after `cluster.listen(0)`.
//! cluster.move_leader("orders", 0, NodeId(3))?;
//! assert_eq!(cluster.leader("orders", 0), Some(NodeId(3)));
//!
//! // Groups are seen and disturbed as topics are.
//! cluster.move_coordinator("billing", NodeId(2))?;
//! assert_eq!((cluster.coordinator("billing"), cluster.group("billing")), (Some(NodeId(2)), None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What clients cannot write here, tests write: transactions ([`MockCluster::append_transactional`]), batches of any
//! content ([`MockCluster::append_raw`]), followers that lag and unclean elections ([`MockCluster::hold_follower`]).
mod builder;
mod cluster;
mod config;
mod fault;
mod group;
mod handler;
mod log;
mod mock_cluster;
mod shell;

pub use builder::{BuildError, MockClusterBuilder};
pub use cluster::LoggedRequest;
pub use config::ConfigError;
pub use fault::Fault;
pub use group::{MockGroup, MockMember};
pub use mock_cluster::{LogBatch, MockCluster, ProducerIdAndEpoch, TransactionResult, Unknown};
