//! Links: what lies between a host and a broker, and the transport that goes through them.
use crate::connection;
use crate::host::Group;
use crate::state::State;
use courant_runtime::{Address, BoxFuture, Duplex, Rng, Transport};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What a link does to the bytes that go through it; the probabilities are per Kafka frame (a request or a response).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkFaults {
    /// The shortest time that bytes are under way.
    pub delay_min: Duration,
    /// The longest time that bytes are under way.
    pub delay_max: Duration,
    /// How likely a frame is held up for up to `stall_max` on top.
    pub stall: f64,
    /// The longest hold-up.
    pub stall_max: Duration,
    /// How likely the connection breaks while a request is under way: at a random byte, the last one included. Before the
    /// last the broker never sees the request; after it the broker applies it and nobody hears of it.
    pub cut_request: f64,
    /// How likely the connection breaks while a response is under way: the broker has applied the request.
    pub cut_response: f64,
    /// How likely a frame arrives in several reads, broken at random bytes.
    pub split: f64,
    /// How likely connecting is refused.
    pub refuse: f64,
}

impl LinkFaults {
    /// A link without faults and without delay.
    pub const fn none() -> Self {
        Self::slow(Duration::ZERO)
    }

    /// A link that is only slow.
    pub const fn slow(delay: Duration) -> Self {
        Self {
            delay_min: delay,
            delay_max: delay,
            stall: 0.0,
            stall_max: Duration::ZERO,
            cut_request: 0.0,
            cut_response: 0.0,
            split: 0.0,
            refuse: 0.0,
        }
    }

    /// A bad day: delays of 0–20 ms, hold-ups of up to 3 s, a cut in every hundredth frame or so, many splits.
    pub const fn rough() -> Self {
        Self {
            delay_min: Duration::ZERO,
            delay_max: Duration::from_millis(20),
            stall: 0.02,
            stall_max: Duration::from_secs(3),
            cut_request: 0.01,
            cut_response: 0.01,
            split: 0.2,
            refuse: 0.05,
        }
    }

    pub(crate) fn delay(&self, rng: &mut Rng) -> Duration {
        let stall = if rng.chance(self.stall) {
            rng.duration(Duration::ZERO, self.stall_max)
        } else {
            Duration::ZERO
        };
        rng.duration(self.delay_min, self.delay_max) + stall
    }
}

/// The transport of one incarnation of a host: every connection goes through a link.
pub(crate) struct SimTransport {
    pub(crate) state: Arc<State>,
    pub(crate) group: Arc<Group>,
}

impl Transport for SimTransport {
    fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        Box::pin(connect(Arc::clone(&self.state), Arc::clone(&self.group), address.clone()))
    }

    fn describe(&self) -> &str {
        "simulated network"
    }
}

async fn connect(state: Arc<State>, group: Arc<Group>, address: Address) -> io::Result<Box<dyn Duplex>> {
    let (host, peer) = (group.host().to_owned(), address.host.clone());
    let number = state.next_connection(&host, &peer);
    let mut rng = Rng::new(state.seed, &format!("link {host} {address} {number}"));
    let faults = state.link_faults(&host, &peer);
    let name = format!("{host}>{peer}#{number}");
    state.event(format_args!("{name} connecting"));
    // The way there and the way back of the handshake.
    for (from, to) in [(&host, &peer), (&peer, &host)] {
        tokio::time::sleep(faults.delay(&mut rng)).await;
        state.until_open(from, to).await;
    }
    if rng.chance(faults.refuse) || group.is_down() {
        state.event(format_args!("{name} refused"));
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            format!("{address} refused the connection"),
        ));
    }
    let Some(transport) = state.served() else {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the simulation serves nothing; call `Sim::serve`",
        ));
    };
    let broker =
        transport.connect(&address).await.inspect_err(|e| state.event(format_args!("{name} failed: {e}")))?;
    Ok(connection::start(&state, &group, connection::Ends { name, host, peer }, broker, rng))
}
