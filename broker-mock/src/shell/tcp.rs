//! TCP: a listener per broker, a task per connection.
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use courant_protocol::types::NodeId;
use courant_runtime::Duplex;
use courant_runtime::tcp::Listener;
use tokio::sync::watch;

use super::hub::Hub;
use super::link::Link;

/// Rounds of reading and writing before others get their turn.
const ROUNDS: usize = 32;
/// How long a listener rests when it cannot accept, out of file descriptors for one.
const REST: Duration = Duration::from_millis(50);

/// Accepts connections for one broker until `stop` changes. While the broker is down its port is closed.
pub(crate) async fn serve(hub: Arc<Hub>, node: NodeId, listener: Listener, mut stop: watch::Receiver<bool>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut liveness = hub.liveness();
    // Moved here, it is dropped before `stop`: whoever waits for that finds the port closed.
    let mut listener = Some(listener);
    loop {
        liveness.mark_unchanged();
        if !hub.is_alive(node) {
            listener = None;
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                _ = liveness.changed() => continue,
            }
        }
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => return,
            _ = liveness.changed() => continue,
            accepted = next(&mut listener, address) => accepted,
        };
        match accepted {
            Ok(duplex) => accept(&hub, node, duplex, stop.clone()),
            Err(error) => {
                tracing::warn!(target: "courant::broker_mock", %node, %error, "cannot accept a connection");
                hub.world.sleep(REST).await;
            }
        }
    }
}

/// The next connection; a port that was closed is opened again first.
async fn next(listener: &mut Option<Listener>, address: SocketAddr) -> io::Result<Box<dyn Duplex>> {
    let open = match listener {
        Some(open) => open,
        None => listener.insert(Listener::bind(address).await?),
    };
    open.accept().await.map(|(duplex, _)| duplex)
}

fn accept(hub: &Arc<Hub>, node: NodeId, duplex: Box<dyn Duplex>, mut stop: watch::Receiver<bool>) {
    // Whoever comes to a broker that is down is sent away at once.
    let Some(id) = hub.connect(node) else { return };
    let mut carrier = Carrier { duplex, link: Link::new(Arc::clone(hub), id) };
    // The task ends with its peer, its broker or the cluster; nobody waits for it.
    drop(hub.world.spawn("broker connection", async move {
        let ended = tokio::select! {
            biased;
            _ = stop.changed() => Ok(()),
            ended = poll_fn(|cx| carrier.poll(cx)) => ended,
        };
        // The connection ends before `stop`, whose end says that it has.
        drop(carrier);
        if let Err(error) = ended {
            tracing::debug!(target: "courant::broker_mock", %node, %error, "a connection ended");
        }
    }));
}

struct Carrier {
    duplex: Box<dyn Duplex>,
    link: Link,
}

impl Carrier {
    /// Carries bytes both ways until the peer or the broker ends it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..ROUNDS {
            self.link.poll(cx);
            while self.link.has_outgoing() {
                let written = ready!(self.duplex.poll_write_vectored(cx, &self.link.slices()))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.link.sent(written);
            }
            if self.link.is_over() {
                return Poll::Ready(Ok(()));
            }
            if !self.link.wants_bytes() {
                return Poll::Pending;
            }
            if ready!(self.duplex.poll_read(cx, self.link.room()))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
