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
use crate::connection::Peer;
use crate::error::{Error, ErrorKind};

fn unknown_broker(peer: Peer) -> Error {
    let what = match peer {
        Peer::Node(node) => format!("the cluster's metadata has no broker {node}"),
        Peer::Bootstrap(index) => {
            format!("bootstrap.servers has no address number {}", index.saturating_add(1))
        }
    };
    Error::new(ErrorKind::NoBroker, what)
}

/// Where the events of this part go.
const TARGET: &str = "courant::client";
