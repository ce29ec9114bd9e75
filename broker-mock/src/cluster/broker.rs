//! One virtual broker.
use courant_protocol::messages::metadata::{MetadataResponseBroker, MetadataResponseTopic};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::fetch_session::FetchSessions;

/// A broker of the cluster.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) id: NodeId,
    pub(crate) host: Str,
    pub(crate) port: u16,
    pub(crate) rack: Option<Str>,
    pub(crate) is_alive: bool,
    pub(crate) sessions: FetchSessions,
    /// What this broker goes on answering to Metadata while it is kept from hearing of changes.
    pub(crate) frozen: Option<FrozenView>,
}

/// A view of the cluster that has stopped.
#[derive(Clone, Debug)]
pub(crate) struct FrozenView {
    pub(crate) brokers: Vec<MetadataResponseBroker>,
    pub(crate) topics: Vec<MetadataResponseTopic>,
}
