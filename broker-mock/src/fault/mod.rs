//! Faults: which requests they meet, and what becomes of those.
mod effects;
mod error_injection;
mod list;
mod rule;

pub(crate) use effects::{Cut, Effects};
pub(crate) use error_injection::InjectedError;
pub(crate) use list::FaultList;
pub use rule::Fault;
pub(crate) use rule::Seen;
