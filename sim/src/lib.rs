//! A seeded world for testing Kafka clients and the code that uses them: one thread, virtual time, faulty links.
//!
//! ```text
//!            ┌── Host "app" ── tasks ──┐             ┌── brokers (any transport) ──┐
//! Sim(seed) ─┤   World: clock, rng, ───┼── link ─────┤   connections               │
//!            └── crash, restart ───────┘  delay, cut, └─────────────────────────────┘
//!                                         split, refuse, block
//!      └── Trace: every event, the same for the same seed      └── History: what was sent, acknowledged, delivered
//! ```
//! A [`Sim`] runs a future and everything that it spawns on one thread whose clock stands still while there is work and
//! jumps to the next timer when there is none: an hour takes milliseconds. All randomness follows from the seed, so a
//! failure is repeated by its seed. A run that does not end within a limit of *virtual* time fails as a hang, and work that
//! goes round and round while time stands still fails as a livelock.
//!
//! [`Family`] runs a test over many seeds, [`Chaos`] troubles brokers, links and hosts, [`History`] checks what the clients
//! saw against what the logs hold. The example `simulate` of the crate `courant` tests a whole program so.
//!
//! ```
//! use bytes::BytesMut;
//! use courant_runtime::{Address, BoxFuture, Duplex, Transport, duplex};
//! use courant_sim::{LinkFaults, Sim};
//! use std::{io, sync::Arc, time::Duration};
//!
//! /// Something to talk to: it answers what it hears.
//! struct Echo;
//!
//! impl Transport for Echo {
//!     fn connect(&self, _: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
//!         let (here, there) = duplex::pair(1024);
//!         let mut there: Box<dyn Duplex> = Box::new(there);
//!         tokio::spawn(async move {
//!             let mut heard = BytesMut::new();
//!             while there.read(&mut heard).await? > 0 {
//!                 there.write_all(&heard.split()).await?;
//!             }
//!             Ok::<(), io::Error>(())
//!         });
//!         Box::pin(async { Ok(Box::new(here) as Box<dyn Duplex>) })
//!     }
//!
//!     fn describe(&self) -> &str {
//!         "echo"
//!     }
//! }
//!
//! let sim = Sim::new(7);
//! sim.serve(Arc::new(Echo));
//! sim.faults(LinkFaults::slow(Duration::from_secs(600))); // ten minutes each way
//! let world = sim.world("app");
//! let heard = sim.limit(Duration::from_secs(3600)).run(async move {
//!     let mut connection = world.connect(&Address::new("echo", 7)).await?;
//!     connection.write_all(b"\0\0\0\x02hi").await?;
//!     let mut heard = BytesMut::new();
//!     connection.read(&mut heard).await?;
//!     Ok::<_, io::Error>(heard)
//! })??;
//! assert_eq!(&heard[4..], b"hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod chaos;
mod clock;
mod connection;
mod family;
mod frames;
pub mod history;
mod host;
mod lane;
mod link;
mod sim;
mod state;
mod trace;

pub use chaos::Chaos;
pub use family::{Family, FamilyError, Report, chosen_seeds};
pub use history::History;
pub use host::Host;
pub use link::LinkFaults;
pub use sim::{Session, Sim, SimError};
