//! State of tasks: an overlay of what is not committed over an engine with what is.
//!
//! ```text
//! operator ─► KeyValue / Window ─► overlay.rs (uncommitted)  ─ commit ─► Engine (committed, with the changelog offset)
//!                  └─► changelog record ─► task/record_collector.rs       ▲
//!                                             changelog topic ─ restore ──┘ changelog.rs
//! ```
//! Reads see the overlay first. A commit moves the overlay into the engine in one batch, together with the offset up to
//! which the changelog holds the same; so wherever a program stops, an engine stands at a committed offset, and a restore
//! goes on from there. Changelog records are Kafka Streams' own, byte for byte; what an engine holds is ours.
mod changelog;
mod directory;
mod engine;
mod key_value;
mod keyed;
mod memory;
mod overlay;
mod stores;
mod window;

pub(crate) use directory::StateDirectory;
pub(crate) use engine::{Engine, EngineError};
pub(crate) use key_value::KeyValue;
pub(crate) use stores::{StoreLayout, StoreShape, Stores};
pub(crate) use window::Window;
