//! The author's guide: its programs are compiled and run with the doc tests.

/// `docs/guide/connector.md`.
#[doc = include_str!("../../docs/guide/connector.md")]
pub(crate) struct Guide;
