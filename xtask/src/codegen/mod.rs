//! Writes `protocol/src/messages/` from the tables in `protocol/schemas/`.
//!
//! [`parse`] reads a table into the [`schema`]; [`types`], [`encode`] and [`decode`] write the Rust of a message,
//! [`index`] what holds all messages together, [`tests`] the builders that only tests need; [`mod@run`] puts the
//! files in their places.
mod decode;
mod encode;
mod index;
mod names;
mod parse;
mod run;
mod schema;
mod tests;
mod types;

pub(crate) use self::run::run;
