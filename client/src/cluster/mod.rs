//! The cluster as the client sees it: a snapshot that is kept up to date, and the way to any broker.
mod coordinator;
mod driver;
mod handle;
mod lease;
mod machine;
mod metadata;
mod shared;
mod watch;

pub use self::coordinator::CoordinatorKind;
pub use self::handle::{CallOptions, Cluster, Target};
pub use self::lease::TopicsLease;
pub use self::metadata::{Broker, Metadata, Partition, Topic};
pub use self::watch::MetadataWatch;
