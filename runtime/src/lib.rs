//! The world that a client runs in: bytes from a [`Transport`], time from a [`Clock`], tasks, and seeded randomness.
//!
//! Everything above this crate asks a [`World`] instead of the operating system, so that the same client runs on TCP and
//! real time ([`World::tokio`]), against an in-process broker, or in a simulation on one thread with virtual time.
//!
//! ```text
//! client, broker-mock ──► World ──┬─► Transport ──► Duplex     TCP, an in-process pipe, a faulty link
//!                                 ├─► Clock                    the machine's clock, or tokio's paused one
//!                                 ├─► Sleep                    always tokio's timers, so that a paused clock is virtual time
//!                                 ├─► Task, BlockingTask       tokio tasks of the caller's runtime
//!                                 └─► Rng                      one seed, one stream of numbers per name
//! ```
//!
//! ```
//! use courant_runtime::World;
//! use std::time::Duration;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let world = World::tokio();
//!     let deadline = world.now() + Duration::from_millis(1);
//!     world.sleep_until(deadline).await;
//!     assert!(world.now() >= deadline);
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
mod address;
mod clock;
pub mod duplex;
mod rng;
mod sleep;
mod task;
pub mod tcp;
mod transport;
pub mod watch;
mod world;

pub use address::{Address, AddressError};
pub use clock::{Clock, SystemClock, VirtualClock, is_inside_runtime, moment_after};
pub use rng::Rng;
pub use sleep::Sleep;
pub use task::{BlockingTask, Spawner, Task, TaskError};
pub use transport::{BoxFuture, Duplex, Transport};
pub use world::{World, WorldBuilder};
