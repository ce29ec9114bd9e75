//! A record for a mock consumer to hand out.
use bytes::{Bytes, BytesMut};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{BatchWriter, Stamp, WriterOptions};
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};

/// A record that a test puts into a partition; without a key, a value, headers and a time until it is given them.
///
/// ```
/// use courant_consumer::MockRecord;
///
/// let paid = MockRecord::new().key("42").value("paid").header("by", "card").timestamp(1_700_000_000_000);
/// assert_eq!(paid, paid.clone());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "add it to a partition"]
pub struct MockRecord {
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(String, Option<Bytes>)>,
    timestamp: Option<UnixMillis>,
}

impl MockRecord {
    /// One of nulls.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its key.
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Its value.
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// One more header.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((key.into(), Some(value.into())));
        self
    }

    /// Its time; else it is that of the mock when it is added.
    pub fn timestamp(mut self, timestamp: impl Into<UnixMillis>) -> Self {
        self.timestamp = Some(timestamp.into());
        self
    }

    pub(super) fn time(&self, now: UnixMillis) -> UnixMillis {
        self.timestamp.unwrap_or(now)
    }

    /// The batch of this one record; none if it is too large for one.
    pub(super) fn batch(&self, offset: Offset, timestamp: UnixMillis) -> Option<Bytes> {
        let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
        let headers = self.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        writer.append(timestamp, self.key.as_deref(), self.value.as_deref(), headers).ok()?;
        let sealed = writer.seal(Codec::None, None, &mut CompressionScratch::new()).ok()?;
        Some(sealed.to_bytes(&Stamp::default().at(offset, LeaderEpoch(0))))
    }
}
