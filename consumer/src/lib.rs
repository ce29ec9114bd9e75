//! A consumer for Apache Kafka: fetches from every broker on its own, in the background, and never holds one up for another.
//!
//! ```text
//! poll.rs poll(), next_event() ─► machine/subscription ─► machine/partition ─► machine/fetcher (+ fetch_session) ─► driver.rs ─► links.rs ─► broker
//! Batch, ConsumerRecord ◄── machine/stretch (checked, decompressed, sliced; isolation) ◄── machine/buffer ◄── one slice per partition ◄┘
//!                           the position moves here, on hand-out
//! Acks::ack() ─► machine/acks (what is outstanding) ─► what commits may say
//! commit() ─► machine/commit (one after the other, as the member that owns) ─► driver.rs ─► calls.rs ─► the group's coordinator
//!
//! subscribe() ─► machine/group ─► membership::classic ─► members.rs ─► calls.rs ─► JoinGroup, SyncGroup, Heartbeat, LeaveGroup
//! Event::{Assigned, Revoked, Lost}, RebalanceListener ◄── machine/rebalance ◄── answers;   machine/election + assignor/ where it leads
//! ```
//!
//! Changes of the assignment are events between batches. A member tells its group that it has let go, or begins to read,
//! only when the application asks for the next event, so that nothing changes hands under its feet and no callback can
//! wait for itself; heartbeats and joins do not wait for the application.
//!
//! The application's task and the driver share one lock around the machines (`shared.rs`); neither waits for I/O while it
//! holds it. Batches stay compressed until a poll comes to them, and are decompressed by the task that polls. Per record
//! nothing is allocated and nothing crosses a channel: a [`Batch`] shares the bytes that the socket delivered, and a
//! [`ConsumerRecord`] holds one reference to them.
//!
//! Start with [`Consumer`]; settings go by Kafka's names ([`CONSUMER`]) or by type ([`ConsumerBuilder`]). Code that reads is
//! tested without a broker by a `MockConsumer` (feature `mock`), which plays the driver and all brokers for the same machines.
mod acks;
pub mod assignor;
mod backing;
mod builder;
mod calls;
mod config;
mod consumer;
mod driver;
mod error;
mod event;
mod group;
mod interceptor;
mod links;
mod listener;
mod lookup;
mod machine;
mod members;
mod metrics;
#[cfg(feature = "mock")]
mod mock;
mod offsets;
mod poll;
mod record;
mod requests;
mod shared;
mod stream;
mod typed;

pub use acks::{Acks, Receipt};
pub use builder::ConsumerBuilder;
pub use config::CONSUMER;
pub use consumer::{Commit, Consumer};
pub use courant_protocol::record::control::ControlRecord;
pub use courant_protocol::record::{Header, Headers};
pub use courant_protocol::types::ConsumerGroupMetadata;
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use group::{CloseOptions, Leave};
pub use interceptor::ConsumerInterceptor;
pub use listener::{ListenerError, RebalanceListener};
pub use machine::isolation::IsolationLevel;
pub use machine::reset::OffsetReset;
pub use metrics::ConsumerMetrics;
#[cfg(feature = "mock")]
pub use mock::{MockConsumer, MockRecord};
pub use offsets::{OffsetAndMetadata, OffsetAndTimestamp};
pub use record::{Batch, ConsumerRecord, Iter, Record};
pub use stream::RecordStream;
pub use typed::{
    DecodeError, Decoder, TypedBatch, TypedConsumer, TypedConsumerRecord, TypedEvent, TypedIter, TypedRecord,
    TypedRecordStream,
};
