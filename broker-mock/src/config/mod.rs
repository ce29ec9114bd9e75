//! What brokers and topics are configured with: Kafka's names, defaults, limits and precedence.
mod broker;
mod broker_rows;
mod change;
mod entry;
mod kind;
mod nearest;
mod row;
mod topic;
mod topic_rows;

pub(crate) use broker::BrokerConfig;
pub use broker::ConfigError;
pub(crate) use change::{Change, Refused};
pub(crate) use entry::{Entry, Synonym};
pub(crate) use topic::{TopicConfig, row as topic_row};
