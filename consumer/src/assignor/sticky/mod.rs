//! Sticky: as balanced as can be, and as close as can be to the assignment before (KIP-54).
//!
//! ```text
//! claims.rs: what members say they had ─► group.rs: members, topics, partitions as numbers, racks.rs beside them
//!                                            ├─ all want the same topics ─► constrained.rs
//!                                            └─ else ─────────────────────► general.rs (movements.rs)
//! ```
//!
//! The outcome is that of Java's `AbstractStickyAssignor`, down to the ties, with four exceptions where Java errs: members
//! without topics do not make other members' subscriptions look alike; claims on partitions that do not exist count for
//! nothing; a partition never goes back to a former owner that does not want its topic any more; and partitions that nobody
//! has a rack for stay where they are, as long as the whole is balanced.
mod assign;
mod claims;
mod constrained;
mod general;
mod group;
mod movements;
mod racks;

pub(super) use assign::{assign, divide};
pub(super) use claims::{Claim, cooperative_claim, eager_claim, eager_user_data as user_data};
