//! What goes wrong in a connector or a worker; its kind decides what the worker does about it.
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use courant_protocol::types::{Offset, TopicPartition};

/// What the worker does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The outside world is not ready: the same call is made again after a pause, `errors.retry.timeout` long.
    Retriable,
    /// One record is bad and will stay so: `errors.tolerance` and the dead-letter topic decide.
    Data,
    /// A property is missing, unknown or wrong; nothing was started.
    Config,
    /// Kafka refused or did not answer.
    Kafka,
    /// The task cannot go on; it fails, and keeps the offsets it has.
    Fatal,
    /// The connector panicked.
    Panic,
    /// The worker was stopped.
    Stopped,
    /// Something was not done in time.
    Timeout,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retriable => "retriable",
            Self::Data => "bad record",
            Self::Config => "configuration",
            Self::Kafka => "kafka",
            Self::Fatal => "fatal",
            Self::Panic => "panic",
            Self::Stopped => "stopped",
            Self::Timeout => "timeout",
        })
    }
}

/// An error of a connector or a worker: what happened, to which record, at which stage, and what to do about it.
///
/// Authors make them by kind; `?` turns I/O errors into them.
///
/// ```
/// use courant_connect::{Error, ErrorKind};
/// use std::time::Duration;
///
/// let busy = Error::retriable("the service answered 429").after(Duration::from_secs(5));
/// assert_eq!((busy.kind(), busy.retry_after()), (ErrorKind::Retriable, Some(Duration::from_secs(5))));
/// let bad = Error::data("column 3 is not a number").hinting("errors.tolerance=all passes over such rows");
/// assert_eq!(bad.to_string(), "column 3 is not a number; errors.tolerance=all passes over such rows");
/// let gone = Error::from(std::io::Error::from(std::io::ErrorKind::NotFound));
/// assert_eq!(gone.kind(), ErrorKind::Fatal);
/// ```
#[derive(Clone)]
pub struct Error(Arc<Repr>);

/// What the calls of connectors and workers give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    what: String,
    connector: Option<String>,
    task: Option<usize>,
    stage: Option<Stage>,
    at: Option<(TopicPartition, Option<Offset>)>,
    retry_after: Option<Duration>,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Where on its way a record failed, in Connect's words (`org.apache.kafka.connect.runtime.errors.Stage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// The source was asked for records.
    TaskPoll,
    /// The sink was given records.
    TaskPut,
    /// A transform was applied.
    Transformation,
    /// The key was converted.
    KeyConverter,
    /// The value was converted.
    ValueConverter,
    /// A header was converted.
    HeaderConverter,
    /// The record was written to Kafka.
    KafkaProduce,
    /// The record was read from Kafka.
    KafkaConsume,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TaskPoll => "TASK_POLL",
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
            Self::KafkaConsume => "KAFKA_CONSUME",
        })
    }
}

/// Making errors.
impl Error {
    /// The outside world is not ready; the same call is to be made again.
    pub fn retriable(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, what)
    }

    /// This record is bad, and will be however often it is tried.
    pub fn data(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, what)
    }

    /// A property is missing, unknown or wrong.
    pub fn config(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, what)
    }

    /// The task cannot go on.
    pub fn fatal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, what)
    }

    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Arc::new(Repr {
            kind,
            what: what.into(),
            connector: None,
            task: None,
            stage: None,
            at: None,
            retry_after: None,
            hint: None,
            source: None,
        }))
    }

    /// Says how long to wait before trying again, instead of the worker's own backoff.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.edit().retry_after = Some(pause);
        self
    }

    /// Names the record of a topic that is meant.
    #[must_use]
    pub fn at(mut self, partition: impl Into<TopicPartition>, offset: impl Into<Offset>) -> Self {
        self.edit().at = Some((partition.into(), Some(offset.into())));
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.edit().hint = Some(hint.into());
        self
    }

    /// Keeps the error that led to this one.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit().source = Some(Arc::new(source));
        self
    }

    #[must_use]
    pub(crate) fn stage(mut self, stage: Stage) -> Self {
        self.edit().stage.get_or_insert(stage);
        self
    }

    #[must_use]
    pub(crate) fn of_task(mut self, connector: &str, task: usize) -> Self {
        let repr = self.edit();
        repr.connector.get_or_insert_with(|| connector.to_owned());
        repr.task.get_or_insert(task);
        self
    }

    fn edit(&mut self) -> &mut Repr {
        Arc::make_mut(&mut self.0)
    }
}

