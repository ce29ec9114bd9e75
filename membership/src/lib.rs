//! Group membership of Apache Kafka as pure state machines.
//!
//! ```text
//!             join(), request_rejoin(), leave()                       JoinGroup, SyncGroup, Heartbeat, LeaveGroup
//!  owner  ───────────────────────────────────────►  classic::Classic  ───────────────────────────────────────►  driver ─► coordinator
//!         ◄──── Revoke, Elect, Assign, Lost, Fatal ─                  ◄──────────────── answers, the time ─────
//!          ──── revoked_done, elected, assigned_done ►
//! ```
//!
//! A machine knows how one member and the coordinator of its group talk. It is handed the time and the answers, and gives
//! requests and [`MembershipEvent`]s. What the bytes in them mean is its owner's business: consumers, stream
//! applications and connect workers ride on the same machine, each with its own protocol type, metadata and assignments.
//!
//! Every protocol of membership speaks of the same things, so that owners need to know one vocabulary: partitions (or
//! tasks) are to be *revoked* while they are still owned, were *lost* without a chance to say anything, or are *assigned*.
//! The owner says when it is done with what it was told; until then the machine does not go on, but heartbeats do.
pub mod classic;
mod event;

pub use event::{Assigned, MembershipEvent};
