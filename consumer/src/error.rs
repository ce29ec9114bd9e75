//! What goes wrong while consuming, with the partition and the offset it happened at.
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{Offset, TopicPartition};

/// The class of an [`Error`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something below the consumer failed: connections, authentication, authorization, time, configuration.
    Client(courant_client::ErrorKind),
    /// A batch is not what was written: a wrong checksum, a broken structure, or a codec that cannot read it.
    CorruptRecord,
    /// A batch is larger than the consumer may decompress or fetch.
    RecordTooLarge,
    /// The log was cut behind what was already read, and what replaced it differs (an unclean leader election, say).
    LogTruncated,
    /// The position lies outside the log, and no reset policy says where to go on.
    OffsetOutOfRange,
    /// The group has no committed offset for the partition, and no reset policy says where to start.
    NoOffset,
    /// The topic was deleted and created again: its offsets start anew, so positions and commits of the old one mean nothing.
    TopicRecreated,
    /// The topic, or the partition, does not exist, or not yet.
    UnknownTopic,
    /// The commit was refused for good: the group went on without this member, or has members that manage its offsets.
    CommitFailed,
    /// The group is rebalancing; the commit can be made again once that is over.
    RebalanceInProgress,
    /// Another member of the same `group.instance.id` has taken the place of this one.
    Fenced,
    /// The group does not take this member: its protocols, its session timeout, or its size do not fit.
    Membership,
    /// The assignor of the group's leader failed.
    Assignor,
    /// A rebalance listener failed; what it said is the source.
    Listener,
    /// The call does not fit what the consumer was told before: topics and partitions cannot be mixed, say.
    InvalidUse,
    /// The call needs a group id, and the consumer has none.
    NoGroup,
    /// The partition is not assigned to this consumer.
    NotAssigned,
    /// The consumer was closed.
    Closed,
}

impl fmt::Display for ErrorKind {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(kind) => kind.fmt(f),
            Self::CorruptRecord => f.write_str("corrupt record"),
            Self::RecordTooLarge => f.write_str("record too large"),
            Self::LogTruncated => f.write_str("log truncated"),
            Self::OffsetOutOfRange => f.write_str("offset out of range"),
            Self::NoOffset => f.write_str("no offset"),
            Self::TopicRecreated => f.write_str("topic recreated"),
            Self::UnknownTopic => f.write_str("unknown topic"),
            Self::CommitFailed => f.write_str("commit failed"),
            Self::RebalanceInProgress => f.write_str("rebalance in progress"),
            Self::Fenced => f.write_str("fenced"),
            Self::Membership => f.write_str("membership"),
            Self::Assignor => f.write_str("assignor"),
            Self::Listener => f.write_str("listener"),
            Self::InvalidUse => f.write_str("invalid use"),
            Self::NoGroup => f.write_str("no group"),
            Self::NotAssigned => f.write_str("not assigned"),
            Self::Closed => f.write_str("closed"),
        }
    }
}

