//! `cargo xtask planted`: proves that each trap's test can fail.
//!
//! A patch in `tests/planted/` breaks the product on purpose. Applied to a scratch copy of the workspace it must make
//! the test of its first line fail, by an assertion and within a time limit, and without it the test must pass. The
//! copy and its target folder stay under `target/planted/`, so that only what a patch touches is built again.

mod copy;
mod patch;
mod run;

pub(crate) use run::{Selection, run};
