//! The output of a decoder: a reused buffer that grows as bytes are produced, up to a limit.
use super::{Codec, CompressionError};

/// Where the smallest first guess lies.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const SMALLEST: usize = 4 << 10;

/// A bounded output; nothing is reserved on a peer's word alone.
pub(super) struct Output<'a> {
    buffer: &'a mut Vec<u8>,
    filled: usize,
    limit: usize,
    codec: Codec,
}

impl<'a> Output<'a> {
    /// Starts an empty output over `buffer`, whose room is reused: what is in it is written over, not zeroed first.
    pub(super) fn new(codec: Codec, buffer: &'a mut Vec<u8>, limit: usize) -> Self {
        buffer.truncate(limit.saturating_add(1));
        Self { buffer, filled: 0, limit, codec }
    }

    /// Some room to write to, at least one byte; it doubles each time it is full.
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    pub(super) fn room(&mut self, first_guess: usize) -> Result<&mut [u8], CompressionError> {
        if self.filled > self.limit {
            return Err(self.too_large());
        }
        if self.filled == self.buffer.len() {
            let wanted = self.filled.saturating_mul(2).max(first_guess).max(SMALLEST);
            self.grow_to(wanted);
        }
        Ok(self.buffer.get_mut(self.filled..).unwrap_or_default())
    }

    /// Room for exactly `size` bytes, or an error where they would exceed the limit.
    #[cfg(any(feature = "snappy", feature = "lz4"))]
    pub(super) fn room_for(&mut self, size: usize) -> Result<&mut [u8], CompressionError> {
        let end = self.filled.saturating_add(size);
        if end > self.limit {
            return Err(self.too_large());
        }
        if end > self.buffer.len() {
            self.grow_to(end);
        }
        Ok(self.buffer.get_mut(self.filled..end).unwrap_or_default())
    }

    /// How many bytes may still come.
    #[cfg(feature = "lz4")]
    pub(super) fn left(&self) -> usize {
        self.limit.saturating_sub(self.filled)
    }

    /// Takes `size` bytes that were written to the room as output.
    pub(super) fn advance(&mut self, size: usize) {
        self.filled = self.filled.saturating_add(size).min(self.buffer.len());
    }

    /// Ends the output: the buffer holds what was produced.
    pub(super) fn finish(self) -> Result<(), CompressionError> {
        if self.filled > self.limit {
            return Err(self.too_large());
        }
        self.buffer.truncate(self.filled);
        Ok(())
    }

    /// The error for an output beyond the limit.
    pub(super) fn too_large(&self) -> CompressionError {
        CompressionError::TooLarge { codec: self.codec, limit: self.limit }
    }

    /// One byte beyond the limit is allowed, so that a decoder that still has output shows it.
    fn grow_to(&mut self, size: usize) {
        let size = size.min(self.limit.saturating_add(1));
        if self.filled == 0 && self.buffer.capacity() < size {
            // There is nothing to carry along, and the allocator may have pages that are zero already.
            *self.buffer = vec![0; size];
            return;
        }
        self.buffer.reserve_exact(size.saturating_sub(self.buffer.len()));
        self.buffer.resize(size, 0);
    }
}
