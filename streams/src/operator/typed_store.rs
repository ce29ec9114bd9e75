//! Stores as operators see them: typed, over the task's bytes.
use bytes::{Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext, CodecError};

use super::{ProcessError, ProcessErrorKind, Run, ValueAndTimestamp};
use crate::codecs::Codecs;
use crate::topology::{StoreIndex, Wiring};

/// A key-value store of one task.
pub(crate) struct KeyValueStore<K, V>(TypedStore<K, V>);

/// A window store of one task.
pub(crate) struct WindowStore<K, V>(TypedStore<K, V>);

/// Codecs around a store; they are told the changelog's name as their topic.
struct TypedStore<K, V> {
    node: String,
    index: StoreIndex,
    topic: String,
    codecs: Codecs<K, V>,
    scratch: BytesMut,
}

impl<K: 'static, V: 'static> KeyValueStore<K, V> {
    /// The store of that name.
    pub(crate) fn new(wiring: &Wiring<'_>, name: &str, codecs: Codecs<K, V>) -> Result<Self, ProcessError> {
        TypedStore::new(wiring, name, codecs).map(Self)
    }

    /// The bytes of a key; `None` for one whose codec writes null, which no store can hold.
    pub(crate) fn key(&mut self, key: &K, run: &Run<'_>, offset: i64) -> Result<Option<Bytes>, ProcessError> {
        self.0.key(key, run, offset)
    }

    /// The value of a key, and its time.
    pub(crate) fn value(
        &mut self,
        key: &[u8],
        run: &mut Run<'_>,
        offset: i64,
    ) -> Result<Option<(V, i64)>, ProcessError> {
        let found = run.context.get(self.0.index, key);
        self.0.decoded(found, run, offset)
    }

    /// Sets the value of a key; a missing one, or one whose codec writes null, deletes it. Whether there is a value now.
    pub(crate) fn put(
        &mut self,
        key: &Bytes,
        value: Option<&V>,
        timestamp: i64,
        run: &mut Run<'_>,
        offset: i64,
    ) -> Result<bool, ProcessError> {
        let value = self.0.encoded(value, run, offset)?;
        let is_there = value.is_some();
        let done = run.context.put(self.0.index, key, value, timestamp);
        done.map(|()| is_there).map_err(|error| error.at(&self.0.node, run.origin, offset))
    }
}

impl<K: 'static, V: 'static> WindowStore<K, V> {
    /// The store of that name.
    pub(crate) fn new(wiring: &Wiring<'_>, name: &str, codecs: Codecs<K, V>) -> Result<Self, ProcessError> {
        TypedStore::new(wiring, name, codecs).map(Self)
    }

    /// The bytes of a key; `None` for one whose codec writes null, which no store can hold.
    pub(crate) fn key(&mut self, key: &K, run: &Run<'_>, offset: i64) -> Result<Option<Bytes>, ProcessError> {
        self.0.key(key, run, offset)
    }

    /// The value of a key in the window that begins at `start`, and its time.
    pub(crate) fn value(
        &mut self,
        key: &[u8],
        start: i64,
        run: &mut Run<'_>,
        offset: i64,
    ) -> Result<Option<(V, i64)>, ProcessError> {
        let found = run.context.fetch(self.0.index, key, start);
        self.0.decoded(found, run, offset)
    }

    /// Sets the value of a key in a window; one whose codec writes null deletes it. Whether there is a value now.
    pub(crate) fn put(
        &mut self,
        key: &[u8],
        start: i64,
        value: &V,
        timestamp: i64,
        run: &mut Run<'_>,
        offset: i64,
    ) -> Result<bool, ProcessError> {
        let value = self.0.encoded(Some(value), run, offset)?;
        let is_there = value.is_some();
        let done = run.context.put_window(self.0.index, key, start, value, timestamp);
        done.map(|()| is_there).map_err(|error| error.at(&self.0.node, run.origin, offset))
    }
}

impl<K: 'static, V: 'static> TypedStore<K, V> {
    fn new(wiring: &Wiring<'_>, name: &str, codecs: Codecs<K, V>) -> Result<Self, ProcessError> {
        let (node, topic) = (wiring.node().to_owned(), wiring.changelog(name));
        Ok(Self { node, index: wiring.store(name)?, topic, codecs, scratch: BytesMut::new() })
    }

    fn key(&mut self, key: &K, run: &Run<'_>, offset: i64) -> Result<Option<Bytes>, ProcessError> {
        let context = CodecContext::key(&self.topic);
        let key = self.codecs.key.to_bytes(key, &context, &mut self.scratch);
        key.map_err(|error| self.failed(ProcessErrorKind::Serialization, "key", error, run, offset))
    }

    fn encoded(
        &mut self,
        value: Option<&V>,
        run: &Run<'_>,
        offset: i64,
    ) -> Result<Option<Bytes>, ProcessError> {
        let Some(value) = value else { return Ok(None) };
        let context = CodecContext::value(&self.topic);
        let value = self.codecs.value.to_bytes(value, &context, &mut self.scratch);
        value.map_err(|error| self.failed(ProcessErrorKind::Serialization, "value", error, run, offset))
    }

    fn decoded(
        &self,
        found: Result<Option<ValueAndTimestamp>, ProcessError>,
        run: &Run<'_>,
        offset: i64,
    ) -> Result<Option<(V, i64)>, ProcessError> {
        let found = found.map_err(|error| error.at(&self.node, run.origin, offset))?;
        let Some(ValueAndTimestamp { value, timestamp }) = found else { return Ok(None) };
        let value = self.codecs.value.decode(value, &CodecContext::value(&self.topic));
        match value {
            Ok(value) => Ok(Some((value, timestamp))),
            Err(error) => Err(self.failed(ProcessErrorKind::Store, "value", error, run, offset)),
        }
    }

    fn failed(
        &self,
        kind: ProcessErrorKind,
        part: &str,
        error: CodecError,
        run: &Run<'_>,
        offset: i64,
    ) -> ProcessError {
        let what = format!("the {part} for {}", self.topic);
        ProcessError::new(kind, &self.node, run.origin, offset).of_codec(what, error)
    }
}
