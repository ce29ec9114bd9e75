//! What goes wrong, to what, and which setting changes it: one error type for everything that shares a `Kafka`.
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{PartitionId, TopicName};

/// The class of an [`Error`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No broker could be reached.
    NoBroker,
    /// The time given for an operation ran out.
    Timeout,
    /// A connection broke: refused, reset, or closed by the broker.
    Transport,
    /// Whatever listens at the address does not speak Kafka's protocol in the clear (an HTTP or a TLS port, say).
    NotKafka,
    /// The broker refused the credentials.
    Authentication,
    /// The credentials are good, but do not allow this.
    Authorization,
    /// The broker is too old or too new for what was asked.
    UnsupportedVersion,
    /// A broker answered with an error code that has no kind of its own.
    Broker(ErrorCode),
    /// A broker refused the record only because it refused another one of the same batch (KIP-467); it may be sent again.
    NeighbourRefused,
    /// The topic does not exist, or not yet.
    UnknownTopic,
    /// The topic was deleted and created again; offsets of the old one mean nothing in the new one (KIP-516).
    TopicRecreated,
    /// A setting is misspelt, out of range, or contradicts another.
    Config,
    /// What the program handed in cannot be sent (a record above the limit, a partition that does not exist).
    InvalidInput,
    /// A key or a value that its codec cannot write or read.
    Codec,
    /// The client was closed.
    Closed,
    /// The program dropped the future that stood for the operation.
    Cancelled,
    /// A broker sent what Kafka's protocol does not allow.
    Protocol,
    /// An invariant of this library does not hold; please report it.
    Internal,
}

impl fmt::Display for ErrorKind {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBroker => f.write_str("no broker"),
            Self::Timeout => f.write_str("timeout"),
            Self::Transport => f.write_str("transport"),
            Self::NotKafka => f.write_str("not Kafka"),
            Self::Authentication => f.write_str("authentication"),
            Self::Authorization => f.write_str("authorization"),
            Self::UnsupportedVersion => f.write_str("unsupported version"),
            Self::Broker(code) => write!(f, "{code}"),
            Self::NeighbourRefused => f.write_str("neighbour refused"),
            Self::UnknownTopic => f.write_str("unknown topic"),
            Self::TopicRecreated => f.write_str("topic recreated"),
            Self::Config => f.write_str("configuration"),
            Self::InvalidInput => f.write_str("invalid input"),
            Self::Codec => f.write_str("codec"),
            Self::Closed => f.write_str("closed"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Protocol => f.write_str("protocol"),
            Self::Internal => f.write_str("internal"),
        }
    }
}

/// An error of the client: what happened, to what, and which setting changes it.
///
/// Its text is one line; [`Error::kind`] is for programs. Cloning is cheap, since one broken connection fails many
/// requests.
///
/// ```
/// use courant_client::{ErrorKind, Kafka};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let error = Kafka::builder().bootstrap("localhost:9092").set("retry.backof.ms", 50).connect().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(!error.is_retriable());
/// assert_eq!(error.hint(), Some("did you mean `retry.backoff.ms`?"));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    what: String,
    code: Option<ErrorCode>,
    topic: Option<TopicName>,
    partition: Option<PartitionId>,
    broker: Option<String>,
    group: Option<String>,
    attempts: Option<u32>,
    elapsed: Option<Duration>,
    hint: Option<String>,
    possibly_written: bool,
    /// The reporter is of no further use, whatever the kind says.
    fatal: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What class of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The error code that a broker answered, if one did.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_retriable(&self) -> bool {
        match self.0.kind {
            ErrorKind::NoBroker | ErrorKind::Timeout | ErrorKind::Transport | ErrorKind::NeighbourRefused => {
                true
            }
            _ => self.0.code.is_some_and(ErrorCode::is_retriable),
        }
    }

    /// Whether the client (or producer, or consumer) that reported it is of no further use.
    pub fn is_fatal(&self) -> bool {
        match self.0.kind {
            _ if self.0.fatal => true,
            ErrorKind::Authentication | ErrorKind::Config | ErrorKind::Closed | ErrorKind::Internal => true,
            ErrorKind::Broker(code) => {
                matches!(code, ErrorCode::PRODUCER_FENCED | ErrorCode::FENCED_INSTANCE_ID)
            }
            _ => false,
        }
    }

    /// Whether the request may have taken effect although it failed: it left the client and no answer came back.
    pub fn possibly_written(&self) -> bool {
        self.0.possibly_written
    }

    /// What to look at or which setting to change, as a sentence without a full stop.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The topic that it concerns.
    pub fn topic(&self) -> Option<&TopicName> {
        self.0.topic.as_ref()
    }

    /// The partition that it concerns.
    pub fn partition(&self) -> Option<PartitionId> {
        self.0.partition
    }

    /// The group that it concerns.
    pub fn group(&self) -> Option<&str> {
        self.0.group.as_deref()
    }

    /// The address of the broker that it concerns.
    pub fn broker(&self) -> Option<&str> {
        self.0.broker.as_deref()
    }
}

