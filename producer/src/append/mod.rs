//! The append room: where the application's tasks put records, and the driver takes batches.
//!
//! ```text
//! task ─► Room::append ─► Slot (lock) ─► BatchWriter ─► Appended (completion, index)
//!            │ refused: NeedsBytes ─► Permits::acquire().await ─► again
//!            │          or ─► Place (in the line), or Arrival ─► driver: Room::let_in, Room::serve_line
//!            └─ batch opened or full ─► Bell ─► driver: Slot::visit, Slot::take_all ─► machine/
//! ```
//!
//! Only `crate::sync` names locks here, so that the model check of `tests/append_model.rs` compiles the same files
//! against shuttle's.
mod arrivals;
mod bell;
mod completion;
mod incarnation;
mod line;
mod open_batch;
mod outstanding;
mod permits;
mod room;
mod undelivered;

pub(crate) use arrivals::Arrival;
pub(crate) use completion::{Completion, Delivered, Outcome, Waiter, Watcher};
pub(crate) use incarnation::TopicCounts;
pub(crate) use line::{Applicant, Place};
pub(crate) use open_batch::{Appended, ClosedBatch, Gate, Hold, Payload, Slot};
pub(crate) use outstanding::Flush;
pub(crate) use permits::{Permit, Waits};
pub(crate) use room::{Claim, Destination, Moment, Refusal, Room, RoomOptions, Supplies};
pub(crate) use undelivered::Undelivered;
