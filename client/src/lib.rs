//! What the clients of one program share: connections, metadata, configuration, retry, errors.
//!
//! ```text
//! Kafka ─► cluster/ ── who leads what ──► machine/: when to ask, whom, and what an answer changes
//!    │         └────── a request ───────► connection/shared.rs ─┐
//!    └─ drivers of producers, consumers ► connection/link.rs ◄──┘─► machine/ ─► socket
//!                                          Negotiating ─► Authenticating ─► Ready
//! ```
//! [`Kafka`] is what applications hold: cheap to clone, and the ground that producers, consumers and admin clients are built
//! on. [`Cluster`] and [`Link`] are the seam for those.
pub mod codec;
pub mod config;
pub mod retry;

mod cluster;
mod connection;
mod error;
mod kafka;
mod log;
mod metrics;

pub use self::error::{Error, ErrorKind};
pub use self::kafka::{Kafka, KafkaBuilder};
pub use self::metrics::{Measured, Traffic};

#[doc(hidden)]
pub use self::cluster::{
    Broker, CallOptions, Cluster, CoordinatorKind, Metadata, MetadataWatch, Partition, Target, Topic,
    TopicsLease,
};
#[doc(hidden)]
pub use self::connection::{BrokerVersions, Correlation, Link, LinkEvent, TrafficClass};
#[doc(hidden)]
pub use self::log::Repeats;
