//! The part of a call that needs no network: which items are still open, and when they are tried again.
mod open_items;

pub(crate) use open_items::{OpenItems, Step};
