//! An application that runs: its workers, what they read and write, and how it ends.
//!
//! ```text
//! app.rs StreamsApp ─► topics.rs, internal_topics.rs (partition counts, co-partitioning, topics created and checked)
//!        └─► worker.rs: consumer ─► tasks ─► outbox.rs ─► producer        states.rs ◄─ every change
//!                       restore.rs: changelogs ─► stores                  commit.rs: flush ─► offsets ─► engines
//! ```
//! A worker is one asynchronous loop that owns its consumer, its producer and its tasks; nothing of a task is shared.
//! Heartbeats and fetches run in the consumer's own driver, so that a slow record delays only its worker's tasks. In a
//! simulation all workers run on one thread, beside the brokers.
mod app;
mod builder;
mod commit;
mod config;
mod error;
mod internal_topics;
mod outbox;
mod purge;
mod restore;
mod shared;
mod states;
mod topics;
mod worker;

pub use app::StreamsApp;
pub use builder::StreamsAppBuilder;
pub use config::STREAMS;
pub use error::{Error, ErrorKind};
pub use states::{State, States};
