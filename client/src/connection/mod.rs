//! Connections to brokers: what is said on them, who owns them, and when they are opened again.
mod connections;
mod link;
pub(crate) mod machine;
mod race;
mod shared;
mod versions;

pub use self::connections::TrafficClass;
pub use self::link::{Correlation, Link, LinkEvent};
pub use self::versions::BrokerVersions;

pub(crate) use self::connections::{Connections, Peer, closed};
pub(crate) use self::race::until;
pub(crate) use self::shared::{Phase, Unanswered};
