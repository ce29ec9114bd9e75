//! What a codec may know of the record around a key or a value.
use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use courant_protocol::record::Headers;

/// What a codec may know of the record around a key or a value: its topic, which of both it is, and the headers.
#[derive(Clone, Copy, Debug)]
pub struct CodecContext<'a> {
    topic: &'a str,
    is_key: bool,
    headers: CodecHeaders<'a>,
}

impl<'a> CodecContext<'a> {
    /// The key of a record of `topic`. For a store, the topic is its changelog.
    pub const fn key(topic: &'a str) -> Self {
        Self { topic, is_key: true, headers: CodecHeaders(Source::Written(&[])) }
    }

    /// The value of a record of `topic`.
    pub const fn value(topic: &'a str) -> Self {
        Self { topic, is_key: false, headers: CodecHeaders(Source::Written(&[])) }
    }

    /// The same with the record's headers.
    pub fn with_headers(mut self, headers: impl Into<CodecHeaders<'a>>) -> Self {
        self.headers = headers.into();
        self
    }

    /// The topic's name.
    pub const fn topic(&self) -> &'a str {
        self.topic
    }

    /// Whether it is the key, and not the value.
    pub const fn is_key(&self) -> bool {
        self.is_key
    }

    /// The record's headers, in their order.
    pub const fn headers(&self) -> CodecHeaders<'a> {
        self.headers
    }

    /// The last header of that name: whether there is one, and its value.
    pub fn last_header(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.headers.filter(|(key, _)| *key == name.as_bytes()).last().map(|(_, value)| value)
    }
}

impl fmt::Display for CodecContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.is_key { "key" } else { "value" };
        write!(f, "{part} of {}", self.topic)
    }
}

/// The headers of a record that is written or read, gone through as names and values; a value may be null.
#[derive(Clone, Copy, Debug)]
pub struct CodecHeaders<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Written(&'a [(Cow<'static, str>, Option<Bytes>)]),
    Read(Headers<'a>),
}

impl<'a> Iterator for CodecHeaders<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Written(headers) => {
                let ((name, value), rest) = headers.split_first()?;
                *headers = rest;
                Some((name.as_bytes(), value.as_deref()))
            }
            Source::Read(headers) => headers.next().map(|header| (header.key, header.value)),
        }
    }
}

impl<'a> From<Headers<'a>> for CodecHeaders<'a> {
    fn from(headers: Headers<'a>) -> Self {
        Self(Source::Read(headers))
    }
}

impl<'a> From<&'a [(Cow<'static, str>, Option<Bytes>)]> for CodecHeaders<'a> {
    fn from(headers: &'a [(Cow<'static, str>, Option<Bytes>)]) -> Self {
        Self(Source::Written(headers))
    }
}
