//! One record, borrowed from its batch.
use crate::record::varint::Cursor;
use crate::types::{Offset, UnixMillis};

/// A record as it lies in its batch; nothing is copied.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecordView<'a> {
    /// The record's place in its partition.
    pub offset: Offset,
    /// When it was made or appended; [`UnixMillis::NONE`] in magic 0.
    pub timestamp: UnixMillis,
    /// The key; `None` is null, which is not the empty key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, a tombstone.
    pub value: Option<&'a [u8]>,
    pub(super) headers: Headers<'a>,
}

impl<'a> RecordView<'a> {
    /// The headers in the order they were written, duplicates included.
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// The last header with this key, which is the one that counts where only one may (Kafka's `lastHeader`).
    pub fn last_header(&self, key: &str) -> Option<Header<'a>> {
        self.headers.filter(|header| header.key == key.as_bytes()).last()
    }
}

/// A header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key's bytes; Kafka takes them for UTF-8, but no broker checks that.
    pub key: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The key as text, with � for what is not UTF-8.
    pub fn key_text(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

/// The headers of a record: an ordered multimap (KIP-82), read as it is gone through.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    left: u32,
    cursor: Cursor<'a>,
}

impl<'a> Headers<'a> {
    pub(super) const EMPTY: Self = Self { left: 0, cursor: Cursor::new(&[]) };

    /// Reads the count and checks that so many headers fill the rest; no count is believed.
    pub(super) fn read(mut body: Cursor<'a>) -> Result<Self, &'static str> {
        let count = body.varint32().ok_or("its header count is cut or too long")?;
        let count = u32::try_from(count).map_err(|_| "its header count is negative")?;
        let headers = Self { left: count, cursor: body };
        let mut walk = headers;
        while walk.left > 0 {
            walk.step().ok_or("a header is cut")?;
        }
        if walk.cursor.rest.is_empty() { Ok(headers) } else { Err("bytes follow its headers") }
    }

    /// Headers that were checked before.
    pub(super) fn checked(count: u32, bytes: &'a [u8]) -> Self {
        Self { left: count, cursor: Cursor::new(bytes) }
    }

    /// The bytes of what is left.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.cursor.rest
    }

    #[inline]
    fn step(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        let key = self.cursor.nullable_bytes()??;
        let value = self.cursor.nullable_bytes()?;
        Some(Header { key, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        self.step()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}
