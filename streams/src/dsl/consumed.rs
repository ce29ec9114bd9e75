//! How a topic is read.
use crate::timestamp::TimestampExtractor;
use crate::topology::OffsetReset;

/// The topics of a stream or a table, and how they are read. A topic's name alone will do.
///
/// ```
/// use courant_streams::codec::Utf8;
/// use courant_streams::{Consumed, OffsetReset, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let new_lines = Consumed::from(["lines", "more-lines"]).named("all-lines").reset(OffsetReset::Latest);
/// builder.stream::<String, String>(new_lines, (Utf8, Utf8));
/// assert!(builder.build()?.describe().contains("Source: all-lines (topics: [lines, more-lines])"));
/// # Ok::<(), courant_streams::TopologyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Consumed {
    pub(crate) topics: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) reset: Option<OffsetReset>,
    pub(crate) timestamp: TimestampExtractor,
}

impl Consumed {
    /// Names the source; else it gets a number.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where reading begins without a committed offset; else as the application's `auto.offset.reset` says.
    #[must_use]
    pub fn reset(mut self, reset: OffsetReset) -> Self {
        self.reset = Some(reset);
        self
    }

    /// Where the event time comes from; else it is the record's own.
    #[must_use]
    pub fn timestamps(mut self, extractor: TimestampExtractor) -> Self {
        self.timestamp = extractor;
        self
    }
}

impl From<&str> for Consumed {
    fn from(topic: &str) -> Self {
        Self::from(topic.to_owned())
    }
}

impl From<String> for Consumed {
    fn from(topic: String) -> Self {
        Self { topics: vec![topic], name: None, reset: None, timestamp: TimestampExtractor::default() }
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Consumed {
    fn from(topics: [T; N]) -> Self {
        Self::from(topics.into_iter().map(Into::into).collect::<Vec<String>>())
    }
}

impl From<Vec<String>> for Consumed {
    fn from(topics: Vec<String>) -> Self {
        Self { topics, name: None, reset: None, timestamp: TimestampExtractor::default() }
    }
}