/// How the crates that share a `Kafka` build errors; not for applications.
#[doc(hidden)]
impl Error {
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Arc::new(Repr {
            kind,
            what: what.into(),
            code: None,
            topic: None,
            partition: None,
            broker: None,
            group: None,
            attempts: None,
            elapsed: None,
            hint: None,
            possibly_written: false,
            fatal: false,
            source: None,
        }))
    }

    /// What a broker answered: `what` says what was asked, the code's own kind and name are added.
    pub fn from_code(code: ErrorCode, what: impl Into<String>) -> Self {
        let mut error = Self::new(kind_of(code), what);
        error.edit().code = Some(code);
        match hint_for(code) {
            Some(hint) => error.hinting(hint),
            None => error,
        }
    }

    #[must_use]
    pub fn at_topic(mut self, topic: impl Into<TopicName>) -> Self {
        self.edit().topic = Some(topic.into());
        self
    }

    #[must_use]
    pub fn at_partition(mut self, topic: impl Into<TopicName>, partition: PartitionId) -> Self {
        let repr = self.edit();
        repr.topic = Some(topic.into());
        repr.partition = Some(partition);
        self
    }

    #[must_use]
    pub fn at_broker(mut self, broker: impl fmt::Display) -> Self {
        self.edit().broker = Some(broker.to_string());
        self
    }

    #[must_use]
    pub fn at_group(mut self, group: impl Into<String>) -> Self {
        self.edit().group = Some(group.into());
        self
    }

    #[must_use]
    pub fn after_attempts(mut self, attempts: u32) -> Self {
        self.edit().attempts = Some(attempts);
        self
    }

    #[must_use]
    pub fn after(mut self, elapsed: Duration) -> Self {
        self.edit().elapsed = Some(elapsed);
        self
    }

    #[must_use]
    pub fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.edit().hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn maybe_written(mut self, possibly: bool) -> Self {
        self.edit().possibly_written = possibly;
        self
    }

    #[must_use]
    pub fn maybe_fatal(mut self, fatal: bool) -> Self {
        self.edit().fatal = fatal;
        self
    }

    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit().source = Some(Arc::new(source));
        self
    }

    fn edit(&mut self) -> &mut Repr {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if let Some(code) = self.0.code {
            write!(f, ": the broker answered {code}")?;
        }
        let context = self.context();
        if !context.is_empty() {
            write!(f, " ({context})")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl Error {
    /// What happened and why, without where and what to do: for a list that says those once.
    pub(crate) fn brief(&self) -> String {
        match &self.0.source {
            Some(source) => format!("{}: {source}", self.0.what),
            None => self.0.what.clone(),
        }
    }

    /// Group, topic, broker, attempts and time, as far as they are known.
    fn context(&self) -> String {
        let mut parts = Vec::new();
        if let Some(group) = &self.0.group {
            parts.push(format!("group {group}"));
        }
        match (&self.0.topic, self.0.partition) {
            (Some(topic), Some(partition)) => parts.push(format!("partition {topic}-{partition}")),
            (Some(topic), None) => parts.push(format!("topic {topic}")),
            _ => {}
        }
        if let Some(broker) = &self.0.broker {
            parts.push(format!("broker {broker}"));
        }
        match self.0.attempts {
            Some(1) => parts.push("1 attempt".to_owned()),
            Some(attempts) => parts.push(format!("{attempts} attempts")),
            None => {}
        }
        if let Some(elapsed) = self.0.elapsed {
            parts.push(format!("after {}", Seconds(elapsed)));
        }
        parts.join(", ")
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

/// A duration as people read it: `250 ms`, `10 s`, `1.5 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis < 1000 {
            write!(f, "{millis} ms")
        } else {
            match millis % 1000 / 100 {
                0 => write!(f, "{} s", millis / 1000),
                tenths => write!(f, "{}.{tenths} s", millis / 1000),
            }
        }
    }
}

// tidy: one match
fn kind_of(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => ErrorKind::UnknownTopic,
        ErrorCode::INCONSISTENT_TOPIC_ID => ErrorKind::TopicRecreated,
        ErrorCode::UNSUPPORTED_VERSION => ErrorKind::UnsupportedVersion,
        ErrorCode::SASL_AUTHENTICATION_FAILED | ErrorCode::ILLEGAL_SASL_STATE => ErrorKind::Authentication,
        ErrorCode::UNSUPPORTED_SASL_MECHANISM => ErrorKind::Authentication,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::GROUP_AUTHORIZATION_FAILED => {
            ErrorKind::Authorization
        }
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => ErrorKind::Authorization,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => ErrorKind::Authorization,
        ErrorCode::DELEGATION_TOKEN_AUTHORIZATION_FAILED => ErrorKind::Authorization,
        code => ErrorKind::Broker(code),
    }
}

