//! Which partition a record goes to: the one it names, else its key's hash, else the sticky one.
mod key_hash;
mod round_robin;
mod sticky;

pub use key_hash::partition_for_key;
pub use round_robin::Partitioner;
pub(crate) use sticky::{Load, Sticky};
