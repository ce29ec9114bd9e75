//! A connection inside the process: two ends, bounded buffers, and the ways in which a TCP connection ends.
//!
//! ```text
//! left  ── write ──► lane (≤ capacity bytes) ── read ──► right
//! left  ◄── read ─── lane (≤ capacity bytes) ◄─ write ── right
//! ```
//! - [`poll_shutdown`](Duplex::poll_shutdown) or dropping an end: the peer reads what is there, then the end (0 bytes).
//! - A write to a peer that was dropped fails with `BrokenPipe`.
//! - [`Breaker::reset`]: bytes under way are lost and both ends fail with `ConnectionReset`, as after a TCP reset.
//!
//! ```
//! use bytes::BytesMut;
//! use courant_runtime::{Duplex, duplex};
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! runtime.block_on(async {
//!     let (left, right) = duplex::pair(1024);
//!     let (mut left, mut right): (Box<dyn Duplex>, Box<dyn Duplex>) = (Box::new(left), Box::new(right));
//!     left.write_all(b"ping").await?;
//!     drop(left);
//!     let mut received = BytesMut::new();
//!     assert_eq!(right.read(&mut received).await?, 4);
//!     assert_eq!(right.read(&mut received).await?, 0); // the end
//!     assert_eq!(&received[..], b"ping");
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
use crate::Duplex;
use bytes::{Buf, BytesMut};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Makes a connection whose directions hold up to `capacity_bytes` each (at least 1).
pub fn pair(capacity_bytes: usize) -> (Pipe, Pipe) {
    let lane = || Arc::new(Mutex::new(Lane::new(capacity_bytes.max(1))));
    let (there, back) = (lane(), lane());
    let left = Pipe { incoming: Arc::clone(&back), outgoing: Arc::clone(&there) };
    (left, Pipe { incoming: there, outgoing: back })
}

/// One end of a connection made by [`pair`].
#[derive(Debug)]
pub struct Pipe {
    incoming: Arc<Mutex<Lane>>,
    outgoing: Arc<Mutex<Lane>>,
}

impl Pipe {
    /// Something that can reset this connection while its ends are in use elsewhere.
    pub fn breaker(&self) -> Breaker {
        Breaker { lanes: [Arc::clone(&self.incoming), Arc::clone(&self.outgoing)] }
    }
}

/// Resets a connection from outside: a crashed host, a cut cable.
#[derive(Clone, Debug)]
pub struct Breaker {
    lanes: [Arc<Mutex<Lane>>; 2],
}

impl Breaker {
    /// Loses the bytes under way and fails both ends with `ConnectionReset`.
    pub fn reset(&self) {
        for lane in &self.lanes {
            lock(lane).reset();
        }
    }
}

#[derive(Debug)]
struct Lane {
    bytes: BytesMut,
    capacity_bytes: usize,
    state: LaneState,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaneState {
    Open,
    Ended,
    Reset,
}

impl Lane {
    fn new(capacity_bytes: usize) -> Self {
        let bytes = BytesMut::new();
        Self { bytes, capacity_bytes, state: LaneState::Open, reader_gone: false, reader: None, writer: None }
    }

    fn reset(&mut self) {
        self.state = LaneState::Reset;
        self.bytes = BytesMut::new();
        self.wake_both();
    }

    fn end(&mut self) {
        if self.state == LaneState::Open {
            self.state = LaneState::Ended;
        }
        self.wake_both();
    }

    fn wake_both(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    fn take(&mut self, buf: &mut BytesMut) -> usize {
        let spare = buf.capacity() - buf.len();
        if spare < self.bytes.len() && buf.is_empty() {
            // The reader has no room for all of it: it gets the lane's own buffer instead of a copy.
            *buf = std::mem::take(&mut self.bytes);
            return buf.len();
        }
        crate::transport::reserve_if_full(buf);
        let count = self.bytes.len().min(buf.capacity() - buf.len());
        buf.extend_from_slice(self.bytes.get(..count).unwrap_or_default());
        self.bytes.advance(count);
        count
    }

    fn put(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        let before = self.bytes.len();
        for buf in bufs {
            let count = buf.len().min(self.capacity_bytes.saturating_sub(self.bytes.len()));
            self.bytes.extend_from_slice(buf.get(..count).unwrap_or_default());
        }
        self.bytes.len() - before
    }
}

impl Duplex for Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut lane = lock(&self.incoming);
        match lane.state {
            LaneState::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ if !lane.bytes.is_empty() => {
                let count = lane.take(buf);
                if let Some(writer) = lane.writer.take() {
                    writer.wake();
                }
                Poll::Ready(Ok(count))
            }
            LaneState::Ended => Poll::Ready(Ok(0)),
            LaneState::Open => {
                register(&mut lane.reader, cx);
                Poll::Pending
            }
        }
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut lane = lock(&self.outgoing);
        match lane.state {
            LaneState::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            LaneState::Ended => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            LaneState::Open if lane.reader_gone => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            LaneState::Open => {}
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let count = lane.put(bufs);
        if count == 0 {
            register(&mut lane.writer, cx);
            return Poll::Pending;
        }
        if let Some(reader) = lane.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.outgoing).end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        lock(&self.outgoing).end();
        let mut incoming = lock(&self.incoming);
        incoming.reader_gone = true;
        incoming.bytes = BytesMut::new();
        incoming.wake_both();
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

/// A panic while the lock is held leaves a lane consistent: each method changes it in steps that cannot fail.
fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(capacity_bytes: usize) -> (Box<dyn Duplex>, Box<dyn Duplex>, Breaker) {
        let (left, right) = pair(capacity_bytes);
        let breaker = left.breaker();
        (Box::new(left), Box::new(right), breaker)
    }

    #[tokio::test]
    async fn a_full_lane_makes_the_writer_wait_for_the_reader() {
        let (mut left, mut right, _) = boxed(3);
        let sent: Vec<u8> = (0..100).collect();
        let to_send = sent.clone();
        let writer = tokio::spawn(async move { left.write_all(&to_send).await });
        let mut received = BytesMut::new();
        let mut most = 0;
        loop {
            match right.read(&mut received).await.unwrap() {
                0 => break,
                count => most = most.max(count),
            }
        }
        writer.await.unwrap().unwrap();
        assert_eq!(&received[..], &sent[..]);
        assert_eq!(most, 3);
    }

    #[tokio::test]
    async fn after_a_shutdown_the_other_direction_stays_open() {
        let (mut left, mut right, _) = boxed(16);
        let mut buf = BytesMut::new();
        left.write_all(b"last").await.unwrap();
        left.shutdown().await.unwrap();
        assert_eq!(left.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(right.read(&mut buf).await.unwrap(), 4);
        assert_eq!(right.read(&mut buf).await.unwrap(), 0);
        right.write_all(b"reply").await.unwrap();
        assert_eq!(left.read(&mut BytesMut::new()).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn a_write_to_a_dropped_peer_fails_and_wakes_a_waiting_writer() {
        let (mut left, right, _) = boxed(2);
        let writer = tokio::spawn(async move { left.write_all(b"too long").await });
        tokio::task::yield_now().await;
        drop(right);
        assert_eq!(writer.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_reset_loses_what_is_under_way_and_fails_both_ends() {
        let (mut left, mut right, breaker) = boxed(16);
        left.write_all(b"lost").await.unwrap();
        let waiting = tokio::spawn(async move { left.read(&mut BytesMut::new()).await });
        tokio::task::yield_now().await;
        breaker.reset();
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(
            right.read(&mut BytesMut::new()).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        assert_eq!(right.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
