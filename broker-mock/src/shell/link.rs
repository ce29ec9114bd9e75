//! One connection from the broker's side, without the socket: bytes in, frames to the machine, bytes out.
use std::collections::VecDeque;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use bytes::{Buf, Bytes, BytesMut};
use courant_protocol::frame::read_size;
use courant_runtime::Sleep;

use super::hub::Hub;
use crate::cluster::ConnectionId;

/// Bytes that were read ahead of a busy connection before reading stops.
const READ_AHEAD_BYTES: usize = 64 * 1024;
/// Room for a read when no frame has begun.
const LEAST_ROOM_BYTES: usize = 4 * 1024;
/// Most pieces that one vectored write takes.
const MAX_SLICES: usize = 64;

/// A connection's bytes on both sides of the machine.
#[derive(Debug)]
pub(crate) struct Link {
    hub: Arc<Hub>,
    id: ConnectionId,
    max_request_bytes: usize,
    incoming: BytesMut,
    outgoing: VecDeque<Bytes>,
    is_ready: bool,
    is_closed: bool,
    timer: Option<Sleep>,
}

impl Link {
    pub(crate) fn new(hub: Arc<Hub>, id: ConnectionId) -> Self {
        let max_request_bytes = hub.max_request_bytes();
        Self {
            hub,
            id,
            max_request_bytes,
            incoming: BytesMut::new(),
            outgoing: VecDeque::new(),
            is_ready: true,
            is_closed: false,
            timer: None,
        }
    }

    /// Where to put what the client sends.
    pub(crate) fn incoming(&mut self) -> &mut BytesMut {
        &mut self.incoming
    }

    /// The same with room for the rest of a frame that has begun, as far as what came of it vouches for.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        let prefix = self.incoming.get(..4).and_then(|prefix| <[u8; 4]>::try_from(prefix).ok());
        let size =
            prefix.and_then(|prefix| read_size(prefix, self.max_request_bytes).ok()).unwrap_or_default();
        let missing = (4 + size).saturating_sub(self.incoming.len());
        self.incoming.reserve(missing.clamp(LEAST_ROOM_BYTES, READ_AHEAD_BYTES.max(self.incoming.len())));
        &mut self.incoming
    }

    /// Whether more of what the client sends can be taken.
    pub(crate) fn wants_bytes(&self) -> bool {
        !self.is_closed && (self.is_ready || self.incoming.len() < READ_AHEAD_BYTES)
    }

    /// Whether the broker has closed the connection, though there may be something left to send.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether nothing is to be sent any more, and nothing taken.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed && self.outgoing.is_empty()
    }

    /// Feeds whole frames to the machine as it takes them, moves time on, and collects what is to be sent.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            self.look(cx);
            if self.is_ready
                && !self.is_closed
                && let Some(frame) = self.next_frame()
            {
                self.hub.handle_frame(self.id, frame);
                continue;
            }
            if !self.timer_has_fired(cx) {
                return;
            }
            self.hub.handle_timeout();
        }
    }

    /// What is to be sent, as slices for a vectored write.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.outgoing.iter().take(MAX_SLICES).map(|segment| IoSlice::new(segment)).collect()
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// So many bytes were sent.
    pub(crate) fn sent(&mut self, mut bytes: usize) {
        while let Some(first) = self.outgoing.front_mut().filter(|_| bytes > 0) {
            let taken = first.len().min(bytes);
            first.advance(taken);
            bytes -= taken;
            if first.is_empty() {
                self.outgoing.pop_front();
            }
        }
    }

    /// Moves what is to be sent into a buffer.
    pub(crate) fn drain_into(&mut self, buf: &mut BytesMut) -> usize {
        let before = buf.len();
        self.outgoing.drain(..).for_each(|segment| buf.extend_from_slice(&segment));
        buf.len() - before
    }

    fn look(&mut self, cx: &Context<'_>) {
        let mut sight = self.hub.look(self.id, cx);
        self.outgoing.append(&mut sight.segments);
        self.is_closed |= sight.is_closed;
        self.is_ready = sight.is_ready;
        match (sight.deadline, &mut self.timer) {
            (None, timer) => *timer = None,
            (Some(deadline), Some(timer)) if timer.deadline() == deadline => {}
            (Some(deadline), Some(timer)) => timer.reset(deadline),
            (Some(deadline), timer) => *timer = Some(self.hub.world.sleep_until(deadline)),
        }
    }

    fn timer_has_fired(&mut self, cx: &mut Context<'_>) -> bool {
        let fired = self.timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
        if fired {
            self.timer = None;
        }
        fired
    }

    /// The next whole frame; a size that cannot be closes the connection.
    fn next_frame(&mut self) -> Option<Bytes> {
        let prefix: [u8; 4] = self.incoming.get(..4)?.try_into().ok()?;
        let Ok(size) = read_size(prefix, self.max_request_bytes) else {
            self.hub.with(|machine, _| machine.close(self.id));
            self.is_closed = true;
            self.incoming.clear();
            return None;
        };
        if self.incoming.len() < 4 + size {
            return None;
        }
        self.incoming.advance(4);
        Some(self.incoming.split_to(size).freeze())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.hub.handle_closed(self.id);
    }
}
