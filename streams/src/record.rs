//! Records between operators, and their headers.
//!
//! Between two operators a record has the types of the stream. Key and value may be missing, as in Kafka: a record without
//! a value is a tombstone to a table. At a sub-topology's edges records are bytes.
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

/// A record on its way through the operators of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record<K, V> {
    /// The key; a record of a stream may have none.
    pub(crate) key: Option<K>,
    /// The value; none is a tombstone.
    pub(crate) value: Option<V>,
    /// Event time, in milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// What travels along.
    pub(crate) headers: Headers,
    /// The offset of the record at the source from which this one comes.
    pub(crate) offset: i64,
}

impl<K, V> Record<K, V> {
    /// The same record with another value.
    pub(crate) fn with_value<V2>(self, value: Option<V2>) -> Record<K, V2> {
        let Self { key, timestamp, headers, offset, .. } = self;
        Record { key, value, timestamp, headers, offset }
    }

    /// The same record with another key and value.
    pub(crate) fn with<K2, V2>(self, key: Option<K2>, value: Option<V2>) -> Record<K2, V2> {
        let Self { timestamp, headers, offset, .. } = self;
        Record { key, value, timestamp, headers, offset }
    }
}

/// An update of a table's key: what it is now and, where somebody asked for it, what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change<V> {
    /// The value now; none if the key was deleted.
    pub(crate) new: Option<V>,
    /// The value before, if somebody behind asked for it.
    pub(crate) old: Option<V>,
}

/// A record as a source topic has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawRecord {
    /// Its offset.
    pub(crate) offset: i64,
    /// Its time as the extractor gave it: event time, never negative.
    pub(crate) timestamp: i64,
    /// The key's bytes.
    pub(crate) key: Option<Bytes>,
    /// The value's bytes.
    pub(crate) value: Option<Bytes>,
    /// Its headers.
    pub(crate) headers: Headers,
}

/// The headers of a record: shared, so that a record that has none or passes them on allocates nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<[Header]>>);

/// A header's name and its value, which may be null.
pub type Header = (Cow<'static, str>, Option<Bytes>);

impl Headers {
    /// All headers, in their order.
    pub fn as_slice(&self) -> &[Header] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The last header of that name: whether there is one, and its value.
    pub fn last(&self, name: &str) -> Option<Option<&Bytes>> {
        let found = self.as_slice().iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_ref())
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        let headers: Vec<Header> = headers.into_iter().collect();
        Self((!headers.is_empty()).then(|| headers.into()))
    }
}
