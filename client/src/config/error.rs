//! What is wrong with a configuration, said so that it can be put right.
use std::fmt;

/// What is wrong with a property: its name, the value, what it takes, and where it was set.
#[derive(Debug)]
pub struct ConfigError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ConfigErrorKind,
    property: String,
    origin: Option<String>,
    text: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Classes of [`ConfigError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// No client has a property of this name.
    Unknown,
    /// The property belongs to another client.
    Elsewhere,
    /// The value is not of the property's type or range.
    Value,
    /// Kafka knows the property or the value, this client refuses it.
    Refused,
    /// A property that must be set is not.
    Missing,
    /// Two properties contradict each other.
    Conflict,
    /// A file cannot be read, or is no `.properties` file.
    File,
    /// This library asked for a property that none of its tables has.
    Internal,
}

impl ConfigError {
    /// An error about `property`; `text` is the whole message but its hint. Further crates use it for rules of their own.
    pub fn new(kind: ConfigErrorKind, property: impl Into<String>, text: impl Into<String>) -> Self {
        let (property, text) = (property.into(), text.into());
        Self { inner: Box::new(Inner { kind, property, origin: None, text, hint: None, source: None }) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_origin(mut self, origin: Option<String>) -> Self {
        self.inner.origin = origin;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Which class of error it is.
    pub fn kind(&self) -> ConfigErrorKind {
        self.inner.kind
    }

    /// The property that it is about; for a file that cannot be read, the file's name.
    pub fn property(&self) -> &str {
        &self.inner.property
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.inner.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.inner.text)?;
        match &self.inner.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
