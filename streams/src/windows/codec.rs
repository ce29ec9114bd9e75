//! The bytes of a key in a window.
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext, CodecError, Encoded};

use super::time_windows::millis;
use super::{Window, Windowed};

/// A key in a time window, as Java's `TimeWindowedSerializer` writes it.
///
/// ```text
/// key ‖ start:8     big-endian; the end is not written, so that a reader must know the size
/// ```
/// A record with such a key goes to the partition of its inner key.
///
/// ```
/// use std::time::Duration;
/// use courant_streams::codec::{Codec, CodecContext, Utf8};
/// use courant_streams::{Window, WindowCodec, Windowed};
///
/// let (codec, context) = (WindowCodec::new(Utf8, Duration::from_secs(1)), CodecContext::key("per-second"));
/// let key = Windowed { key: "ab".to_owned(), window: Window { start_ms: 2_000, end_ms: 3_000 } };
/// let bytes = codec.encode_bytes(&key, &context, &mut bytes::BytesMut::new())?.unwrap();
/// assert_eq!(bytes[..], *b"ab\0\0\0\0\0\0\x07\xd0");
/// assert_eq!(codec.decode(bytes, &context)?, key);
/// # Ok::<(), courant_streams::codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowCodec<C> {
    key: C,
    size_ms: i64,
}

impl<C> WindowCodec<C> {
    /// A codec of keys in windows of this size.
    pub fn new(key: C, size: Duration) -> Self {
        Self::of_millis(key, millis(size))
    }

    /// The same by milliseconds.
    pub(crate) fn of_millis(key: C, size_ms: i64) -> Self {
        Self { key, size_ms }
    }
}

impl<K, C: Codec<K>> Codec<Windowed<K>> for WindowCodec<C> {
    fn encode(
        &self,
        windowed: &Windowed<K>,
        context: &CodecContext<'_>,
        out: &mut BytesMut,
    ) -> Result<Encoded, CodecError> {
        match self.key.encode(&windowed.key, context, out)? {
            Encoded::Bytes => {
                out.put_i64(windowed.window.start_ms);
                Ok(Encoded::Bytes)
            }
            Encoded::Null => Err(CodecError::value("WindowCodec", "the inner key is null")),
        }
    }

    fn decode(&self, mut bytes: Bytes, context: &CodecContext<'_>) -> Result<Windowed<K>, CodecError> {
        let Some((_, start)) = bytes.split_last_chunk::<START_BYTES>() else {
            return Err(CodecError::length("WindowCodec", START_BYTES, bytes.len()));
        };
        let start_ms = i64::from_be_bytes(*start);
        bytes.truncate(bytes.len() - START_BYTES);
        let window = Window { start_ms, end_ms: start_ms.saturating_add(self.size_ms) };
        Ok(Windowed { key: self.key.decode(bytes, context)?, window })
    }

    fn partition_bytes(&self, encoded: &Bytes) -> Option<Bytes> {
        Some(encoded.slice(..encoded.len().checked_sub(START_BYTES)?))
    }
}

const START_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use courant_client::codec::Utf8;

    use super::*;

    #[test]
    fn a_windowed_key_goes_to_the_partition_of_its_inner_key() {
        let codec = WindowCodec::new(Utf8, Duration::from_secs(1));
        let bytes = Bytes::from_static(b"ab\0\0\0\0\0\0\x07\xd0");
        assert_eq!(
            Codec::<Windowed<String>>::partition_bytes(&codec, &bytes),
            Some(Bytes::from_static(b"ab"))
        );
        let short = Bytes::from_static(b"short");
        assert_eq!(Codec::<Windowed<String>>::partition_bytes(&codec, &short), None);
        assert!(Codec::<Windowed<String>>::decode(&codec, short, &CodecContext::key("t")).is_err());
    }
}
