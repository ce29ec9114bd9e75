//! Reads values out of one frame, and trusts nothing in it.
use bytes::Bytes;

use super::{DecodeError, DecodeErrorKind, Records, Str};
use crate::types::TopicId;

/// Reads values out of one frame, front to back.
///
/// The peer's word is never taken for a size: an array announces how many elements follow, and both the bytes
/// left and a memory budget of 40 times the frame (plus 32 KiB) must allow that many before room is made for
/// them. Texts, bytes and records are slices of the frame and cost nothing. `flexible` says, here and in
/// [`super::Writer`], whether the message version uses the compact lengths and tagged fields of KIP-482.
#[derive(Debug)]
pub struct Reader {
    frame: Bytes,
    position: usize,
    /// Where the message, or the tagged field that is being read, ends.
    end: usize,
    budget: usize,
}

/// How a nested value is read: the generated `decode` functions.
type Decode<T> = fn(&mut Reader, i16) -> Result<T, DecodeError>;

impl Reader {
    /// Starts at the first byte of `frame`.
    pub fn new(frame: Bytes) -> Self {
        let end = frame.len();
        Self { frame, position: 0, end, budget: budget_of(end) }
    }

    /// Bytes that have not been read.
    pub fn remaining(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    /// Bytes that have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The next two bytes as a number, without reading them.
    pub(crate) fn peek_i16(&self) -> Option<i16> {
        self.frame.get(self.position..self.end)?.first_chunk().copied().map(i16::from_be_bytes)
    }

    /// A byte; everything but 0 is true, as in Java.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// One byte.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.take().map(i8::from_be_bytes)
    }