/// An error of a consumer: what happened, to which partition, at which offset, and which setting changes it.
///
/// An error that [`Consumer::poll`](crate::Consumer::poll) reports for one partition does not stop the others; what
/// the partition needs to go on (usually a seek) stands in [`Error::hint`].
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    what: String,
    code: Option<ErrorCode>,
    partition: Option<TopicPartition>,
    offset: Option<Offset>,
    resume_at: Option<Offset>,
    raw: Option<Bytes>,
    hint: Option<&'static str>,
    retriable: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What class of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The error code that a broker answered, if one did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.client() {
            Some(client) => client.code(),
            None => self.0.code,
        }
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_retriable(&self) -> bool {
        match self.client() {
            Some(client) => client.is_retriable(),
            None => self.0.retriable || self.0.code.is_some_and(ErrorCode::is_retriable),
        }
    }

    /// Whether the consumer is of no further use.
    pub fn is_fatal(&self) -> bool {
        match self.client() {
            Some(client) => client.is_fatal(),
            None => self.0.kind == ErrorKind::Closed,
        }
    }

    /// The partition that it concerns.
    pub fn topic_partition(&self) -> Option<&TopicPartition> {
        self.0.partition.as_ref()
    }

    /// The offset at which it happened.
    pub fn offset(&self) -> Option<Offset> {
        self.0.offset
    }

    /// Where to seek to leave the trouble behind: the first offset after a corrupt batch, or the last one that two
    /// diverging logs agree on. `None` where nothing tells, as with a batch whose header cannot be read and behind which
    /// nothing was fetched: a seek to the next offset then tries further on.
    pub fn resume_at(&self) -> Option<Offset> {
        self.0.resume_at
    }

    /// The bytes of the batch that cannot be read, as the broker sent them, header included: to be put aside before a seek
    /// to [`Self::resume_at`] leaves it behind. They share the memory of what was fetched with it.
    pub fn raw_batch(&self) -> Option<&Bytes> {
        self.0.raw.as_ref()
    }

    /// What to do or which setting to change, as a sentence without a full stop.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.or_else(|| self.client().and_then(courant_client::Error::hint))
    }

    fn client(&self) -> Option<&courant_client::Error> {
        self.0.source.as_deref().and_then(|source| (source as &(dyn StdError + 'static)).downcast_ref())
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Arc::new(Repr {
            kind,
            what: what.into(),
            code: None,
            partition: None,
            offset: None,
            resume_at: None,
            raw: None,
            hint: None,
            retriable: false,
            source: None,
        }))
    }

    /// An error for a [`MockConsumer`](crate::MockConsumer) to return.
    #[cfg(feature = "mock")]
    pub fn scripted(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self::new(kind, what)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the consumer is closed")
    }

    pub(crate) fn not_assigned(partition: &TopicPartition) -> Self {
        Self::new(ErrorKind::NotAssigned, "the partition is not assigned to this consumer")
            .at(partition)
            .hinting("assign it first")
    }

    pub(crate) fn no_group() -> Self {
        Self::new(ErrorKind::NoGroup, "a consumer without a group has no committed offsets")
            .hinting("give the builder a group, or set group.id")
    }

    pub(crate) fn negative_offset(partition: &TopicPartition, offset: Offset) -> Self {
        Self::new(ErrorKind::InvalidUse, "an offset is never negative")
            .at(partition)
            .at_offset(offset)
            .hinting(
                "seek_to_beginning and seek_to_end go to where a log begins and ends, whatever its offsets",
            )
    }

    pub(crate) fn mixed_assignment() -> Self {
        Self::new(ErrorKind::InvalidUse, "topics are subscribed to or partitions assigned by hand, not both")
    }

    /// A commit of somebody whom the group does not count any more.
    pub(crate) fn not_a_member() -> Self {
        Self::new(
            ErrorKind::CommitFailed,
            "the group went on without this member, and its partitions may be another's",
        )
        .hinting("max.poll.interval.ms and session.timeout.ms say how long a group waits for a member")
    }

    /// A rebalance listener failed.
    pub(crate) fn listener(source: Box<dyn StdError + Send + Sync>) -> Self {
        let mut error = Self::new(ErrorKind::Listener, "the rebalance listener failed");
        error.edit().source = Some(Arc::from(source));
        error
    }

    /// The group refused this member.
    pub(crate) fn refused(error: courant_client::Error) -> Self {
        let kind = match error.code() {
            Some(ErrorCode::FENCED_INSTANCE_ID) => Some(ErrorKind::Fenced),
            Some(
                ErrorCode::INCONSISTENT_GROUP_PROTOCOL
                | ErrorCode::INVALID_SESSION_TIMEOUT
                | ErrorCode::INVALID_GROUP_ID
                | ErrorCode::GROUP_MAX_SIZE_REACHED,
            ) => Some(ErrorKind::Membership),
            _ => None,
        };
        let error = Self::from(error);
        match kind {
            Some(kind) => error.with_kind(kind),
            None => error,
        }
    }

    /// What a broker answered: `what` says what was asked.
    pub(crate) fn from_code(code: ErrorCode, what: impl Into<String>) -> Self {
        let client = courant_client::Error::from_code(code, what);
        let kind = match code {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => ErrorKind::UnknownTopic,
            ErrorCode::OFFSET_OUT_OF_RANGE => ErrorKind::OffsetOutOfRange,
            ErrorCode::REBALANCE_IN_PROGRESS => ErrorKind::RebalanceInProgress,
            ErrorCode::FENCED_INSTANCE_ID => ErrorKind::Fenced,
            ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::STALE_MEMBER_EPOCH
            | ErrorCode::OFFSET_METADATA_TOO_LARGE
            | ErrorCode::INVALID_COMMIT_OFFSET_SIZE => ErrorKind::CommitFailed,
            _ => ErrorKind::Client(client.kind()),
        };
        Self::from(client).with_kind(kind)
    }

    #[must_use]
    pub(crate) fn at(mut self, partition: &TopicPartition) -> Self {
        self.edit().partition = Some(partition.clone());
        self
    }

    #[must_use]
    pub(crate) fn at_offset(mut self, offset: Offset) -> Self {
        self.edit().offset = Some(offset);
        self
    }

    #[must_use]
    pub(crate) fn resuming_at(mut self, offset: Offset) -> Self {
        self.edit().resume_at = Some(offset);
        self
    }

    #[must_use]
    pub(crate) fn with_raw(mut self, batch: Bytes) -> Self {
        self.edit().raw = Some(batch);
        self
    }

    #[must_use]
    pub(crate) fn hinting(mut self, hint: &'static str) -> Self {
        self.edit().hint = Some(hint);
        self
    }

    #[must_use]
    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit().source = Some(Arc::new(source));
        self
    }

    #[must_use]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.edit().kind = kind;
        self
    }

    fn edit(&mut self) -> &mut Repr {
        Arc::make_mut(&mut self.0)
    }
}

impl From<courant_client::Error> for Error {
    fn from(error: courant_client::Error) -> Self {
        let kind = match error.kind() {
            courant_client::ErrorKind::Closed => ErrorKind::Closed,
            courant_client::ErrorKind::UnknownTopic => ErrorKind::UnknownTopic,
            courant_client::ErrorKind::TopicRecreated => ErrorKind::TopicRecreated,
            kind => ErrorKind::Client(kind),
        };
        Self::new(kind, "").because(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        match (&self.0.partition, self.0.offset) {
            (Some(partition), Some(offset)) if self.0.what.is_empty() => write!(f, "{partition}@{offset}")?,
            (Some(partition), Some(offset)) => write!(f, " ({partition}@{offset})")?,
            (Some(partition), None) if self.0.what.is_empty() => write!(f, "{partition}")?,
            (Some(partition), None) => write!(f, " ({partition})")?,
            (None, _) => {}
        }
        if let Some(source) = &self.0.source {
            let nothing_before = self.0.what.is_empty() && self.0.partition.is_none();
            write!(f, "{}{source}", if nothing_before { "" } else { ": " })?;
        }
        if let Some(hint) = self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
