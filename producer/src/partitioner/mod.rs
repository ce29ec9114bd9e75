//! Which partition a record goes to: the one it names, else what a partitioner says, else the sticky one.
//!
//! [`Partitioner`] is what users choose: the built-in way, one of the well-known ways of other clients, or a
//! [`CustomPartitioner`] of their own. Whatever leaves the choice open is [`Sticky`]'s: one partition at a time gets its
//! batch, and the next is drawn among those whose brokers keep up.
mod custom;
mod key_hash;
mod named;
mod standing;
mod sticky;

pub use custom::{CustomPartitioner, Unplaced};
pub use key_hash::partition_for_key;
pub use named::Partitioner;
pub(crate) use named::Turns;
pub(crate) use standing::{Standing, standings};
pub(crate) use sticky::{Load, Sticky};
