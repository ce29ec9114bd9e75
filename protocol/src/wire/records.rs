//! The value of a `records` field.
use bytes::{Bytes, BytesMut};

/// Record batches as they stand on the wire: a rope of byte slices, never copied on its way in or out.
///
/// Reading a message gives one slice of its frame. A producer puts a header and a body in, so that a retry
/// replaces 61 bytes and leaves the body alone.
#[derive(Clone, Debug, Default)]
pub struct Records {
    first: Bytes,
    rest: Vec<Bytes>,
}

impl Records {
    /// No bytes.
    pub const fn new() -> Self {
        Self { first: Bytes::new(), rest: Vec::new() }
    }

    /// Adds a slice at the end; an empty one is left out.
    pub fn push(&mut self, segment: Bytes) {
        if segment.is_empty() {
            return;
        }
        if self.first.is_empty() {
            self.first = segment;
        } else {
            self.rest.push(segment);
        }
    }

    /// Bytes in all slices together.
    pub fn len(&self) -> usize {
        self.segments().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The slices in order; none of them is empty.
    pub fn segments(&self) -> impl Iterator<Item = &Bytes> {
        (!self.first.is_empty()).then_some(&self.first).into_iter().chain(&self.rest)
    }

    /// All bytes in one piece; copies only if there is more than one slice.
    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut joined = BytesMut::with_capacity(self.len());
        for segment in self.segments() {
            joined.extend_from_slice(segment);
        }
        joined.freeze()
    }
}

impl PartialEq for Records {
    /// Equal bytes, however they are cut into slices.
    fn eq(&self, other: &Self) -> bool {
        let bytes = |records: &Self| records.segments().flat_map(|s| s.to_vec()).collect::<Vec<u8>>();
        if self.rest.is_empty() && other.rest.is_empty() {
            return self.first == other.first;
        }
        self.len() == other.len() && bytes(self) == bytes(other)
    }
}

impl Eq for Records {}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self { first: bytes, rest: Vec::new() }
    }
}

impl FromIterator<Bytes> for Records {
    fn from_iter<I: IntoIterator<Item = Bytes>>(segments: I) -> Self {
        let mut records = Self::new();
        segments.into_iter().for_each(|segment| records.push(segment));
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_compare_by_bytes_not_by_cuts() {
        let whole = Records::from(Bytes::from_static(b"abcdef"));
        let cut: Records =
            [Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cdef")].into_iter().collect();
        assert_eq!(cut.segments().count(), 2);
        assert_eq!(whole, cut);
        assert_eq!(cut.len(), 6);
        assert_eq!(cut.into_bytes(), whole.into_bytes());
    }

    #[test]
    fn one_slice_is_not_copied() {
        let bytes = Bytes::from(vec![1_u8; 100]);
        let records = Records::from(bytes.clone());
        assert_eq!(records.into_bytes().as_ptr(), bytes.as_ptr());
    }
}
