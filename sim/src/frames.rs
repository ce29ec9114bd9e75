//! Finds the frames in a stream of bytes, so that faults strike requests and responses and not mere reads.
use bytes::{Buf, Bytes, BytesMut};

/// Cuts a stream into pieces, none of which reaches beyond a frame. What is no Kafka comes out as one long frame.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// What has come of a frame's size so far.
    size: BytesMut,
    /// How much of the current frame has not come yet.
    missing: u64,
}

/// A piece of the stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// The size field and as much of a new frame as there is.
    Start {
        /// The frame's length with its size field.
        total: u64,
        bytes: Bytes,
    },
    /// More of the current frame.
    More(Bytes),
}

impl Frames {
    /// Takes what was read and gives the next piece, if there is one; call it until there is none.
    pub(crate) fn next(&mut self, read: &mut BytesMut) -> Option<Piece> {
        if self.missing > 0 {
            let count = self.take(read.len());
            return (count > 0).then(|| Piece::More(read.split_to(count).freeze()));
        }
        let wanted = SIZE_BYTES.saturating_sub(self.size.len()).min(read.len());
        self.size.extend_from_slice(&read.split_to(wanted));
        if self.size.len() < SIZE_BYTES {
            return None;
        }
        let mut bytes = std::mem::take(&mut self.size);
        self.missing = u64::from((&bytes[..]).get_u32());
        let total = self.missing + SIZE_BYTES as u64;
        let count = self.take(read.len());
        bytes.extend_from_slice(&read.split_to(count));
        Some(Piece::Start { total, bytes: bytes.freeze() })
    }

    /// What is left when the stream ends inside a size field.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.size).freeze()
    }

    fn take(&mut self, available: usize) -> usize {
        let count = usize::try_from(self.missing).unwrap_or(usize::MAX).min(available);
        self.missing -= count as u64;
        count
    }
}

const SIZE_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_the_stream_is_read() {
        let stream = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d";
        for chunk in 1..=stream.len() {
            let (mut frames, mut starts, mut all) = (Frames::default(), Vec::new(), Vec::new());
            for part in stream.chunks(chunk) {
                let mut read = BytesMut::from(part);
                while let Some(piece) = frames.next(&mut read) {
                    let bytes = match piece {
                        Piece::Start { total, bytes } => {
                            starts.push(total);
                            bytes
                        }
                        Piece::More(bytes) => bytes,
                    };
                    all.extend_from_slice(&bytes);
                }
                assert!(read.is_empty());
            }
            assert_eq!((starts, &all[..]), (vec![7, 4, 5], &stream[..]), "in chunks of {chunk}");
        }
    }
}
