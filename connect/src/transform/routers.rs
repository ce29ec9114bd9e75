//! Topics by pattern and by time.
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Transform;
use super::time_format::TimeFormat;
use crate::data::DataError;
use crate::{Config, ConnectRecord, Error, Flow, Result};

/// A regular expression that has to match the whole of a text, as Java's `matches` wants it.
pub(crate) fn whole_match(property: &str, pattern: &str) -> Result<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        let text =
            format!("property `{property}` cannot be `{pattern}`: it takes a regular expression ({error})");
        Error::config(text).hinting("look-around and back-references of Java are not known")
    })
}

/// What [`RegexRouter`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct RegexRouterConfig {
    /// The pattern that the whole topic has to match.
    pub regex: String,
    /// The new topic; `$1` stands for the first group, `\$` for a dollar.
    pub replacement: String,
}

impl Config for RegexRouterConfig {}

/// Gives the topics that match a pattern another name. The whole topic has to match.
#[derive(Debug)]
pub struct RegexRouter {
    regex: Regex,
    replacement: Vec<Piece>,
}

/// A piece of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
}

impl RegexRouter {
    /// Routes by this pattern.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error for a pattern or a replacement that is none.
    pub fn new(config: &RegexRouterConfig) -> Result<Self> {
        let regex = whole_match("regex", &config.regex)?;
        let replacement = pieces(&config.replacement, regex.captures_len() - 1).ok_or_else(|| {
            let text = format!(
                "property `replacement` cannot be `{}`: after `$` stands the number or the {{name}} of a group of `regex`",
                config.replacement
            );
            Error::config(text).hinting("a dollar itself is `\\$`")
        })?;
        Ok(Self { regex, replacement })
    }
}

/// Reads a replacement as Java does: digits after a dollar belong to the group's number while there is such a group.
fn pieces(text: &str, groups: usize) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.push(rest.next()?),
            '$' => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                if rest.peek() == Some(&'{') {
                    rest.next();
                    let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    pieces.push(Piece::Named(name));
                    continue;
                }
                let mut group = rest.next()?.to_digit(10).map(|digit| digit as usize)?;
                while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10))
                    && group * 10 + digit as usize <= groups
                {
                    group = group * 10 + digit as usize;
                    rest.next();
                }
                pieces.push(Piece::Group(group).in_range(groups)?);
            }
            _ => plain.push(c),
        }
    }
    pieces.push(Piece::Text(plain));
    Some(pieces)
}

impl Piece {
    fn in_range(self, groups: usize) -> Option<Self> {
        match self {
            Self::Group(group) if group > groups => None,
            other => Some(other),
        }
    }
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let topic = match self.regex.captures(&record.topic) {
            None => return Ok(Flow::Keep(record)),
            Some(found) => {
                let piece = |piece: &Piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Group(at) => {
                        found.get(*at).map_or_else(String::new, |group| group.as_str().to_owned())
                    }
                    Piece::Named(name) => {
                        found.name(name).map_or_else(String::new, |group| group.as_str().to_owned())
                    }
                };
                self.replacement.iter().map(piece).collect::<String>()
            }
        };
        record.topic = topic.into();
        Ok(Flow::Keep(record))
    }
}

/// What [`TimestampRouter`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TimestampRouterConfig {
    /// The new topic; `${topic}` and `${timestamp}` stand for the old one and for the time.
    #[serde(rename = "topic.format", default = "topic_format")]
    pub topic_format: String,
    /// How the time is written, in the letters of Java's SimpleDateFormat: y M d H m s S.
    #[serde(rename = "timestamp.format", default = "timestamp_format")]
    pub timestamp_format: String,
}

fn topic_format() -> String {
    "${topic}-${timestamp}".to_owned()
}

fn timestamp_format() -> String {
    "yyyyMMdd".to_owned()
}

impl Config for TimestampRouterConfig {}

/// Puts a record's time, in UTC, into its topic.
#[derive(Debug)]
pub struct TimestampRouter {
    topic_format: String,
    timestamp_format: TimeFormat,
}

impl TimestampRouter {
    /// Routes by time.
    ///
    /// # Errors
    /// A [configuration](crate::ErrorKind::Config) error for a letter that the format of times does not know.
    pub fn new(config: TimestampRouterConfig) -> Result<Self> {
        let timestamp_format = TimeFormat::read(&config.timestamp_format)
            .map_err(|wrong| Error::config(format!("property `timestamp.format`: {wrong}")))?;
        Ok(Self { topic_format: config.topic_format, timestamp_format })
    }
}

impl Transform for TimestampRouter {
    fn apply(&mut self, mut record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        let Some(at) = record.timestamp else {
            return Err(DataError::new("the record has no timestamp to route it by").into());
        };
        let time = self.timestamp_format.write(at.0);
        let topic = self.topic_format.replace("${topic}", &record.topic).replace("${timestamp}", &time);
        record.topic = topic.into();
        Ok(Flow::Keep(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(regex: &str, replacement: &str, topic: &str) -> Result<String> {
        let config = RegexRouterConfig { regex: regex.to_owned(), replacement: replacement.to_owned() };
        match RegexRouter::new(&config)?.apply(ConnectRecord::to(topic))? {
            Flow::Keep(record) => Ok(record.topic.to_string()),
            _ => panic!("not kept"),
        }
    }

    #[test]
    fn a_topic_is_renamed_only_if_the_pattern_matches_all_of_it() {
        for (regex, replacement, topic, renamed) in [
            ("a", "b", "aaa", "aaa"),
            ("a*", "b", "aaa", "b"),
            ("(.*)-(\\d+)", "$2.$1", "orders-7", "7.orders"),
            ("(.)(.*)", "$1a$22", "xyz", "xayz2"),
            ("(?<name>.*)", "to.${name}\\$", "t", "to.t$"),
            ("a|b", "c", "ab", "ab"),
        ] {
            assert_eq!(routed(regex, replacement, topic).unwrap(), renamed, "{regex}");
        }
        for (regex, replacement, property) in
            [("(", "x", "`regex`"), ("a", "$1", "`replacement`"), ("a", "$x", "`replacement`")]
        {
            let error = routed(regex, replacement, "t").unwrap_err().to_string();
            assert!(error.contains(property), "{error}");
        }
    }
}
