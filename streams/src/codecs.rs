//! Codecs behind one type: boxed once where a topic or a store is named, so that operators have no type parameters for them.
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext, CodecError, Encoded};

/// A codec of `T`, whichever it is.
pub(crate) struct BoxedCodec<T>(Arc<dyn AnyCodec<T>>);

impl<T> Clone for BoxedCodec<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: 'static> BoxedCodec<T> {
    /// Boxes a codec.
    pub(crate) fn new(codec: impl Codec<T>) -> Self {
        Self(Arc::new(codec))
    }

    /// The bytes of a value; `None` is null.
    pub(crate) fn to_bytes(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        scratch: &mut BytesMut,
    ) -> Result<Option<Bytes>, CodecError> {
        self.0.encode_bytes(value, context, scratch)
    }

    /// What null stands for, if the codec takes nulls for values.
    pub(crate) fn null(&self, context: &CodecContext<'_>) -> Option<T> {
        self.0.null(context)
    }

    /// Which bytes of an encoded key find its partition, if not all of them.
    pub(crate) fn partition_part(&self, encoded: &Bytes) -> Option<Bytes> {
        self.0.partition_part(encoded)
    }
}

/// A boxed codec is a codec as well, so that the codec of a windowed key may stand around it.
impl<T: 'static> Codec<T> for BoxedCodec<T> {
    fn encode(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        self.0.encode_into(value, context, out)
    }

    fn decode(&self, bytes: Bytes, context: &CodecContext<'_>) -> Result<T, CodecError> {
        self.0.decode_bytes(bytes, context)
    }
}

/// What a boxed codec can do.
trait AnyCodec<T>: Send + Sync {
    fn encode_into(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError>;
    fn encode_bytes(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        scratch: &mut BytesMut,
    ) -> Result<Option<Bytes>, CodecError>;
    fn decode_bytes(&self, bytes: Bytes, context: &CodecContext<'_>) -> Result<T, CodecError>;
    fn null(&self, context: &CodecContext<'_>) -> Option<T>;
    fn partition_part(&self, encoded: &Bytes) -> Option<Bytes>;
}

impl<T, C: Codec<T>> AnyCodec<T> for C {
    fn encode_into(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        self.encode(value, context, out)
    }

    fn encode_bytes(
        &self,
        value: &T,
        context: &CodecContext<'_>,
        scratch: &mut BytesMut,
    ) -> Result<Option<Bytes>, CodecError> {
        Codec::encode_bytes(self, value, context, scratch)
    }

    fn decode_bytes(&self, bytes: Bytes, context: &CodecContext<'_>) -> Result<T, CodecError> {
        self.decode(bytes, context)
    }

    fn null(&self, context: &CodecContext<'_>) -> Option<T> {
        self.decode_null(context).ok()
    }

    fn partition_part(&self, encoded: &Bytes) -> Option<Bytes> {
        self.partition_bytes(encoded)
    }
}

/// The codecs of a key and a value.
pub(crate) struct Codecs<K, V> {
    /// The key's.
    pub(crate) key: BoxedCodec<K>,
    /// The value's.
    pub(crate) value: BoxedCodec<V>,
}

impl<K, V> Clone for Codecs<K, V> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), value: self.value.clone() }
    }
}

impl<K: 'static, V: 'static> Codecs<K, V> {
    /// Boxes both.
    pub(crate) fn new((key, value): (impl Codec<K>, impl Codec<V>)) -> Self {
        Self { key: BoxedCodec::new(key), value: BoxedCodec::new(value) }
    }
}