/// Asking errors.
impl Error {
    /// What the worker does about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        self.0.kind == ErrorKind::Retriable
    }

    /// The pause that [`Error::after`] asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The connector it happened in.
    pub fn connector(&self) -> Option<&str> {
        self.0.connector.as_deref()
    }

    /// The task it happened in, from 0.
    pub fn task(&self) -> Option<usize> {
        self.0.task
    }

    /// Where on its way the record failed.
    pub fn failed_stage(&self) -> Option<Stage> {
        self.0.stage
    }

    /// The partition it happened in.
    pub fn topic_partition(&self) -> Option<&TopicPartition> {
        self.0.at.as_ref().map(|(partition, _)| partition)
    }

    /// The offset it happened at.
    pub fn offset(&self) -> Option<Offset> {
        self.0.at.as_ref().and_then(|(_, offset)| *offset)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What happened, without the place and the advice.
    pub fn message(&self) -> &str {
        &self.0.what
    }

    /// What happened and what led to it, without the place and the advice.
    pub(crate) fn message_with_cause(&self) -> String {
        match &self.0.source {
            None => self.0.what.clone(),
            Some(source) if self.0.what.is_empty() => source.to_string(),
            Some(source) => format!("{}: {source}", self.0.what),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repr = &self.0;
        match (&repr.connector, repr.task) {
            (Some(connector), Some(task)) => write!(f, "{connector}-{task}: ")?,
            (Some(connector), None) => write!(f, "{connector}: ")?,
            (None, _) => {}
        }
        f.write_str(&repr.what)?;
        match repr.at.as_ref().filter(|_| !repr.what.is_empty()) {
            Some((partition, Some(offset))) => write!(f, " ({partition}@{offset})")?,
            Some((partition, None)) => write!(f, " ({partition})")?,
            None => {}
        }
        if let Some(stage) = repr.stage {
            write!(f, " at {stage}")?;
        }
        if let Some(source) = &repr.source {
            write!(f, "{}{source}", if repr.what.is_empty() { "" } else { ": " })?;
        }
        if let Some(hint) = &repr.hint {
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

impl From<std::io::Error> for Error {
    /// What asking again cannot change is fatal; everything else (a full disk, a broken pipe) may pass.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let lasting = matches!(
            error.kind(),
            Io::NotFound
                | Io::PermissionDenied
                | Io::InvalidInput
                | Io::InvalidData
                | Io::Unsupported
                | Io::IsADirectory
                | Io::NotADirectory
                | Io::ReadOnlyFilesystem
        );
        Self::new(if lasting { ErrorKind::Fatal } else { ErrorKind::Retriable }, "").because(error)
    }
}

impl From<courant_client::Error> for Error {
    fn from(error: courant_client::Error) -> Self {
        Self::new(ErrorKind::Kafka, "").because(error)
    }
}

impl From<courant_consumer::Error> for Error {
    fn from(error: courant_consumer::Error) -> Self {
        let at = error.topic_partition().map(|partition| (partition.clone(), error.offset()));
        let mut this = Self::new(ErrorKind::Kafka, "");
        this.edit().at = at;
        this.because(error)
    }
}

impl From<courant_admin::Error> for Error {
    fn from(error: courant_admin::Error) -> Self {
        Self::new(ErrorKind::Kafka, "").because(error)
    }
}
