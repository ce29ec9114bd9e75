//! Topics of a test: what goes in, what comes out.
use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext, CodecError};

/// A topic that a test writes to; made by [`TestDriver::input`](super::TestDriver::input).
#[derive(Clone, Debug)]
pub struct TestInput<K, V, KC, VC> {
    pub(super) topic: String,
    key: KC,
    value: VC,
    of: PhantomData<fn(K, V)>,
}

/// A topic that a test reads; made by [`TestDriver::output`](super::TestDriver::output).
#[derive(Clone, Debug)]
pub struct TestOutput<K, V, KC, VC> {
    pub(super) topic: String,
    key: KC,
    value: VC,
    of: PhantomData<fn() -> (K, V)>,
}

/// A record that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRecord<K, V> {
    /// Its key; `None` is null.
    pub key: Option<K>,
    /// Its value; `None` is null, a tombstone.
    pub value: Option<V>,
    /// Its event time, in milliseconds since 1970.
    pub timestamp: i64,
    /// The partition that it is in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// The bytes of a record on its way in.
pub(super) type KeyAndValue = (Option<Bytes>, Option<Bytes>);

impl<K, V, KC: Codec<K>, VC: Codec<V>> TestInput<K, V, KC, VC> {
    pub(super) fn new(topic: String, (key, value): (KC, VC)) -> Self {
        Self { topic, key, value, of: PhantomData }
    }

    pub(super) fn encode(&self, key: Option<&K>, value: Option<&V>) -> Result<KeyAndValue, CodecError> {
        let mut scratch = BytesMut::new();
        let (of_key, of_value) = (CodecContext::key(&self.topic), CodecContext::value(&self.topic));
        let key = key.map(|key| self.key.encode_bytes(key, &of_key, &mut scratch)).transpose()?.flatten();
        let value = value.map(|value| self.value.encode_bytes(value, &of_value, &mut scratch)).transpose()?;
        Ok((key, value.flatten()))
    }
}

impl<K, V, KC: Codec<K>, VC: Codec<V>> TestOutput<K, V, KC, VC> {
    pub(super) fn new(topic: String, (key, value): (KC, VC)) -> Self {
        Self { topic, key, value, of: PhantomData }
    }

    pub(super) fn decode(
        &self,
        (key, value): KeyAndValue,
        timestamp: i64,
        partition: i32,
        offset: i64,
    ) -> Result<TestRecord<K, V>, CodecError> {
        let (of_key, of_value) = (CodecContext::key(&self.topic), CodecContext::value(&self.topic));
        let key = key.map(|key| self.key.decode(key, &of_key)).transpose()?;
        let value = value.map(|value| self.value.decode(value, &of_value)).transpose()?;
        Ok(TestRecord { key, value, timestamp, partition, offset })
    }
}
