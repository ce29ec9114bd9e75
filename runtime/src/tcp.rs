//! TCP: the transport of the tokio world, and the listener that a broker in this process uses.
use crate::transport::reserve_if_full;
use crate::{Address, BoxFuture, Duplex, Transport};
use bytes::BytesMut;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Connects by TCP, with Nagle's algorithm off.
///
/// Each attempt resolves the host anew and walks all of its addresses (Kafka's `client.dns.lookup=use_all_dns_ips`); the
/// error of a failed attempt names each address that was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Transport for Tcp {
    fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let address = address.clone();
        Box::pin(async move {
            let stream = connect_any(&address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(TcpDuplex { stream }) as Box<dyn Duplex>)
        })
    }

    fn describe(&self) -> &str {
        "TCP"
    }
}

async fn connect_any(address: &Address) -> io::Result<TcpStream> {
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let resolved =
        resolved.map_err(|e| io::Error::new(e.kind(), format!("cannot resolve `{}`: {e}", address.host)))?;
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    for candidate in resolved {
        match TcpStream::connect(candidate).await {
            Ok(stream) => return Ok(stream),
            Err(e) => failures.push((candidate, e)),
        }
    }
    let kind = failures.last().map_or(io::ErrorKind::NotFound, |(_, e)| e.kind());
    let tried: Vec<String> = failures.iter().map(|(candidate, e)| format!("{candidate}: {e}")).collect();
    let text = if tried.is_empty() { format!("`{}` has no address", address.host) } else { tried.join("; ") };
    Err(io::Error::new(kind, text))
}

struct TcpDuplex {
    stream: TcpStream,
}

impl Duplex for TcpDuplex {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        reserve_if_full(buf);
        // Unlike `try_read_buf` it knows that a socket which gave less than was asked for is empty, and does not ask again.
        pin!(self.stream.read_buf(buf)).poll(cx)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts TCP connections as [`Duplex`]es; for brokers that run in this process.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
}

impl Listener {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// What the operating system says, `AddrInUse` for one.
    ///
    /// # Cancel safety
    /// Dropping the future listens on nothing.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { inner: TcpListener::bind(address).await? })
    }

    /// The address that it listens on, with the port that was taken.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Waits for the next connection and gives it with its peer's address.
    ///
    /// # Errors
    /// What the operating system says; the listener goes on after an error of a single connection.
    ///
    /// # Cancel safety
    /// No connection is lost if the future is dropped.
    pub async fn accept(&self) -> io::Result<(Box<dyn Duplex>, SocketAddr)> {
        let (stream, peer) = self.inner.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(TcpDuplex { stream }), peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;
    use bytes::Buf;

    async fn listener() -> (Listener, Address) {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_is_seen() {
        let (listener, address) = listener().await;
        let mut client = World::tokio().connect(&address).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();

        client.write_all(b"ping").await.unwrap();
        let mut buf = BytesMut::new();
        while buf.len() < 4 {
            server.read(&mut buf).await.unwrap();
        }
        assert_eq!(&buf[..], b"ping");
        server.write_all(&vec![7; 1 << 20]).await.unwrap_or_default();
        client.shutdown().await.unwrap();
        buf.clear();
        assert_eq!(server.read(&mut buf).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_read_fills_what_the_caller_reserved() {
        let (listener, address) = listener().await;
        let mut client = World::tokio().connect(&address).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let writer = tokio::spawn(async move { client.write_all(&vec![7; 1 << 20]).await });
        let mut buf = BytesMut::with_capacity(1 << 20);
        let start = buf.as_ptr();
        while buf.len() < 1 << 20 {
            server.read(&mut buf).await.unwrap();
        }
        writer.await.unwrap().unwrap();
        assert_eq!(buf.as_ptr(), start);
        buf.advance(1);
    }

    #[tokio::test]
    async fn a_refused_connection_names_the_address() {
        let (listener, address) = listener().await;
        drop(listener);
        let error = World::tokio().connect(&address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&address.to_string()), "{error}");
    }
}
