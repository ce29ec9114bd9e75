//! What goes wrong with one item of a call.
use std::error::Error as StdError;
use std::fmt;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{PartitionId, TopicName};

/// The class of an [`Error`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something below failed: connections, authentication, authorization, time, configuration.
    Client(courant_client::ErrorKind),
    /// There is such a topic already.
    TopicExists,
    /// There is no such topic or partition.
    UnknownTopic,
    /// No topic may have that name.
    InvalidTopicName,
    /// So many partitions cannot be.
    InvalidPartitions,
    /// So many replicas, or these, cannot be.
    InvalidReplication,
    /// A config entry is unknown, or its value is out of range.
    InvalidConfig,
    /// The cluster's policy forbids it.
    Policy,
    /// The quota for such calls is used up, and the time was, too (KIP-599).
    Throttled,
    /// The offset lies outside the partition's log.
    OffsetOutOfRange,
    /// Topics cannot be deleted on this cluster (`delete.topic.enable`).
    DeletionDisabled,
    /// There is no such group.
    GroupNotFound,
    /// No group may have that id.
    InvalidGroupId,
    /// The group has members, and this needs one without.
    NonEmptyGroup,
    /// A member of the group is subscribed to the topic.
    GroupSubscribed,
    /// The group has no such member; or it has members, and an offset was to be set from outside.
    UnknownMember,
}

impl fmt::Display for ErrorKind {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(kind) => kind.fmt(f),
            Self::TopicExists => f.write_str("topic exists"),
            Self::UnknownTopic => f.write_str("unknown topic"),
            Self::InvalidTopicName => f.write_str("invalid topic name"),
            Self::InvalidPartitions => f.write_str("invalid partitions"),
            Self::InvalidReplication => f.write_str("invalid replication"),
            Self::InvalidConfig => f.write_str("invalid config"),
            Self::Policy => f.write_str("policy violation"),
            Self::Throttled => f.write_str("throttled"),
            Self::OffsetOutOfRange => f.write_str("offset out of range"),
            Self::DeletionDisabled => f.write_str("deletion disabled"),
            Self::GroupNotFound => f.write_str("group not found"),
            Self::InvalidGroupId => f.write_str("invalid group id"),
            Self::NonEmptyGroup => f.write_str("non-empty group"),
            Self::GroupSubscribed => f.write_str("group is subscribed to the topic"),
            Self::UnknownMember => f.write_str("unknown member"),
        }
    }
}

/// An error of an admin call: what was asked, for which topic, partition or group, and what the broker said.
#[derive(Clone)]
pub struct Error(courant_client::Error);

impl Error {
    /// What class of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.code().and_then(kind_of).unwrap_or(ErrorKind::Client(self.0.kind()))
    }

    /// The error code that a broker answered, if one did.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code()
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_retriable(&self) -> bool {
        self.0.is_retriable()
    }

    /// Whether the [`Kafka`](courant_client::Kafka) underneath is of no further use.
    pub fn is_fatal(&self) -> bool {
        self.0.is_fatal()
    }

    /// Whether what was asked may have been done although it failed: an attempt was sent and not answered.
    ///
    /// A topic that "exists already" may then be the one that this very call created.
    pub fn possibly_written(&self) -> bool {
        self.0.possibly_written()
    }

    /// What to look at or which setting to change, as a sentence without a full stop.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint()
    }

    /// The group that it concerns.
    pub fn group(&self) -> Option<&str> {
        self.0.group()
    }

    /// The topic that it concerns.
    pub fn topic(&self) -> Option<&TopicName> {
        self.0.topic()
    }

    /// The partition that it concerns.
    pub fn partition(&self) -> Option<PartitionId> {
        self.0.partition()
    }
}

impl Error {
    /// What a broker answered for an item, with its own words if it had any.
    pub(crate) fn refused(code: ErrorCode, what: &str, message: Option<&str>) -> courant_client::Error {
        let error = courant_client::Error::from_code(code, format!("cannot {what}"));
        let error = match hint_for(code) {
            Some(hint) => error.hinting(hint),
            None => error,
        };
        match message.filter(|message| !message.is_empty()) {
            Some(message) => error.because(BrokerSays(message.to_owned())),
            None => error,
        }
    }
}

/// The broker's own words.
#[derive(Debug)]
struct BrokerSays(String);

impl fmt::Display for BrokerSays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end_matches('.'))
    }
}

impl StdError for BrokerSays {}

impl From<courant_client::Error> for Error {
    fn from(error: courant_client::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

// tidy: one match
fn kind_of(code: ErrorCode) -> Option<ErrorKind> {
    match code {
        ErrorCode::TOPIC_ALREADY_EXISTS => Some(ErrorKind::TopicExists),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => Some(ErrorKind::UnknownTopic),
        ErrorCode::INVALID_TOPIC_EXCEPTION => Some(ErrorKind::InvalidTopicName),
        ErrorCode::INVALID_PARTITIONS => Some(ErrorKind::InvalidPartitions),
        ErrorCode::INVALID_REPLICATION_FACTOR => Some(ErrorKind::InvalidReplication),
        ErrorCode::INVALID_REPLICA_ASSIGNMENT => Some(ErrorKind::InvalidReplication),
        ErrorCode::INVALID_CONFIG => Some(ErrorKind::InvalidConfig),
        ErrorCode::POLICY_VIOLATION => Some(ErrorKind::Policy),
        ErrorCode::THROTTLING_QUOTA_EXCEEDED => Some(ErrorKind::Throttled),
        ErrorCode::OFFSET_OUT_OF_RANGE => Some(ErrorKind::OffsetOutOfRange),
        ErrorCode::TOPIC_DELETION_DISABLED => Some(ErrorKind::DeletionDisabled),
        ErrorCode::GROUP_ID_NOT_FOUND => Some(ErrorKind::GroupNotFound),
        ErrorCode::INVALID_GROUP_ID => Some(ErrorKind::InvalidGroupId),
        ErrorCode::NON_EMPTY_GROUP => Some(ErrorKind::NonEmptyGroup),
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => Some(ErrorKind::GroupSubscribed),
        ErrorCode::UNKNOWN_MEMBER_ID => Some(ErrorKind::UnknownMember),
        _ => None,
    }
}

// tidy: one match
fn hint_for(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => {
            Some("list_topics() has the topics that there are")
        }
        ErrorCode::TOPIC_ALREADY_EXISTS => Some("use it as it is, or delete it first"),
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            Some("letters, digits, `.`, `_` and `-` make a name, at most 249 of them")
        }
        ErrorCode::INVALID_REPLICATION_FACTOR => {
            Some("-1 takes the cluster's own (default.replication.factor)")
        }
        ErrorCode::INVALID_PARTITIONS => Some(
            "a topic that exists can only grow; a new one takes the cluster's own number (num.partitions) for -1",
        ),
        ErrorCode::TOPIC_DELETION_DISABLED => Some("the brokers' delete.topic.enable is false"),
        ErrorCode::THROTTLING_QUOTA_EXCEEDED => {
            Some("give the call more time, or raise controller_mutation_rate")
        }
        ErrorCode::GROUP_ID_NOT_FOUND => Some("list_groups() has the groups that there are"),
        ErrorCode::NON_EMPTY_GROUP => Some("close its members, or remove them"),
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => Some("close the members that are subscribed to it"),
        _ => None,
    }
}
