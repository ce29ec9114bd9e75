//! One request on its way through a handler.
use std::time::Instant;

use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::AnyResponse;
use courant_protocol::types::{LeaderEpoch, NodeId, TopicId, UnixMillis};
use courant_protocol::wire::Str;

use crate::cluster::{Cluster, ConnectionId, ParkedFetch, Partition, Topic};
use crate::fault::InjectedError;
use crate::group::Moment;

/// Who asks what of whom, and when.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) now: Instant,
    pub(crate) unix_now: UnixMillis,
    pub(crate) node: NodeId,
    pub(crate) connection: ConnectionId,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<Str>,
    /// What faults put in the place of an answer.
    pub(crate) errors: Vec<InjectedError>,
}

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Response(Box<AnyResponse>),
    /// An answer, after which the connection ends.
    ResponseThenClose(Box<AnyResponse>),
    /// Nothing: the client asked for no acknowledgement.
    Nothing,
    Close,
    Park(Box<ParkedFetch>),
    /// The answer comes from the group coordinator, perhaps at once.
    Wait,
}

impl<R: Into<AnyResponse>> From<R> for Reply {
    fn from(response: R) -> Self {
        Self::Response(Box::new(response.into()))
    }
}

impl Call {
    /// The error that a fault puts on a partition.
    pub(crate) fn injected(&self, topic: &str, partition: i32) -> Option<ErrorCode> {
        self.errors.iter().find(|injected| injected.meets(topic, partition)).map(|injected| injected.error)
    }

    /// The error that a fault puts on the whole request.
    pub(crate) fn injected_error(&self) -> Option<ErrorCode> {
        self.errors.first().map(|injected| injected.error)
    }

    /// When it is asked.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.now, unix: self.unix_now }
    }

    /// Whether this broker coordinates the group, which must have a name.
    pub(crate) fn coordinates(&self, cluster: &Cluster, group: &str) -> Result<(), ErrorCode> {
        if group.is_empty() && self.errors.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        self.is_coordinator(cluster, group)
    }

    /// Whether this broker coordinates the group, and no fault says otherwise.
    pub(crate) fn is_coordinator(&self, cluster: &Cluster, group: &str) -> Result<(), ErrorCode> {
        if let Some(error) = self.injected_error() {
            return Err(error);
        }
        if cluster.coordinator(group).map(|broker| broker.id) == Some(self.node) {
            Ok(())
        } else {
            Err(ErrorCode::NOT_COORDINATOR)
        }
    }

    /// The topic that a request names by id where its version does so, by name before.
    pub(crate) fn topic<'c>(
        &self,
        cluster: &'c Cluster,
        name: &str,
        id: TopicId,
    ) -> Result<&'c Topic, ErrorCode> {
        if name.is_empty() && !id.is_zero() {
            return cluster.topic_by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID);
        }
        cluster.topic(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }

    /// The partition, if this broker leads it and the client knows the epoch (KIP-320).
    pub(crate) fn led<'c>(
        &self,
        cluster: &'c Cluster,
        topic: &str,
        partition: i32,
        known_epoch: i32,
    ) -> Result<&'c Partition, ErrorCode> {
        if let Some(error) = self.injected(topic, partition) {
            return Err(error);
        }
        let partition = cluster.partition(topic, partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        check_epoch(partition, known_epoch)?;
        if partition.leader == Some(self.node) {
            Ok(partition)
        } else {
            Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        }
    }
}

/// A client with an older epoch has to look again, one with a newer has to wait for this broker.
pub(crate) fn check_epoch(partition: &Partition, known: i32) -> Result<(), ErrorCode> {
    let known = LeaderEpoch(known);
    if !known.is_some() || known == partition.epoch {
        Ok(())
    } else if known < partition.epoch {
        Err(ErrorCode::FENCED_LEADER_EPOCH)
    } else {
        Err(ErrorCode::UNKNOWN_LEADER_EPOCH)
    }
}
