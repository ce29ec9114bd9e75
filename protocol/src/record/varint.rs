//! The zig-zag varints of records: 7 bits a byte, lowest first, at most 5 bytes for an i32 and 10 for an i64.

use bytes::BytesMut;

/// The longest varint of an i64.
pub(super) const MAX_BYTES: usize = 10;

/// Moves the sign to the lowest bit, so that small negative numbers stay short.
#[inline]
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
#[inline]
const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// How many bytes `value` takes.
#[inline]
pub(super) const fn size(value: i64) -> usize {
    let bits = zigzag(value);
    // Nearly every varint of a record is this short, and the branches are foreseen.
    if bits < 1 << 7 {
        1
    } else if bits < 1 << 14 {
        2
    } else {
        (64 - bits.leading_zeros() as usize).div_ceil(7)
    }
}

/// How many bytes the length of `bytes` takes, and they themselves.
#[inline]
pub(super) fn size_of_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size(length(bytes)) + bytes.len())
}

/// A slice's length as the number that is written: no slice is longer than `isize::MAX`.
#[inline]
pub(super) const fn length(bytes: &[u8]) -> i64 {
    bytes.len() as i64
}

/// Some short numbers in a register, as they are written: up to eight bytes, the first of them lowest.
///
/// They are stored at once, at a fixed size, which is one instruction where a byte or two at a time would each be a
/// check and a call of `memcpy`; what was stored too much is cut off again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    bytes: u64,
    bits: u32,
}

impl Packed {
    /// How much room a buffer should have beyond what is written, so that a store never makes it grow.
    pub(super) const SLACK: usize = 8;

    /// A byte that is zero.
    pub(super) const ZERO: Self = Self { bytes: 0, bits: 8 };

    /// A varint of one or two bytes, which nearly all of a record are.
    #[inline(always)]
    pub(super) fn varint(value: i64) -> Option<Self> {
        let bits = zigzag(value);
        if bits < 1 << 7 {
            Some(Self { bytes: bits, bits: 8 })
        } else if bits < 1 << 14 {
            Some(Self { bytes: bits & 0x7f | 0x80 | (bits >> 7) << 8, bits: 16 })
        } else {
            None
        }
    }

    /// The length of `bytes` as such a varint, -1 for null.
    #[inline(always)]
    pub(super) fn length_of(bytes: Option<&[u8]>) -> Option<Self> {
        Self::varint(bytes.map_or(-1, length))
    }

    /// How many bytes there are.
    #[inline(always)]
    pub(super) fn len(self) -> usize {
        (self.bits / 8) as usize
    }

    /// These bytes and those of `next` behind them; together they may be eight.
    #[inline(always)]
    pub(super) fn then(self, next: Self) -> Self {
        debug_assert!(self.bits + next.bits <= 64, "more than a register holds");
        Self { bytes: self.bytes | next.bytes << self.bits, bits: self.bits + next.bits }
    }

    /// Stores them at the end of `buffer`.
    #[inline(always)]
    pub(super) fn append_to(self, buffer: &mut BytesMut) {
        let end = buffer.len() + self.len();
        buffer.extend_from_slice(&self.bytes.to_le_bytes());
        buffer.truncate(end);
    }
}

/// Appends a varint.
#[inline]
pub(super) fn append(buffer: &mut BytesMut, value: i64) {
    match Packed::varint(value) {
        Some(short) => short.append_to(buffer),
        None => append_long(buffer, zigzag(value)),
    }
}

#[cold]
fn append_long(buffer: &mut BytesMut, mut bits: u64) {
    while bits >= 0x80 {
        buffer.extend_from_slice(&[(bits & 0x7f | 0x80) as u8]);
        bits >>= 7;
    }
    buffer.extend_from_slice(&[bits as u8]);
}

/// Appends bytes behind their length, -1 for null.
#[inline]
pub(super) fn append_bytes(buffer: &mut BytesMut, bytes: Option<&[u8]>) {
    append(buffer, bytes.map_or(-1, length));
    buffer.extend_from_slice(bytes.unwrap_or_default());
}

/// A place in bytes that are being read; every step is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        Some(taken)
    }

    /// A big-endian number or the like of fixed size.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    /// A varint of an i32; `None` when it is cut or has more than 32 bits.
    #[inline]
    pub(super) fn varint32(&mut self) -> Option<i32> {
        match self.short() {
            Some(bits) => Some(unzigzag(bits) as i32),
            None => u32::try_from(self.unsigned(5)?).ok().map(|bits| unzigzag(u64::from(bits)) as i32),
        }
    }

    /// A varint of an i64; `None` when it is cut or has more than 64 bits.
    #[inline]
    pub(super) fn varint64(&mut self) -> Option<i64> {
        match self.short() {
            Some(bits) => Some(unzigzag(bits)),
            None => self.unsigned(MAX_BYTES).map(unzigzag),
        }
    }

    /// A varint of one or two bytes, which nearly all are.
    #[inline]
    fn short(&mut self) -> Option<u64> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Some(u64::from(*first))
            }
            [first, second, rest @ ..] if *second < 0x80 => {
                self.rest = rest;
                Some(u64::from(first & 0x7f) | u64::from(*second) << 7)
            }
            _ => None,
        }
    }

    /// Bytes behind their length, a negative length standing for null.
    #[inline]
    pub(super) fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.varint32()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Some(None),
        }
    }

    #[cold]
    fn unsigned(&mut self, max_bytes: usize) -> Option<u64> {
        let mut value = 0_u64;
        let mut shift = 0;
        for (index, byte) in self.rest.iter().take(max_bytes).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Some(value);
            }
            shift += 7;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: i64) -> Vec<u8> {
        let mut buffer = BytesMut::new();
        append(&mut buffer, value);
        buffer.to_vec()
    }

    #[test]
    fn the_ends_of_the_range_have_kafkas_bytes() {
        assert_eq!(written(0), [0]);
        assert_eq!(written(-1), [1]);
        assert_eq!(written(63), [0x7e]);
        assert_eq!(written(64), [0x80, 0x01]);
        assert_eq!(written(i64::from(i32::MAX)), [0xfe, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(written(i64::MIN), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }

    #[test]
    fn over_long_and_cut_varints_are_refused() {
        assert_eq!(Cursor::new(&[0x80; 5]).varint32(), None);
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x10]).varint32(), None);
        assert_eq!(Cursor::new(&[0x80; 11]).varint64(), None);
        assert_eq!(
            Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).varint64(),
            None
        );
        assert_eq!(Cursor::new(&[0x80]).varint64(), None);
        assert_eq!(Cursor::new(&[]).varint32(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_as_long_as_said(value: i64, small: i32) {
            for value in [value, i64::from(small), i64::from(small) >> 16] {
                let bytes = written(value);
                prop_assert_eq!(bytes.len(), size(value));
                let mut cursor = Cursor::new(&bytes);
                prop_assert_eq!(cursor.varint64(), Some(value));
                prop_assert!(cursor.rest.is_empty());
                let narrow = Cursor::new(&bytes).varint32();
                prop_assert_eq!(narrow, i32::try_from(value).ok());
            }
        }
    }
}
