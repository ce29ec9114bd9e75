//! Text that is a slice of a frame.
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

use crate::types::TopicName;

/// UTF-8 text whose bytes are shared: reading a message copies no text, cloning copies nothing.
///
/// A text that came out of a frame keeps the whole frame in memory; what is kept for long is better copied
/// (`String::from(&*text)` or a [`TopicName`]).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(ByteString);

impl Str {
    /// The empty text.
    pub const fn new() -> Self {
        Self(ByteString::from_static(""))
    }

    /// A text of the program itself; allocates nothing.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text's bytes; shares them.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

/// Fails when the bytes are not UTF-8.
impl TryFrom<Bytes> for Str {
    type Error = std::str::Utf8Error;
    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        ByteString::try_from(bytes).map(Self)
    }
}

impl Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&TopicName> for Str {
    fn from(name: &TopicName) -> Self {
        Self::from(&**name)
    }
}

impl From<Str> for String {
    fn from(text: Str) -> Self {
        Self::from(&*text)
    }
}

impl From<&Str> for String {
    fn from(text: &Str) -> Self {
        Self::from(&**text)
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        &**self == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        &**self == *other
    }
}

impl PartialEq<String> for Str {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
