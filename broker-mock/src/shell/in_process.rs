//! Connections inside the process: the client's own polls carry the bytes, so there is no task and no thread between.
//!
//! ```text
//! client poll_write ─► Link ─► Machine ─► outboxes ─► client poll_read
//! ```
//! A reader that waits holds a timer for its connection's deadline (the end of a long poll, a delayed answer).
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use courant_protocol::types::NodeId;
use courant_runtime::{Address, BoxFuture, Duplex, Transport};

use super::hub::Hub;
use super::link::Link;

/// Connects to the brokers of one cluster by their names.
#[derive(Debug)]
pub(crate) struct InProcessTransport {
    hub: Arc<Hub>,
}

impl InProcessTransport {
    pub(crate) fn new(hub: &Arc<Hub>) -> Self {
        Self { hub: Arc::clone(hub) }
    }
}

impl Transport for InProcessTransport {
    fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let connected = connect(Arc::clone(&self.hub), address);
        Box::pin(std::future::ready(connected))
    }

    fn describe(&self) -> &str {
        "in-process broker"
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "no such broker is up in the in-process cluster")
}

fn connect(hub: Arc<Hub>, address: &Address) -> io::Result<Box<dyn Duplex>> {
    let node = hub.with(|machine, _| {
        let is_it = |node: &&crate::cluster::Broker| *node.host == *address.host && node.port == address.port;
        let by_name = in_process_node(address).filter(|node| machine.cluster.brokers.contains_key(node));
        machine.cluster.brokers.values().find(is_it).map(|broker| broker.id).or(by_name)
    });
    let id = node.and_then(|node| hub.connect(node)).ok_or_else(refused)?;
    Ok(Box::new(InProcess { link: Link::new(hub, id), is_shut: false }))
}

/// `mock-N:9092` names broker N even while the cluster also listens on TCP and announces those addresses.
fn in_process_node(address: &Address) -> Option<NodeId> {
    address.host.strip_prefix("mock-").filter(|_| address.port == 9092)?.parse().ok().map(NodeId)
}

/// The client's end.
#[derive(Debug)]
struct InProcess {
    link: Link,
    is_shut: bool,
}

impl Duplex for InProcess {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.link.poll(cx);
        if self.link.has_outgoing() {
            return Poll::Ready(Ok(self.link.drain_into(buf)));
        }
        if self.link.is_over() || self.is_shut { Poll::Ready(Ok(0)) } else { Poll::Pending }
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.link.wants_bytes() {
            self.link.poll(cx);
        }
        if self.is_shut || self.link.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !self.link.wants_bytes() {
            return Poll::Pending;
        }
        let incoming = self.link.incoming();
        let before = incoming.len();
        bufs.iter().for_each(|buf| incoming.extend_from_slice(buf));
        let written = incoming.len() - before;
        self.link.poll(cx);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll(cx);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut = true;
        Poll::Ready(Ok(()))
    }
}
