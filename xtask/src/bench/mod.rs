//! `cargo xtask bench`: our clients beside other people's, against a broker that costs next to nothing.
//!
//! | file | idea |
//! |---|---|
//! | `options` | the command line |
//! | `client` | the clients, and what each can do |
//! | `matrix` | what is measured: rows, and the clients of each |
//! | `build` | makes the drivers, or says which toolchain is missing |
//! | `broker` | the null broker's process |
//! | `sample` | one run: a line of CSV |
//! | `run` | all clients of a row in turn, as often as asked |
//! | `summary` | medians and ratios |
//! | `results` | `bench/RESULTS.md` |
//! | `host` | what it was measured on |
//!
//! `bench/README.md` says how to read the figures.

mod broker;
mod build;
mod client;
mod host;
mod matrix;
mod options;
mod results;
mod run;
mod sample;
mod summary;

pub(crate) use options::Options;
pub(crate) use run::{run, smoke};
