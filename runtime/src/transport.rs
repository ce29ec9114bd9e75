//! The seam to the network: something that connects, and a connection's bytes in both directions.
use crate::Address;
use bytes::BytesMut;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections: TCP, an in-process broker, a faulty link around either.
pub trait Transport: Send + Sync + 'static {
    /// Opens a connection to `address`. Names are resolved at each call, because addresses behind a name change.
    ///
    /// Dropping the future gives up the attempt.
    fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>>;

    /// What this is, for error messages: `TCP`, `in-process broker`.
    fn describe(&self) -> &str;
}

/// A connection: an ordered stream of bytes in each direction. Dropping it closes both.
///
/// Every method registers the task of `cx` when it answers `Pending`. Reading and writing may wait at the same time, from
/// one task or from two.
pub trait Duplex: Send + 'static {
    /// Appends what has arrived to `buf` and says how much that was; 0 means that the peer will send no more.
    ///
    /// It fills the spare capacity of `buf` and reserves some only if there is none, so whoever knows the size of a
    /// frame reserves the rest of it first.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Takes bytes from the front of `bufs` in order and says how many; fewer than given is usual.
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Pushes out what a layer between (TLS) may hold back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says to the peer that nothing more will be sent. What the peer still sends can be read.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl dyn Duplex {
    /// Reads once, appending to `buf`; 0 means that the peer will send no more.
    ///
    /// # Errors
    /// What the connection says, `ConnectionReset` for one.
    ///
    /// # Cancel safety
    /// Nothing is taken from the connection if the future is dropped.
    pub async fn read(&mut self, buf: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }

    /// Writes all of `bytes` and flushes.
    ///
    /// # Errors
    /// What the connection says; `WriteZero` if it takes no more.
    ///
    /// # Cancel safety
    /// Not cancel safe: a dropped future may have written a part.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.poll_write_vectored(cx, &[IoSlice::new(bytes)])).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(written..).unwrap_or_default();
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Says to the peer that nothing more will be sent.
    ///
    /// # Errors
    /// What the connection says.
    ///
    /// # Cancel safety
    /// It can be called again after a dropped future.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_shutdown(cx)).await
    }
}

impl fmt::Debug for dyn Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Duplex")
    }
}

/// Makes room if there is none; a caller that wants more per read reserves before.
pub(crate) fn reserve_if_full(buf: &mut BytesMut) {
    if buf.capacity() == buf.len() {
        buf.reserve(READ_BYTES);
    }
}

/// Room for one read when the caller reserved none.
const READ_BYTES: usize = 16 * 1024;
