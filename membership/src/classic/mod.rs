//! The classic protocol: the members agree on a strategy, one of them divides the work (KIP-62, 345, 394, 429, 559, 800, 814).
//!
//! ```text
//!  Out ─ join ─► Joining ─ JoinGroup ─► Electing (leader) ─► Syncing ─ SyncGroup ─► Assigning ─ assigned_done ─► Stable
//!                  ▲                                                                                              │
//!                  └────────── revoked_done ─────────────── Preparing ◄───────── rejoin wanted ───────────────────┘
//!                                                              ▲ Lost, from anywhere
//! ```
mod heartbeat;
mod machine;
mod member;
mod outcome;
mod request;
mod settings;

#[cfg(test)]
mod tests;

pub use machine::{Classic, Standing};
pub use member::{Election, ElectionMember, Member, Protocol};
pub use request::{ClassicRequest, Leave, Ticket};
pub use settings::ClassicSettings;
