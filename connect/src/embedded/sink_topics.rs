//! Which topics a sink reads: those that `topics` lists, or those that `topics.regex` matches.
use courant_consumer::ConsumerBuilder;
use regex::Regex;

use crate::error::{Error, Result};
use crate::transform::whole_match;

/// The topics of a sink.
#[derive(Clone, Debug)]
pub(crate) enum SinkTopics {
    /// `topics`.
    Listed(Vec<String>),
    /// `topics.regex`, which has to match the whole of a name; topics that come later are found too.
    Matching(Regex),
}

impl SinkTopics {
    /// Reads the two properties, of which a sink takes one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if both are there or none is, or if the pattern is none.
    pub(crate) fn read(topics: Option<&str>, regex: Option<&str>) -> Result<Self> {
        let topics = topics.unwrap_or_default().split(',').map(str::trim).filter(|topic| !topic.is_empty());
        let topics: Vec<String> = topics.map(str::to_owned).collect();
        match regex.filter(|regex| !regex.trim().is_empty()) {
            Some(_) if !topics.is_empty() => {
                Err(Error::config("properties `topics` and `topics.regex` are both there")
                    .hinting("leave one of them out"))
            }
            Some(regex) => Ok(Self::Matching(whole_match("topics.regex", regex.trim())?)),
            None if topics.is_empty() => {
                Err(Error::config("property `topics` is missing: a sink reads one or more topics")
                    .hinting("set topics=orders, topics=orders,refunds or topics.regex=orders-.*"))
            }
            None => Ok(Self::Listed(topics)),
        }
    }

    /// Whether a topic is among them.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        match self {
            Self::Listed(topics) => topics.iter().any(|listed| listed == topic),
            Self::Matching(regex) => regex.is_match(topic),
        }
    }

    /// Lets a consumer read them.
    pub(crate) fn subscribe(&self, consumer: ConsumerBuilder) -> ConsumerBuilder {
        match self {
            Self::Listed(topics) => consumer.subscribe(topics.iter()),
            Self::Matching(regex) => {
                let regex = regex.clone();
                consumer.subscribe_matching(move |topic| regex.is_match(topic))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_to_match_the_whole_name() {
        let topics = SinkTopics::read(None, Some(" orders-.*|refunds ")).unwrap();
        for (topic, is_read) in
            [("orders-eu", true), ("refunds", true), ("old-orders-eu", false), ("refunds-eu", false)]
        {
            assert_eq!(topics.contains(topic), is_read, "{topic}");
        }
    }

    #[test]
    fn one_of_the_two_properties_is_taken() {
        assert!(SinkTopics::read(Some(" a , b,"), Some("")).unwrap().contains("b"));
        for (topics, regex, wanted) in [
            (Some("a"), Some("b"), "leave one of them out"),
            (Some(" , "), None, "topics=orders"),
            (None, None, "`topics` is missing"),
            (None, Some("("), "`topics.regex` cannot be `(`"),
        ] {
            let error = SinkTopics::read(topics, regex).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
