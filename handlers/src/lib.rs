//! An async function for each record of Apache Kafka: many at once, in order where order matters, committed without gaps.
//!
//! ```text
//! consumer ─► runner.rs ─► machine/lanes (one per key, or partition) ─► machine/schedule ─► slots.rs ─► your async function
//!   ▲ records, rebalances    full? only rebalances are asked for          n at a time          polled here, not spawned
//!   │                                                                                          │
//!   └─ commits, up to the first gap ◄── Acks ◄── finished ◄──────── Ok ──────────────────────┤
//!                                          ▲                                                  Err
//!                                          └─ written ◄── dead_letter.rs ◄── for good ── machine/policy ─► again, after a while
//! ```
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
//! # runtime.block_on(async {
//! # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
//! # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
//! # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
//! # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
//! # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
//! # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
//! # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
//! # let shutdown = tokio::time::sleep(std::time::Duration::from_secs(10));
//! use courant_client::codec::Utf8;
//! use courant_consumer::Consumer;
//! use courant_handlers::Handlers;
//! use std::{future::poll_fn, io, pin::pin, task::Poll, time::Duration};
//!
//! let orders = Consumer::builder(&kafka).group("billing").subscribe(["orders"]).auto_offset_reset("earliest");
//! let mut billing = Handlers::new(orders)
//!     .typed(Utf8, Utf8)
//!     .for_each_per_key(16, async |order| {
//!         println!("order {} is {}", order.key, order.value); // await whatever you like
//!         Ok::<(), io::Error>(())
//!     })
//!     .await?;
//! {
//!     // Runs until it is told to stop; `tokio::select!` says the same.
//!     let (mut running, mut shutdown) = (pin!(billing.run()), pin!(shutdown));
//!     poll_fn(|cx| match shutdown.as_mut().poll(cx) {
//!         Poll::Ready(()) => Poll::Ready(Ok(())),
//!         Poll::Pending => running.as_mut().poll(cx),
//!     })
//!     .await?;
//! }
//! billing.close(Duration::from_secs(30)).await?;
//! assert_eq!(mock.committed("billing", "orders", 0), Some(2.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! Every record is handled at least once. Records of one key and partition (or one partition) are handled one after the
//! other in the order of their offsets; after a crash, or where a partition changes hands, handling begins again at a committed
//! offset, which may repeat records and never leaves one out. No offset is committed past a record that is not finished: its
//! handler returned `Ok`, its dead letter is written, or it was skipped because the settings say so.
//!
//! What is taken in and not finished is bounded by count and by bytes, and each partition has its share of it. While it is
//! full the consumer is asked for rebalances alone, so a handler may take as long as it needs: the member makes progress, in
//! the sense of `max.poll.interval.ms`, as long as the runner is polled ([`Runner::run`]). One that never returns keeps its
//! lane, holds the commits of its partition back, and is named by a warning.
//!
//! When partitions are revoked, nothing new of them is begun, what waits of them is dropped, and running calls have
//! [`Handlers::drain_timeout`] to return; what is finished by then is committed before they go, and calls that are not are
//! dropped at their next await. Of lost partitions calls are dropped at once and nothing is committed. All other
//! partitions go on meanwhile.
//!
//! # Cost
//!
//! A record is cloned once for each call, which is three reference counts. Nothing is allocated for it: lanes, places
//! and slots are used again. A decoded record costs what its codecs cost, a retry or a dead letter a few allocations. A call is
//! woken through a waker of its slot, and polled in the task of the runner.
mod dead_letter;
mod engine;
mod error;
mod failure;
#[cfg(doctest)]
mod guide;
mod handler;
mod handlers;
mod machine;
mod runner;
mod slots;

pub use courant_client::retry::Backoff;
pub use error::{Error, ErrorKind};
pub use failure::Failure;
pub use handler::Handler;
pub use handlers::{Handlers, TypedHandlers};
pub use runner::Runner;
