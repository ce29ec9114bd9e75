//! Writes values into a frame.
use bytes::{BufMut, Bytes, BytesMut};

use super::{EncodeError, Frame, Records, Str};
use crate::types::TopicId;

/// Writes values one after the other into a [`Frame`].
///
/// Everything is copied into one growing buffer but the slices of [`Records`]: once they are long they
/// become pieces of the frame themselves.
#[derive(Debug, Default)]
pub struct Writer {
    /// Finished pieces.
    segments: Vec<BytesOrMut>,
    /// The piece that is being written.
    tail: BytesMut,
}

/// The first piece stays writable, for the size in front of a frame.
#[derive(Debug)]
enum BytesOrMut {
    Owned(BytesMut),
    Shared(Bytes),
}

/// Below this size copying a slice costs less than another entry in a vectored write.
const SHARE_FROM_BYTES: usize = 256;

/// How a nested value is written: the generated `encode` functions.
type Encode<T> = fn(&T, &mut Writer, i16) -> Result<(), EncodeError>;

impl Writer {
    /// Starts empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with room for `bytes` and with four bytes in which [`Self::finish_sized`] puts the size.
    pub(crate) fn sized(bytes: usize) -> Self {
        let mut tail = BytesMut::with_capacity(bytes);
        tail.put_i32(0);
        Self { segments: Vec::new(), tail }
    }

    /// Ends the frame.
    pub fn finish(mut self) -> Frame {
        self.cut();
        let segments = self.segments.into_iter().map(|segment| match segment {
            BytesOrMut::Owned(bytes) => bytes.freeze(),
            BytesOrMut::Shared(bytes) => bytes,
        });
        Frame::new(segments.collect())
    }

    /// Ends a frame that was started with [`Self::sized`].
    pub(crate) fn finish_sized(mut self) -> Result<Frame, EncodeError> {
        self.cut();
        let len: usize = self.segments.iter().map(BytesOrMut::len).sum();
        let size = length_i32(len.saturating_sub(4))?;
        if let Some(BytesOrMut::Owned(first)) = self.segments.first_mut()
            && let Some(prefix) = first.first_chunk_mut::<4>()
        {
            *prefix = size.to_be_bytes();
        }
        Ok(self.finish())
    }

    /// A byte, 1 for true.
    pub fn bool(&mut self, value: bool) {
        self.tail.put_u8(u8::from(value));
    }

    /// One byte.
    pub fn i8(&mut self, value: i8) {
        self.tail.put_i8(value);
    }

    /// Two bytes, big-endian.
    pub fn i16(&mut self, value: i16) {
        self.tail.put_i16(value);
    }

    /// Two bytes, big-endian, unsigned.
    pub fn u16(&mut self, value: u16) {
        self.tail.put_u16(value);
    }

    /// Four bytes, big-endian.
    pub fn i32(&mut self, value: i32) {
        self.tail.put_i32(value);
    }

    /// Four bytes, big-endian, unsigned.
    pub fn u32(&mut self, value: u32) {
        self.tail.put_u32(value);
    }

    /// Eight bytes, big-endian.
    pub fn i64(&mut self, value: i64) {
        self.tail.put_i64(value);
    }

    /// Eight bytes, IEEE 754, big-endian.
    pub fn f64(&mut self, value: f64) {
        self.tail.put_f64(value);
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: TopicId) {
        self.tail.put_slice(&value.0);
    }

    /// An unsigned number in one to five bytes, seven bits each, the lowest first.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.tail.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(value as u8);
    }

    /// A text.
    pub fn string(&mut self, value: &str, flexible: bool) -> Result<(), EncodeError> {
        let max = i16::MAX as usize;
        let length =
            i16::try_from(value.len()).map_err(|_| EncodeError::TooLong { length: value.len(), max })?;
        if flexible {
            self.unsigned_varint(length.unsigned_abs() as u32 + 1);
        } else {
            self.i16(length);
        }
        self.tail.put_slice(value.as_bytes());
        Ok(())
    }

    /// A text or null.
    pub fn nullable_string(&mut self, value: Option<&Str>, flexible: bool) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.string(value, flexible)?,
            None if flexible => self.unsigned_varint(0),
            None => self.i16(-1),
        }
        Ok(())
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &Bytes, flexible: bool) -> Result<(), EncodeError> {
        self.length(value.len(), flexible)?;
        self.tail.put_slice(value);
        Ok(())
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, value: Option<&Bytes>, flexible: bool) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.bytes(value, flexible)?,
            None => self.null(flexible),
        }
        Ok(())
    }

    /// Record batches or null, by reference where they are long.
    pub fn records(&mut self, value: Option<&Records>, flexible: bool) -> Result<(), EncodeError> {
        let Some(records) = value else {
            self.null(flexible);
            return Ok(());
        };
        self.length(records.len(), flexible)?;
        for segment in records.segments() {
            if segment.len() < SHARE_FROM_BYTES {
                self.tail.put_slice(segment);
            } else {
                self.cut();
                self.segments.push(BytesOrMut::Shared(segment.clone()));
            }
        }
        Ok(())
    }

    /// An array.
    pub fn array<T>(
        &mut self,
        value: &[T],
        flexible: bool,
        version: i16,
        encode: Encode<T>,
    ) -> Result<(), EncodeError> {
        self.length(value.len(), flexible)?;
        value.iter().try_for_each(|element| encode(element, self, version))
    }

    /// An array or null.
    pub fn nullable_array<T>(
        &mut self,
        value: Option<&[T]>,
        flexible: bool,
        version: i16,
        encode: Encode<T>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.array(value, flexible, version, encode),
            None => {
                self.null(flexible);
                Ok(())
            }
        }
    }

    /// A struct or null: a byte, 1 or -1, then the struct.
    pub fn nullable_struct<T>(
        &mut self,
        value: Option<&T>,
        version: i16,
        encode: Encode<T>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => {
                self.i8(1);
                encode(value, self, version)
            }
            None => {
                self.i8(-1);
                Ok(())
            }
        }
    }

    /// A tagged field (KIP-482): tag, size, value.
    pub fn tag(
        &mut self,
        tag: u32,
        value: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut inner = Self::new();
        value(&mut inner)?;
        let content = inner.finish();
        self.unsigned_varint(tag);
        self.unsigned_varint(length_i32(content.len())?.unsigned_abs());
        content.segments().iter().for_each(|segment| self.tail.put_slice(segment));
        Ok(())
    }

    /// Fails unless `version` is one that the tables know.
    pub(crate) fn check_version(
        &self,
        message: &'static str,
        version: i16,
        min: i16,
        max: i16,
    ) -> Result<(), EncodeError> {
        if (min..=max).contains(&version) {
            return Ok(());
        }
        Err(EncodeError::UnsupportedVersion { message, version })
    }

    fn null(&mut self, flexible: bool) {
        if flexible {
            self.unsigned_varint(0);
        } else {
            self.i32(-1);
        }
    }

    fn length(&mut self, length: usize, flexible: bool) -> Result<(), EncodeError> {
        let length = length_i32(length)?;
        if flexible {
            self.unsigned_varint(length.unsigned_abs() + 1);
        } else {
            self.i32(length);
        }
        Ok(())
    }

    /// Ends the piece that is being written.
    fn cut(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push(BytesOrMut::Owned(self.tail.split()));
        }
    }
}

impl BytesOrMut {
    fn len(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

fn length_i32(length: usize) -> Result<i32, EncodeError> {
    i32::try_from(length).map_err(|_| EncodeError::TooLong { length, max: i32::MAX as usize })
}
