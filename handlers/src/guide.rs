//! The guide: its program is compiled and run with the doc tests.

/// `docs/guide/handlers.md`.
#[doc = include_str!("../../docs/guide/handlers.md")]
pub(crate) struct Guide;
