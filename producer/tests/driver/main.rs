//! The whole producer against the in-process cluster, in virtual time.
mod buffer;
mod cancel;
mod closing;
mod delivery;
mod partitions;
mod stage;
