//! Changelog records, as Kafka Streams writes them, to and from what an engine holds.
//!
//! | store | key | value | timestamp |
//! |---|---|---|---|
//! | key-value | key | value | the value's; of a delete, the record's at hand |
//! | window | key ‖ start:8 ‖ sequence:4 | value | as above |
//!
//! The time of a value travels as the record's timestamp. In the engine it stands before the value, eight bytes.
use bytes::{BufMut, Bytes, BytesMut};

use crate::operator::ValueAndTimestamp;

/// A value with its time before it, as an engine holds it.
pub(super) fn with_timestamp(value: &[u8], timestamp: i64) -> Bytes {
    let mut stored = BytesMut::with_capacity(TIMESTAMP_BYTES + value.len());
    stored.put_i64(timestamp);
    stored.put_slice(value);
    stored.freeze()
}

/// The value and its time apart; `None` if the bytes are too short to be an engine's.
pub(super) fn split_timestamp(mut stored: Bytes) -> Option<ValueAndTimestamp> {
    let timestamp = i64::from_be_bytes(*stored.first_chunk::<TIMESTAMP_BYTES>()?);
    let value = stored.split_off(TIMESTAMP_BYTES);
    Some(ValueAndTimestamp { value, timestamp })
}

/// `key ‖ start:8 ‖ sequence:4`: a window's key, in the engine and in the changelog.
pub(super) fn window_key(key: &[u8], start: i64, sequence: i32) -> Bytes {
    let mut whole = BytesMut::with_capacity(key.len() + WINDOW_SUFFIX_BYTES);
    whole.put_slice(key);
    whole.put_i64(start);
    whole.put_i32(sequence);
    whole.freeze()
}

/// The key and the start of a window's key; `None` if the bytes are too short to be one.
pub(super) fn split_window_key(whole: &Bytes) -> Option<(Bytes, i64)> {
    let (_, suffix) = whole.split_last_chunk::<WINDOW_SUFFIX_BYTES>()?;
    let start = i64::from_be_bytes(*suffix.first_chunk::<TIMESTAMP_BYTES>()?);
    Some((whole.slice(..whole.len() - WINDOW_SUFFIX_BYTES), start))
}

const TIMESTAMP_BYTES: usize = 8;
const WINDOW_SUFFIX_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_key_is_key_start_and_sequence_as_java_writes_it() {
        // WindowKeySchema.toStoreKeyBinary("ab", 60000, 0)
        let whole = window_key(b"ab", 60_000, 0);
        assert_eq!(&whole[..], b"ab\0\0\0\0\0\0\xea\x60\0\0\0\0");
        assert_eq!(split_window_key(&whole), Some((Bytes::from_static(b"ab"), 60_000)));
        assert_eq!(split_window_key(&Bytes::from_static(b"too short")), None);
    }

    #[test]
    fn a_value_stands_behind_its_time() {
        let stored = with_timestamp(b"v", 258);
        assert_eq!(&stored[..], b"\0\0\0\0\0\0\x01\x02v");
        let split = split_timestamp(stored).unwrap();
        assert_eq!((&split.value[..], split.timestamp), (&b"v"[..], 258));
        assert_eq!(split_timestamp(Bytes::from_static(b"short")), None);
    }
}