    /// Two bytes, big-endian.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.take().map(i16::from_be_bytes)
    }

    /// Two bytes, big-endian, unsigned.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.take().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.take().map(i32::from_be_bytes)
    }

    /// Four bytes, big-endian, unsigned.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.take().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.take().map(i64::from_be_bytes)
    }

    /// Eight bytes, IEEE 754, big-endian.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.take().map(f64::from_be_bytes)
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<TopicId, DecodeError> {
        self.take().map(TopicId)
    }

    /// An unsigned number of one to five bytes, seven bits each, the lowest first.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in [0_u32, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(DecodeErrorKind::VarintTooLong))
    }

    /// A text: two bytes of length (a varint of length + 1 when `flexible`), then UTF-8.
    pub fn string(&mut self, flexible: bool) -> Result<Str, DecodeError> {
        let value = self.nullable_string(flexible)?;
        self.present(value)
    }

    /// A text or null.
    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<Str>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { i64::from(self.i16()?) };
        if length > i64::from(i16::MAX) {
            return Err(self.error(DecodeErrorKind::InvalidLength(length)));
        }
        let Some(bytes) = self.slice(length)? else { return Ok(None) };
        Str::try_from(bytes).map(Some).map_err(|_| self.error(DecodeErrorKind::InvalidUtf8))
    }

    /// Bytes: four bytes of length (a varint of length + 1 when `flexible`), then as many.
    pub fn bytes(&mut self, flexible: bool) -> Result<Bytes, DecodeError> {
        let value = self.nullable_bytes(flexible)?;
        self.present(value)
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { i64::from(self.i32()?) };
        self.slice(length)
    }

    /// Record batches or null; framed as bytes are.
    pub fn records(&mut self, flexible: bool) -> Result<Option<Records>, DecodeError> {
        Ok(self.nullable_bytes(flexible)?.map(Records::from))
    }

    /// An array: its length, then the elements, each at least `min_element_size` bytes.
    pub fn array<T>(
        &mut self,
        flexible: bool,
        min_element_size: usize,
        version: i16,
        decode: Decode<T>,
    ) -> Result<Vec<T>, DecodeError> {
        let value = self.nullable_array(flexible, min_element_size, version, decode)?;
        self.present(value)
    }

    /// An array or null.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        min_element_size: usize,
        version: i16,
        decode: Decode<T>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(elements) = self.array_length(flexible, min_element_size, size_of::<T>())? else {
            return Ok(None);
        };
        let mut array = Vec::with_capacity(elements);
        for _ in 0..elements {
            array.push(decode(self, version)?);
        }
        Ok(Some(array))
    }

    /// A struct or null: a byte, negative for null, then the struct.
    pub fn nullable_struct<T>(&mut self, version: i16, decode: Decode<T>) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 { Ok(None) } else { decode(self, version).map(Some) }
    }

    /// The tagged fields at the end of a struct of which we know none.
    pub fn skip_tags(&mut self) -> Result<(), DecodeError> {
        self.tags(|_, _| Ok(false))
    }

    /// The tagged fields at the end of a struct (KIP-482): each has a tag, a size and a value.
    ///
    /// `known` reads the value of a tag that it knows and says whether it did; it sees no byte beyond the
    /// declared size and must use up all of them. Other tags are skipped.
    pub fn tags(
        &mut self,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let declared = self.unsigned_varint()? as usize;
            let outer = self.end;
            let start = self.position;
            if declared > self.remaining() {
                return Err(self.unexpected_end(declared));
            }
            self.end = start.saturating_add(declared);
            if known(self, tag)? && self.position != self.end {
                let read = self.position.saturating_sub(start);
                return Err(self.error(DecodeErrorKind::TagSize { tag, declared, read }));
            }
            self.position = self.end;
            self.end = outer;
        }
        Ok(())
    }

    /// Fails unless `version` is one that the tables know.
    pub(crate) fn check_version(
        &self,
        message: &'static str,
        version: i16,
        min: i16,
        max: i16,
    ) -> Result<(), DecodeError> {
        if (min..=max).contains(&version) {
            return Ok(());
        }
        Err(self.error(DecodeErrorKind::UnsupportedVersion { message, version }))
    }

    /// Fails when a value is null that this version does not allow to be.
    pub(crate) fn present<T>(&self, value: Option<T>) -> Result<T, DecodeError> {
        value.ok_or_else(|| self.error(DecodeErrorKind::UnexpectedNull))
    }

    /// An error at the present position.
    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.position)
    }

    fn unexpected_end(&self, needed: usize) -> DecodeError {
        self.error(DecodeErrorKind::UnexpectedEnd { needed, left: self.remaining() })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.frame.get(self.position..self.end).unwrap_or_default();
        let taken = rest.first_chunk::<N>().copied().ok_or_else(|| self.unexpected_end(N))?;
        self.position = self.position.saturating_add(N);
        Ok(taken)
    }

    /// A compact length: the varint is one more, 0 is null.
    fn compact_length(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from(self.unsigned_varint()?) - 1)
    }

    /// `length` bytes; -1 is null.
    fn slice(&mut self, length: i64) -> Result<Option<Bytes>, DecodeError> {
        if length == -1 {
            return Ok(None);
        }
        let length =
            usize::try_from(length).map_err(|_| self.error(DecodeErrorKind::InvalidLength(length)))?;
        if length > self.remaining() {
            return Err(self.unexpected_end(length));
        }
        let start = self.position;
        self.position = start.saturating_add(length);
        Ok(Some(self.frame.slice(start..self.position)))
    }

    /// How many elements follow, once that many can follow and may be kept.
    fn array_length(
        &mut self,
        flexible: bool,
        min_element_size: usize,
        element_memory: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { i64::from(self.i32()?) };
        if length == -1 {
            return Ok(None);
        }
        let elements =
            usize::try_from(length).map_err(|_| self.error(DecodeErrorKind::InvalidLength(length)))?;
        let left = self.remaining();
        if elements > left / min_element_size.max(1) {
            return Err(self.error(DecodeErrorKind::ArrayTooLong { elements, left }));
        }
        self.budget = elements
            .checked_mul(element_memory)
            .and_then(|cost| self.budget.checked_sub(cost))
            .ok_or_else(|| self.error(DecodeErrorKind::OverBudget { budget: budget_of(self.frame.len()) }))?;
        Ok(Some(elements))
    }
}

/// Bytes that the arrays of a message may take together.
const fn budget_of(frame_len: usize) -> usize {
    frame_len.saturating_mul(40).saturating_add(32 * 1024)
}