// tidy: one match
fn hint_for(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Some("create the topic, or check its name"),
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => Some("check the topic's ACLs for this user"),
        ErrorCode::GROUP_AUTHORIZATION_FAILED => Some("check the group's ACLs for this user"),
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => Some("check the cluster's ACLs for this user"),
        ErrorCode::SASL_AUTHENTICATION_FAILED => {
            Some("check the user name and the password (sasl.jaas.config)")
        }
        ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
            Some("check sasl.mechanism against the broker's sasl.enabled.mechanisms")
        }
        ErrorCode::ILLEGAL_SASL_STATE => Some("check that security.protocol matches the broker's listener"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let shown =
            [0, 250, 999, 1000, 1049, 1500, 61_200].map(|ms| Seconds(Duration::from_millis(ms)).to_string());
        assert_eq!(shown, ["0 ms", "250 ms", "999 ms", "1 s", "1 s", "1.5 s", "61.2 s"]);
    }

    #[test]
    fn the_text_says_what_happened_to_what_why_and_what_to_do() {
        let error = Error::new(ErrorKind::Timeout, "the batch was not acknowledged")
            .at_partition("orders", PartitionId(2))
            .at_broker("b:9092")
            .after_attempts(3)
            .after(Duration::from_secs(2))
            .because(std::io::Error::other("reset"))
            .hinting("delivery.timeout.ms sets the time");
        assert_eq!(
            error.to_string(),
            "the batch was not acknowledged (partition orders-2, broker b:9092, 3 attempts, after 2 s): reset; \
             delivery.timeout.ms sets the time"
        );
        assert_eq!((error.topic().map(|t| &**t), error.partition()), (Some("orders"), Some(PartitionId(2))));
        assert!(StdError::source(&error).is_some());
    }

    #[test]
    fn a_brokers_code_decides_kind_and_whether_to_try_again() {
        let kinds = [
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorKind::UnknownTopic, true),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, ErrorKind::Authorization, false),
            (ErrorCode::SASL_AUTHENTICATION_FAILED, ErrorKind::Authentication, false),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorKind::Broker(ErrorCode::NOT_LEADER_OR_FOLLOWER), true),
            (ErrorCode::UNSUPPORTED_VERSION, ErrorKind::UnsupportedVersion, false),
        ];
        for (code, kind, retriable) in kinds {
            let error = Error::from_code(code, "asked");
            assert_eq!((error.kind(), error.is_retriable(), error.code()), (kind, retriable, Some(code)));
        }
        assert!(Error::from_code(ErrorCode::PRODUCER_FENCED, "asked").is_fatal());
        let refused = Error::from_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "asked");
        assert!(!refused.is_fatal() && refused.maybe_fatal(true).is_fatal());
    }
}
