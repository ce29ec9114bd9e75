//! Frames out of a stream of bytes, without copying a body and without trusting a size.
use bytes::{Buf, Bytes, BytesMut};
use courant_protocol::frame::{FrameError, read_size};

/// What has arrived and is not yet a whole frame.
///
/// ```text
/// socket ─► [ size: i32 | body … | size | bod… ]  ─► take(): body as a slice of the same allocation
/// ```
/// A frame that does not fit into the room that is left gets an allocation of exactly its size, so that a large response
/// is read in place and copied at most as far as it had arrived with its predecessor. Only the first frame that is longer
/// than any before it, and than what is trusted, is copied on its way.
#[derive(Debug)]
pub(crate) struct Inbound {
    bytes: BytesMut,
    max_frame_bytes: usize,
    /// The longest frame that has come: a size up to it is believed at once.
    longest: usize,
    any: bool,
}

impl Inbound {
    pub(crate) fn new(max_frame_bytes: usize) -> Self {
        Self { bytes: BytesMut::new(), max_frame_bytes, longest: 0, any: false }
    }

    /// The next whole frame, without its size; none while it has not arrived.
    pub(crate) fn take(&mut self) -> Result<Option<Bytes>, FrameError> {
        self.any |= !self.bytes.is_empty();
        let Some(prefix) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let size_bytes = read_size(*prefix, self.max_frame_bytes)?;
        if self.bytes.len() - prefix.len() < size_bytes {
            return Ok(None);
        }
        self.bytes.advance(4);
        self.longest = self.longest.max(size_bytes);
        Ok(Some(self.bytes.split_to(size_bytes).freeze()))
    }

    /// The buffer to read into, with room for what is missing of the frame in it, or for small frames if there is none.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        let wanted = match self.bytes.first_chunk::<4>() {
            Some(prefix) => read_size(*prefix, self.max_frame_bytes).map_or(0, |size| size + prefix.len()),
            None => SMALL_READ_BYTES,
        };
        let arrived = self.bytes.len();
        let missing = wanted.saturating_sub(arrived);
        let trusted = missing.min(MAX_TRUSTED_BYTES.max(self.longest));
        if self.bytes.capacity() - arrived < trusted && !self.bytes.try_reclaim(trusted) {
            // Not `reserve`: it would take what was handed out, and is not used any more, along into the larger allocation.
            // A frame that has begun to arrive doubles its room, so that what has arrived is not copied time and again.
            let mut larger = BytesMut::with_capacity(arrived + trusted.max(arrived.min(missing)));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        &mut self.bytes
    }

    /// Whether the peer has sent anything at all.
    pub(crate) fn has_received(&self) -> bool {
        self.any || !self.bytes.is_empty()
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_inside_frame(&self) -> bool {
        !self.bytes.is_empty()
    }
}

/// Room for one read when no frame has begun.
const SMALL_READ_BYTES: usize = 8 * 1024;
/// The most that is allocated on the word of a size alone, before a longer frame has come; the rest follows as the bytes
/// arrive.
const MAX_TRUSTED_BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    fn inbound(bytes: &[u8]) -> Inbound {
        let mut inbound = Inbound::new(1000);
        inbound.room().extend_from_slice(bytes);
        inbound
    }

    #[test]
    fn frames_come_out_whole_and_in_order_however_the_bytes_arrive() {
        let stream = [0, 0, 0, 3, b'a', b'b', b'c', 0, 0, 0, 0, 0, 0, 0, 1, b'd'];
        for step in 1..=stream.len() {
            let mut inbound = Inbound::new(1000);
            let mut frames = Vec::new();
            for chunk in stream.chunks(step) {
                inbound.room().extend_from_slice(chunk);
                while let Some(frame) = inbound.take().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [&b"abc"[..], b"", b"d"], "in steps of {step}");
            assert!(!inbound.is_inside_frame());
        }
    }

    #[test]
    fn a_size_over_the_limit_is_refused_before_anything_is_allocated_for_it() {
        let mut inbound = inbound(&[0x7f, 0xff, 0xff, 0xff]);
        assert!(inbound.room().capacity() <= SMALL_READ_BYTES);
        assert!(matches!(
            inbound.take(),
            Err(FrameError::TooLarge { size_bytes: 0x7fff_ffff, max_bytes: 1000 })
        ));
    }

    #[test]
    fn a_peer_that_speaks_something_else_is_recognised() {
        assert_eq!(inbound(b"HTTP/1.1 400 Bad Request").take(), Err(FrameError::Http));
        assert_eq!(inbound(&[0x15, 3, 3, 0, 2, 2, 70]).take(), Err(FrameError::Tls));
        assert!(matches!(inbound(&[0xff; 4]).take(), Err(FrameError::Negative(-1))));
    }

    #[test]
    fn a_large_frame_takes_the_place_of_one_that_is_done_with_and_nothing_else_along() {
        let mut inbound = Inbound::new(1 << 20);
        let arrive = |inbound: &mut Inbound, size: usize| {
            inbound.room().extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
            inbound.room().resize(4 + size, 7);
            inbound.take().unwrap().unwrap()
        };
        let first = arrive(&mut inbound, 100_000);
        let place = first.as_ptr();
        drop(first);
        let second = arrive(&mut inbound, 90_000);
        assert_eq!(second.as_ptr(), place, "the memory is used again");
        drop(second);
        inbound.room().extend_from_slice(&200_000_u32.to_be_bytes());
        let grown = allocation_counter::measure(|| assert!(inbound.room().capacity() >= 200_000));
        assert!(grown.bytes_total < 210_000, "{} bytes", grown.bytes_total);
    }

    #[test]
    fn the_room_of_a_frame_beyond_trust_doubles_as_it_arrives() {
        let mut inbound = Inbound::new(100 << 20);
        inbound.room().extend_from_slice(&(64_u32 << 20).to_be_bytes());
        let grown = allocation_counter::measure(|| {
            while inbound.bytes.len() < 4 + (64 << 20) {
                let room = inbound.room();
                let spare = room.capacity() - room.len();
                assert!(
                    spare <= room.len().max(MAX_TRUSTED_BYTES),
                    "nothing is believed beyond what has come"
                );
                room.put_bytes(7, spare);
            }
        });
        assert!(grown.bytes_total < 3 * (64 << 20), "{} bytes", grown.bytes_total);
    }

    #[test]
    fn the_size_of_a_frame_that_has_come_is_believed_of_the_next() {
        let size = 3 * MAX_TRUSTED_BYTES;
        let mut inbound = Inbound::new(100 << 20);
        let begin = |inbound: &mut Inbound| {
            inbound.room().extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
        };
        begin(&mut inbound);
        let first = loop {
            let room = inbound.room();
            room.put_bytes(7, room.capacity() - room.len());
            if let Some(frame) = inbound.take().unwrap() {
                break frame;
            }
        };
        begin(&mut inbound);
        let grown = allocation_counter::measure(|| {
            let room = inbound.room();
            assert!(room.capacity() - room.len() >= size);
        });
        assert!(
            grown.bytes_total < size as u64 + 100,
            "{} bytes beside a frame of {}",
            grown.bytes_total,
            first.len()
        );
    }

    #[test]
    fn the_buffer_is_sized_by_the_frame_that_has_begun() {
        let mut inbound = Inbound::new(1 << 20);
        inbound.room().extend_from_slice(&[0, 4, 0, 0]);
        let room = inbound.room();
        assert!(room.capacity() - room.len() >= 4 << 16);
    }
}
