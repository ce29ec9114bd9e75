//! Bytes ready for a socket.
use bytes::{Bytes, BytesMut};

/// Bytes ready for a socket, in pieces: what we wrote ourselves, and record batches that are only referred to.
///
/// A driver writes the pieces with one vectored write; [`Frame::into_bytes`] joins them for everybody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    segments: Vec<Bytes>,
    len: usize,
}

impl Frame {
    /// A frame of these pieces in this order.
    pub(crate) fn new(segments: Vec<Bytes>) -> Self {
        let len = segments.iter().map(Bytes::len).sum();
        Self { segments, len }
    }

    /// The pieces in the order in which they go out.
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// The pieces, owned.
    pub fn into_segments(self) -> Vec<Bytes> {
        self.segments
    }

    /// Bytes in all pieces together.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bytes in one piece; copies only if there is more than one.
    pub fn into_bytes(mut self) -> Bytes {
        if self.segments.len() == 1 {
            return self.segments.pop().unwrap_or_default();
        }
        let mut joined = BytesMut::with_capacity(self.len);
        for segment in &self.segments {
            joined.extend_from_slice(segment);
        }
        joined.freeze()
    }
}
