//! What is wrong with a topology: everything at once.
use std::fmt;

/// A topology cannot be built. It lists all that is wrong, not only what was found first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError {
    problems: Vec<TopologyProblem>,
}

impl TopologyError {
    /// An error of these problems.
    pub(crate) fn new(problems: Vec<TopologyProblem>) -> Self {
        Self { problems }
    }

    /// All that is wrong, in the order in which the program called for it.
    pub fn problems(&self) -> &[TopologyProblem] {
        &self.problems
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the topology has {} problem(s)", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "; {problem}"))
    }
}

impl std::error::Error for TopologyError {}

/// One thing that is wrong with a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyProblem {
    /// Nothing is read.
    Empty,
    /// A name cannot be one.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two operators, or two stores, have the same name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A source without a topic.
    NoTopics {
        /// The source's name.
        source: String,
    },
    /// Two sources read the same topic, and not the same topics, or one of them as a table.
    OverlappingSources {
        /// The topic.
        topic: String,
        /// The sources' names.
        sources: [String; 2],
    },
    /// Repartition topics that are joined have different partition counts.
    Copartition {
        /// Each topic with the count that was asked for.
        topics: Vec<(String, i32)>,
    },
    /// A stream's key was changed, and the codecs for its repartition topic are not known.
    MissingCodecs {
        /// The repartition topic.
        topic: String,
    },
    /// A window that cannot be one.
    Window {
        /// The operator's name.
        node: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A window store forgets windows that may still change.
    Retention {
        /// The store.
        store: String,
        /// How long it keeps a window.
        retention_ms: i64,
        /// How long it must keep one: size and grace.
        needed_ms: i64,
    },
    /// A repartition topic with no partitions.
    Partitions {
        /// The topic.
        topic: String,
        /// The count.
        partitions: i32,
    },
    /// Streams of two builders were put together.
    ForeignStream {
        /// The operator's name.
        node: String,
    },
}

impl fmt::Display for TopologyProblem {
    // tidy: one match
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no topic is read"),
            Self::Name { name, reason } => write!(f, "`{name}` cannot be a name: {reason}"),
            Self::DuplicateName { name } => write!(f, "the name `{name}` is given twice"),
            Self::NoTopics { source } => write!(f, "{source} names no topic"),
            Self::OverlappingSources { topic, sources: [one, other] } => {
                write!(f, "{one} and {other} both read `{topic}`, and cannot be one source")
            }
            Self::Copartition { topics } => {
                write!(f, "topics that are joined have different partition counts: {topics:?}")
            }
            Self::MissingCodecs { topic } => {
                write!(
                    f,
                    "the key was changed, and the codecs of `{topic}` are not known: name them at the grouping"
                )
            }
            Self::Window { node, reason } => write!(f, "the window of {node} is none: {reason}"),
            Self::Retention { store, retention_ms, needed_ms } => write!(
                f,
                "the store `{store}` keeps windows for {retention_ms} ms, and size and grace are {needed_ms} ms"
            ),
            Self::Partitions { topic, partitions } => {
                write!(f, "`{topic}` cannot have {partitions} partitions")
            }
            Self::ForeignStream { node } => {
                write!(f, "{node} puts streams of two builders together")
            }
        }
    }
}
